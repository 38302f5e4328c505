"""Who asks: from a bearer token, an API key or a browser's cookie to the person or program behind it."""

import asyncio
from urllib.parse import urlsplit

from app.control import keys as api_keys
from app.control.claims import Person, Reading
from app.control.code_flow import CodeFlow
from app.control.development import DevelopmentIssuer
from app.control.keys import Keys
from app.control.oidc import OidcIssuer
from app.control.people import People
from app.control.sign_ins import SignIns, is_word
from app.domain.identity import Principal
from app.errors import Forbidden, Unauthenticated
from app.store.background import ended
from app.store.broadcast import Broadcast

# The cookie of our pages.
COOKIE = "identity"
SAFE = {"GET", "HEAD", "OPTIONS"}
# Whoever changes a key or signs out says so here, and every process looks everything up anew.
CHANNEL = "credentials"
NOTE_USE_S = 30.0


def refuse_foreign(method: str, *, origin: str | None, host: str | None) -> None:
    """Refuse a change that another site's page sends with our cookie (CSRF). Raises Forbidden."""
    if method not in SAFE and (origin is None or urlsplit(origin).netloc != host):
        raise Forbidden("Changes by cookie are taken from this site's own pages only.")


class Authenticator:
    """Knows people by the issuer's tokens and by their browsers, programs by their keys."""

    def __init__(
        self,
        issuer: DevelopmentIssuer | OidcIssuer,
        people: People,
        *,
        keys: Keys | None = None,
        sign_ins: SignIns | None = None,
        flow: CodeFlow | None = None,
        reading: Reading | None = None,
    ) -> None:
        self.issuer, self.flow, self.sign_ins = issuer, flow, sign_ins
        self.people, self.keys, self._reading = people, keys, reading or Reading()
        self._tasks: list[asyncio.Task[None]] = []

    async def principal(self, token: str) -> Principal:
        """Verify a token or key of the Authorization header, and look up what is granted now.

        Raises Unauthenticated, Forbidden, DependencyDown.
        """
        if self.keys and token.startswith(api_keys.PREFIX):
            return await self.keys.principal(token)
        return await self._of(self._reading.person(await self.issuer.claims(token)))

    async def visitor(self, cookie: str) -> Principal:
        """Give the person behind a browser's cookie; a proxy in front of us may have put a bearer token there."""
        if self.sign_ins and is_word(cookie):
            return await self._of(await self.sign_ins.person(cookie))
        if cookie.startswith(api_keys.PREFIX):
            raise Unauthenticated("An API key is no sign-in; send it as `Authorization: Bearer <key>`.")
        return await self._of(self._reading.person(await self.issuer.claims(cookie)))

    async def _of(self, person: Person) -> Principal:
        return await self.people.principal(person.id, name=person.name, groups=person.groups, unit=person.unit)

    def start(self, broadcast: Broadcast) -> None:
        """Listen for changed keys, and note now and then when each was used."""
        self._tasks = [asyncio.create_task(self._listen(broadcast)), asyncio.create_task(self._note_use())]

    async def stop(self) -> None:
        """Listen no more, and write down what is left to note."""
        await ended(*self._tasks)
        self._tasks = []
        if self.keys:
            await self.keys.note_use()
        await self.issuer.close()

    def forget(self) -> None:
        """Look every key and sign-in up anew."""
        if self.keys:
            self.keys.forget()
        if self.sign_ins:
            self.sign_ins.known.forget()

    async def _listen(self, broadcast: Broadcast) -> None:
        async for _ in broadcast.listen(CHANNEL):
            self.forget()

    async def _note_use(self) -> None:
        while self.keys:
            await asyncio.sleep(NOTE_USE_S)
            await self.keys.note_use()
