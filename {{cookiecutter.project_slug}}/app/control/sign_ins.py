"""Browsers that are signed in: the cookie is a random word, and the database knows who stands behind it."""

import re
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from secrets import token_urlsafe

from app.control.claims import Person
from app.control.remembered import Remembered
from app.errors import Unauthenticated
from app.store import sign_ins as table
from app.store.db import Database
from app.store.sign_ins import SignIn

# So long the groups of a browser may be old; then its person signs in again, mostly without noticing.
LIFE_S = 3600.0
_FORM = re.compile(r"[\w-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignIns:
    """Begins, finds and ends the sign-ins of browsers."""

    database: Database
    known: Remembered[SignIn]

    @classmethod
    def over(cls, database: Database) -> "SignIns":
        """Keep them in this database."""

        async def look_up(hash_: bytes) -> SignIn | None:
            return await table.found(database, hash_)

        return cls(database, Remembered(look_up))

    async def begin(self, person: Person, *, id_token: str) -> str:
        """Sign a browser in; gives the word of its cookie. Raises DependencyDown."""
        word = token_urlsafe(32)
        said = {"person": asdict(person), "id_token": id_token}
        async with self.database.work() as work:
            await table.begin(work, _hash(word), user_id=person.id, said=said, life_s=LIFE_S)
        return word

    async def person(self, word: str) -> Person:
        """Give who is behind a cookie. Raises Unauthenticated, DependencyDown."""
        found = await self._found(word)
        if found is None:
            raise Unauthenticated("You are not signed in any more; sign in again.")
        person = found.said["person"]
        return Person(person["id"], person["name"], tuple(person["groups"]), person["unit"])

    async def end(self, word: str) -> str:
        """Sign a browser out; gives the id token with which it was signed in, if it still was."""
        found = await self._found(word)
        if found is None:
            return ""
        async with self.database.work() as work:
            await table.end(work, _hash(word))
        self.known.forget()
        return str(found.said["id_token"])

    async def _found(self, word: str) -> SignIn | None:
        found = await self.known.get(_hash(word)) if is_word(word) else None
        return found if found and found.until > time.time() else None


def is_word(cookie: str) -> bool:
    """Say whether a cookie has the form of ours; bearer tokens, which proxies may put there, have dots."""
    return bool(_FORM.fullmatch(cookie))


def _hash(word: str) -> bytes:
    return sha256(word.encode()).digest()
