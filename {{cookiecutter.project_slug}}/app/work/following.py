"""Following a source: its list is noted, rights and deletions first, then each item is read that may have changed.

What is listed stands in the database until it has been read, so a worker that takes over goes on where another died,
and memory holds a few items however long the list is.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import structlog

from app.domain.access import Access, Claims
from app.domain.job import Job
from app.domain.source import Body, Source
from app.errors import AppError, NotFound, SourceFailed, Unreadable
from app.retrieval.parse import PARSER_VERSION
from app.store import documents, listed, sources
from app.store.db import Database, Work
from app.store.documents import Content, Facts
from app.store.listed import Note, Todo
from app.store.sources import Place
from app.work.contents import Contents, File, media_type_of, title_of
from app.work.listing import STEP_S, Listing, Report

log = structlog.get_logger(__name__)
# Before every version that is kept; another reader of formats reads everything again.
MAKER = f"{PARSER_VERSION}|"
# Accesses that are remembered by their numbers.
KNOWN = 500
# Items that are read at once, and how many are taken from the list in one statement.
HANDS, TAKEN = 4, 16
# A worker that dies so often over an item has been killed by it.
MOST_TRIES = 3
# After so many items in a row that could not be fetched the source is down, and the rest waits.
MOST_UNREAD = 10
_DIED = f"A worker died {MOST_TRIES} times while it read this file; it is left out until it changes."


class SourceBusy(Exception):
    """Another job is reading this source; come back when it is done."""


@dataclass(slots=True)
class Following:
    """One job's way through one source; `source` is open, `claims` are those of whoever asked for the job."""

    database: Database
    contents: Contents
    source: Source
    job: Job
    claims: Claims
    report: Report
    _done: int = 0
    _total: int = 0
    _unread_in_a_row: int = 0
    _waiting: deque[Todo] = field(default_factory=deque)
    # Of items that needed nothing; written together when the next are taken.
    _notes: list[Note] = field(default_factory=list)
    _busy: set[str] = field(default_factory=set)
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)
    _taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    _accesses: dict[int, Access] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Name the source with its use case."""
        return Place(self.job.usecase, self.source.name)

    async def run(self) -> dict[str, Any]:
        """Follow the source; gives what became of its documents.

        Raises SourceBusy; SourceFailed when it cannot be listed or is down; BadInput for an unusable list of readers;
        Conflict when the list lacks most of what is there.
        """
        async with self.database.work() as work:
            is_listed = await sources.begin(work, self.place, self.job.id)
        if is_listed is None:
            raise SourceBusy
        if not is_listed:
            removal = bool(self.job.input.get("allow_removal"))
            await Listing(self.database, self.source, self.place, self.report, MAKER, removal).make()
        await self._read()
        async with self.database.work() as work:
            result = await listed.result(work, self.place, claims=self.claims)
            await sources.end(work, self.place, self.job.id)
        log.info("ingestion.done", usecase=self.job.usecase, source=self.source.name, documents=self._total)
        return result

    async def _read(self) -> None:
        async with self.database.work() as work:
            counts = await listed.counts(work, self.place)
        self._total = sum(counts.values()) - counts.get("unlisted", 0)
        self._done = self._total - counts.get("", 0)
        self._quiet.set()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(HANDS):
                    group.create_task(self._hand())
        except BaseExceptionGroup as fallen:
            raise fallen.exceptions[0] from None

    async def _hand(self) -> None:
        while True:
            async with self._taking:
                todo = await self._next()
                if todo is None:
                    return
                if todo.tries > 1:
                    # A worker died over it, or over one beside it: now it is the only one under way.
                    await self._quiet.wait()
                    await self._finish(todo)
                    continue
                self._busy.add(todo.path)
                self._quiet.clear()
            await self._finish(todo)
            self._busy.discard(todo.path)
            if not self._busy:
                self._quiet.set()

    async def _finish(self, todo: Todo) -> None:
        await self._one(todo)
        self._done += 1
        await self.report(self._done, self._total, todo.path if todo.is_shown else "")

    async def _next(self) -> Todo | None:
        if not self._waiting:
            notes, self._notes = self._notes, []
            async with self.database.work() as work:
                if notes:
                    await listed.note(work, self.place, *notes)
                busy = self._busy | {each.path for each in self._notes}
                taken = await listed.take(work, self.place, limit=TAKEN, maker=MAKER, claims=self.claims, busy=busy)
            self._waiting.extend(taken)
        return self._waiting.popleft() if self._waiting else None

    async def _one(self, todo: Todo) -> None:
        if todo.tries > MOST_TRIES:
            await self._save(todo, Body(b"", version=todo.version), Content(todo.content_hash, failure=_DIED))
            return
        try:
            async with asyncio.timeout(STEP_S):
                body = await self.source.read(todo.path, todo.known)
        except NotFound:
            await self._remove(todo)
        except Unreadable as error:
            await self._save(todo, Body(b"", version=todo.version), Content("", failure=error.detail))
        except Exception as error:  # One's own source may raise anything at all.
            await self._unread(todo, error)
        else:
            self._unread_in_a_row = 0
            await self._bring(todo, body)

    async def _bring(self, todo: Todo, body: Body | None) -> None:
        file = _file(todo, body) if body else None
        if file is None or file.hash == todo.content_hash:
            version = MAKER + ((body.version if body else "") or todo.version or todo.known)
            outcome = "changed" if todo.moved else "unchanged"
            self._notes.append(Note(todo.path, outcome, todo.stored_fault, version))
            return
        assert body is not None
        await self._save(todo, body, await self.contents.of(file, self.job))

    async def _save(self, todo: Todo, body: Body, content: Content) -> None:
        version = body.version or todo.version
        outcome = "changed" if todo.content_hash else "added"
        async with self._saving, self.database.work() as work:
            await sources.alone(work, self.job.usecase)
            facts = await self._facts(work, todo, body)
            id = documents.document_id(facts.usecase, facts.source, facts.path)
            await documents.save(work, id, facts, content)
            kept = MAKER + version if version else ""
            await listed.note(work, self.place, Note(todo.path, outcome, content.failure, kept))

    async def _remove(self, todo: Todo) -> None:
        async with self._saving, self.database.work() as work:
            await sources.alone(work, self.job.usecase)
            await sources.remove(work, self.place, todo.path)

    async def _unread(self, todo: Todo, error: Exception) -> None:
        why = error.detail if isinstance(error, AppError) else f"{type(error).__name__}."
        log.warning("ingestion.unread", source=self.source.name, exc_info=error)
        detail = f"It could not be fetched, and is tried again next time: {why}"
        if todo.content_hash:
            async with self.database.work() as work:
                await listed.note(work, self.place, Note(todo.path, "unread", detail))
        else:
            await self._save(replace(todo, version=""), Body(b""), Content("", failure=detail))
        self._unread_in_a_row += 1
        if self._unread_in_a_row >= MOST_UNREAD:
            raise SourceFailed(f"The source {self.source.name!r} gave none of {MOST_UNREAD} items in a row: {why}")

    async def _facts(self, work: Work, todo: Todo, body: Body) -> Facts:
        if todo.acl_id not in self._accesses:
            if len(self._accesses) >= KNOWN:
                self._accesses.clear()
            self._accesses[todo.acl_id] = await sources.access(work, todo.acl_id)
        return Facts(
            usecase=self.place.usecase,
            source=self.place.source,
            path=todo.path,
            title=_title(todo, body),
            access=self._accesses[todo.acl_id],
            media_type=media_type_of(todo.path, body.media_type, todo.media_type),
            effective_on=todo.effective_on,
            superseded=todo.superseded,
        )


def _title(todo: Todo, body: Body) -> str:
    return (todo.title or body.title.replace("\x00", "") or title_of(todo.path))[:300]


def _file(todo: Todo, body: Body) -> File:
    return File(
        title=_title(todo, body),
        filename=body.filename or PurePosixPath(todo.path).name,
        media_type=media_type_of(todo.path, body.media_type, todo.media_type),
        content=body.content,
        language=todo.language or body.language,
    )
