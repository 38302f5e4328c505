"""Everything that a person has here, as one JSON document that is written while it is read.

What stands on documents is given as far as the person may read them at this moment, as everywhere else.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from app.domain.identity import Principal
from app.domain.usecase import UseCase
from app.errors import BadInput, NotFound
from app.store import audit, belongings, documents, jobs, quoting
from app.store.db import Database, Work
from app.turn.story import conversation, told_to
from app.work.named_cases import naming

FORMAT = 1
Rows = AsyncIterator[Any]


@dataclass(frozen=True, slots=True)
class Export:
    """Reads what belongs to a person; nothing is kept of it."""

    database: Database
    usecases: Mapping[str, UseCase]

    async def noted(self, who: Principal, *, by: str, because: str) -> AsyncIterator[bytes]:
        """Give another person's export, after the audit has who asked for it and why. Raises BadInput."""
        if not because.strip():
            raise BadInput("An export of another person needs a reason, which is kept in the audit.")
        async with self.database.work() as work:
            await audit.note(work, actor=by, action="person.exported", subject=f"user:{who.user_id}", reason=because)
        return self.of(who)

    async def of(self, who: Principal) -> AsyncIterator[bytes]:
        """Yield the JSON of everything, a piece at a time."""
        head = {
            "format": FORMAT,
            "made_at": datetime.now(UTC),
            "person": {"id": who.user_id, "name": who.name, "groups": who.groups, "unit": who.unit},
        }
        yield _json(head)[:-1]
        for name, rows in self._sections(who):
            yield b",\n" + _json(name) + b":["
            first = True
            async for row in rows:
                yield (b"\n" if first else b",\n") + _json(row)
                first = False
            yield b"]"
        yield b"}\n"

    def _sections(self, who: Principal) -> list[tuple[str, Rows]]:
        return [
            ("sessions", self._conversations(who)),
            ("turns", self._turns(who)),
            ("feedback", self._plain(who, belongings.feedback)),
            ("jobs", self._jobs(who)),
            ("documents", self._documents(who)),
            ("uploads", self._uploads(who)),
            ("reviews", self._reviews(who)),
            ("captured_cases", self._cases(who)),
            ("api_keys", self._plain(who, belongings.keys)),
            ("sign_ins", self._plain(who, belongings.sign_ins)),
            ("spent", self._plain(who, belongings.money)),
            ("events", self._plain(who, belongings.events)),
            ("evaluation_cases", self._written_cases(who)),
        ]

    async def _plain(self, who: Principal, read: Any) -> Rows:
        async with self.database.work() as work:
            rows = await read(work, who.user_id)
        for row in rows:
            yield row

    async def _conversations(self, who: Principal) -> Rows:
        async for id in belongings.every(self.database, "sessions", who.user_id):
            try:
                row, said = await conversation(who, self.database, id)
            except NotFound:  # deleted meanwhile
                continue
            yield {**asdict(row), "messages": said}

    async def _turns(self, who: Principal) -> Rows:
        async for id in belongings.every(self.database, "turns", who.user_id):
            try:
                yield await told_to(who, self.database, id, usecases=self.usecases)
            except NotFound:
                continue

    async def _jobs(self, who: Principal) -> Rows:
        async for id in belongings.every(self.database, "jobs", who.user_id):
            async with self.database.work(claims=who.claims) as work:
                job = asdict(await jobs.get(work, id, user_id=who.user_id))
                items = await self._seen(work, who, await jobs.items(work, id), ("answer", "data"))
            asked = {name: value for name, value in job["input"].items() if name != "trace"}
            yield {**job, "input": asked, "lease": None, "items": items}

    async def _documents(self, who: Principal) -> Rows:
        async for id in belongings.every(self.database, "documents", who.user_id, claims=who.claims):
            async with self.database.work(claims=who.claims) as work:
                found = await documents.get(work, id, claims=who.claims)
                pieces = await belongings.pieces(work, id)
            yield {**asdict(found), "pieces": pieces}

    async def _uploads(self, who: Principal) -> Rows:
        async for id in belongings.every(self.database, "uploads", who.user_id):
            async with self.database.work() as work:
                found = await documents.upload(work, id)
            if found:
                yield {**asdict(found), "content": b64encode(found.content).decode()}

    async def _reviews(self, who: Principal) -> Rows:
        async with self.database.work(claims=who.claims) as work:
            found = await belongings.reviews(work, who.user_id)
            rows = await self._seen(work, who, found, ("final", "final_data"))
        for row in rows:
            yield row

    async def _cases(self, who: Principal) -> Rows:
        async with self.database.work(claims=who.claims) as work:
            found = await belongings.captured_cases(work, who.user_id)
            rows = await self._seen(work, who, found, ("expected", "expected_data"))
        for row in rows:
            yield row

    async def _written_cases(self, who: Principal) -> Rows:
        for found in await asyncio.to_thread(naming, self.usecases, who.user_id):
            yield {"place": found.place, "case": found.text}

    async def _seen(
        self, work: Work, who: Principal, rows: list[dict[str, Any]], words: tuple[str, str]
    ) -> list[dict[str, Any]]:
        """Withhold what stands on documents that the person may not read now."""
        ids: set[UUID] = {row["turn_id"] for row in rows if row["turn_id"]}
        hidden = await quoting.withheld(work, ids, claims=who.claims)
        nothing = {words[0]: quoting.WITHHELD, words[1]: None}
        return [{**row, **nothing} if row["turn_id"] in hidden else row for row in rows]


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=str)
