"""The ground of the attacks: secrets, who may read each, and everything an attacker ever gets to see.

A secret is a document about a made-up subject whose text, title, heading and file name hold a word that stands nowhere
else. The attacker knows the subject and even the document's id. The word must not be in any byte of an answer to
anybody who may not read the document at that moment, nor in a prompt that the model receives on their behalf; nor,
whoever asks, in logs, spans and metrics.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import event

from app.control.development import DEVELOPMENT_ISSUER
from app.wiring.service import Service
from tests.conftest import SECRET
from tests.fakes.fixtures import RunningVendor

Headers = Mapping[str, str]
NOBODY = "nobody"


@dataclass(frozen=True)
class Person:
    """Somebody who signs in; `names` are what documents would have to carry for them, by the plain rule."""

    id: str
    groups: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Give every reader name of this person."""
        return frozenset(("everyone", f"user:{self.id}", *(f"group:{group}" for group in self.groups)))

    def token(self, *, secret: str = SECRET, alg: str = "HS256", **changes: Any) -> str:
        """Sign a token as the development issuer does; `changes` replace claims, None leaves one out."""
        claims = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": DEVELOPMENT_ISSUER,
            "sub": self.id,
            "name": self.id,
            "groups": list(self.groups),
            "unit": "",
            "exp": int(time.time()) + 3600,
            **changes,
        }
        known = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": alg}, known, OctKey.import_key(secret), algorithms=[alg])

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers by which this person is known."""
        return {"Authorization": f"Bearer {self.token()}"}


ERIN = Person("erin.holt", ("executives",))
SAM = Person("sam.reyes", ("sales",))
MAYA = Person("maya.okafor", ("sales",))
PRIYA = Person("priya.nair", ("engineering",))
HANA = Person("hana.lind", ("hr", "reviewers"))
OLGA = Person("olga.petrov", ("operators", "reviewers"))
# Nobody at all: a request whose sender the service must not believe.
STRANGER = Person(NOBODY)


@dataclass
class Secret:
    """A document and its word; `subject` is what everybody knows of it."""

    subject: str
    word: str
    owner: Person
    readers: tuple[str, ...]
    usecase: str
    filename: str
    id: UUID | None = None
    denied: tuple[str, ...] = ()
    # People whom level, region or directory keep out.
    closed_to: tuple[Person, ...] = ()

    @property
    def question(self) -> str:
        """Give the question that the document answers."""
        return f"What is the agreed price of project {self.subject}?"

    def is_for(self, who: Person) -> bool:
        """Say whether this person may read it, by the plain rule."""
        if who is STRANGER or who in self.closed_to or who.names & set(self.denied):
            return False
        return bool(who.names & set(self.readers))


@dataclass
class Ground:
    """The service under attack, the model behind it, and the tally of what came out."""

    service: Service
    client: httpx2.AsyncClient
    vendor: RunningVendor
    secrets: list[Secret] = field(default_factory=list)
    loot: list[str] = field(default_factory=list)
    tries: int = 0

    # ---- what the victims do ----

    async def secret(
        self,
        *,
        owner: Person = ERIN,
        readers: Sequence[str] = ("group:executives",),
        usecase: str = "vault",
        subject: str = "",
        filename: str = "",
        **access: Any,
    ) -> Secret:
        """Have its owner send a document that only these readers may read; `access` narrows that."""
        made = uuid4().hex
        subject = subject or f"sub{_letters(made[:8])}"
        word = f"word{_letters(made[8:20])}"
        secret = Secret(subject, word, owner, tuple(readers), usecase, filename or f"{subject}-{word}.md")
        text = f"# Project {subject} {word}\n\nThe agreed price of project {subject} is {word}.\n"
        self.secrets.append(secret)
        secret.id = await self.upload(
            owner,
            text,
            filename=secret.filename,
            title=f"Project {subject} {word}",
            readers=readers,
            usecase=usecase,
            **access,
        )
        secret.denied = tuple(access.get("denied", ()))
        return secret

    async def upload(
        self,
        who: Person,
        content: str | bytes,
        *,
        filename: str,
        title: str = "",
        readers: Sequence[str] = (),
        usecase: str = "vault",
        **access: Any,
    ) -> UUID:
        """Send a document and have it read in; gives its id."""
        accepted = await self.client.post(
            "/v1/documents",
            files={"file": (filename, content if isinstance(content, bytes) else content.encode())},
            data={"usecase": usecase, "title": title, "readers": list(readers), **access},
            headers=who.headers,
        )
        assert accepted.status_code == 202, accepted.text
        await self.service.jobs.run(UUID(accepted.json()["job_id"]))
        job = (await self.client.get(accepted.headers["location"], headers=who.headers)).json()
        assert job["status"] == "succeeded", job
        return UUID(job["result"]["document_id"])

    async def revoke(self, secret: Secret, readers: Sequence[str], **access: Any) -> None:
        """Have the owner say that other people may read it from now on."""
        accepted = await self.client.put(
            f"/v1/documents/{secret.id}/access",
            json={"readers": list(readers), **access},
            headers=secret.owner.headers,
        )
        assert accepted.status_code == 202, accepted.text
        await self.service.jobs.run(UUID(accepted.json()["job_id"]))
        secret.readers, secret.denied = tuple(readers), tuple(access.get("denied", ()))

    async def told(self, secret: Secret, *, who: Person | None = None, **more: Any) -> dict[str, Any]:
        """Have somebody who may read it ask; where they get the word, an attack that gets nothing says something."""
        response = await self.client.post(
            f"/v1/usecases/{secret.usecase}/turns",
            json={"question": secret.question, **more},
            headers=(who or secret.owner).headers,
        )
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    # ---- what the attackers do ----

    async def send(
        self, who: Person, method: str, url: str, *, headers: Headers | None = None, **more: Any
    ) -> httpx2.Response:
        """Send a request as somebody, and look for loot in the answer and in what the model was sent meanwhile."""
        self.tries += 1
        seen = len(self.vendor.requests)
        response = await self.client.request(
            method, url, headers=dict(who.headers if headers is None else headers), **more
        )
        told = b"\n".join(b"%b: %b" % pair for pair in response.headers.raw) + response.content
        self.look(who, told, f"{method} {url}: {response.status_code}")
        self._prompts(who, seen, url)
        return response

    async def ask(self, who: Person, question: str, *, usecase: str = "vault", **more: Any) -> httpx2.Response:
        """Ask as somebody."""
        return await self.send(who, "POST", f"/v1/usecases/{usecase}/turns", json={"question": question, **more})

    async def go_on(self, who: Person, session_id: str, open_: Secret) -> None:
        """Go on in a conversation, about something that this person may read, so that the model is asked."""
        seen = len(self.vendor.requests)
        mark = self.vendor.plan(f"on{open_.subject}", "echo")
        await self.ask(who, f"{open_.question} And what did you say before? {mark}", session_id=session_id)
        prompts = str(self.vendor.requests[seen:])
        assert open_.word in prompts, "the model was asked"

    async def run(self, who: Person, job_id: str | UUID) -> None:
        """Do a job of theirs, as a worker would."""
        seen = len(self.vendor.requests)
        await self.service.jobs.run(UUID(str(job_id)))
        self._prompts(who, seen, "job")

    async def sweep(self, who: Person, secret: Secret) -> None:
        """Try the plain ways to a secret: ask, list, read, stream."""
        await self.ask(who, secret.question, usecase=secret.usecase)
        await self.send(who, "GET", f"/v1/documents?limit=500&usecase={secret.usecase}")
        found = await self.send(who, "GET", f"/v1/documents/{secret.id}")
        assert found.status_code in ((200,) if secret.is_for(who) else (401, 404))

    def look(self, who: Person, told: bytes | str, where: str) -> None:
        """Look for words that this person may not read."""
        hidden = [secret.word for secret in self.secrets if not secret.is_for(who)]
        self._look(told, hidden, f"{who.id}: {where}")

    def look_everywhere(self, told: bytes | str, where: str) -> None:
        """Look for any word: this place holds none, whoever asks."""
        self._look(told, [secret.word for secret in self.secrets], where)

    def _look(self, told: bytes | str, words: Sequence[str], where: str) -> None:
        raw = told if isinstance(told, bytes) else told.encode()
        low = raw.lower()
        self.loot += [f"{word} in {where}" for word in words if any(form in low for form in _forms(word))]

    def _prompts(self, who: Person, seen: int, where: str) -> None:
        for request in self.vendor.requests[seen:]:
            self.look(who, orjson.dumps(request), f"prompt of {where}")

    # ---- work that is counted ----

    def count(self) -> "Count":
        """Count the statements that the database is sent."""
        return Count(self.service)


class Count:
    """Statements about documents while it is entered: more work for what exists than for what does not would tell."""

    ABOUT = ("documents", "chunks", "uploads", "acls", "jobs")

    def __init__(self, service: Service) -> None:
        self._engine = service.database.engine.sync_engine
        self.statements = 0

    def _one(self, _: Any, __: Any, statement: str, *___: Any) -> None:
        # The switches are looked up all the time.
        self.statements += any(name in statement for name in self.ABOUT)

    def __enter__(self) -> "Count":
        event.listen(self._engine, "before_cursor_execute", self._one)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._one)


def _letters(number: str) -> str:
    # Digits would be split off by the search, and masked as telephone numbers.
    return number.translate(str.maketrans("0123456789", "ghijklmnop"))


def _forms(word: str) -> tuple[bytes, ...]:
    raw = word.encode()
    # Base64 of the middle, at each of the three places in a group; case is gone by then.
    inner = [base64.b64encode(b" " * shift + raw)[4 if shift else 0 :].rstrip(b"=")[:-2].lower() for shift in range(3)]
    return (raw, raw[::-1], raw.hex().encode(), *inner)


Attack = Callable[[Ground], Any]
ATTACKS: dict[str, tuple[str, Attack]] = {}


def attack(theme: str, name: str) -> Callable[[Attack], Attack]:
    """Note an attempt in the table, under its theme."""

    def noted(attempt: Attack) -> Attack:
        assert name not in ATTACKS, name
        ATTACKS[name] = (theme, attempt)
        return attempt

    return noted
