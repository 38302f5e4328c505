"""The list of a source: noted page by page; then rights and deletions, before anything is read."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from hashlib import sha256

import structlog

from app.domain.access import Access
from app.domain.source import Item, Source
from app.errors import AppError, BadInput, Conflict, SourceFailed
from app.store import documents, listed, sources
from app.store.db import Database, Work
from app.store.sources import Place

log = structlog.get_logger(__name__)
Report = Callable[[int, int, str], Awaitable[None]]
PAGE = 500
STEP_S = 180.0
# A list that lacks more than half of the documents is broken more often than meant; a few may go without asking.
FEW = 10
_MOST_PATH_BYTES = 1500


@dataclass(slots=True)
class Listing:
    """Notes what an open source lists, and has the documents follow it; `maker` stands before every version."""

    database: Database
    source: Source
    place: Place
    report: Report
    maker: str
    allow_removal: bool
    _total: int = 0
    _numbers: dict[Access, int] = field(default_factory=dict)

    async def make(self) -> None:
        """Note the list, then give and take rights, remove what is gone, and pass over what is unchanged.

        Raises SourceFailed, BadInput, and Conflict when the list lacks most of what is there.
        """
        await self._list()
        await self._settle()

    async def _list(self) -> None:
        page: list[Item] = []
        async with aclosing(self._items()) as items:
            async for item in items:
                page.append(item)
                if len(page) == PAGE:
                    await self._note_listed(page)
                    page = []
        await self._note_listed(page)

    async def _items(self) -> AsyncGenerator[Item, None]:
        listing = aiter(self.source.items())
        while True:
            try:
                async with asyncio.timeout(STEP_S):
                    item = await anext(listing)
            except StopAsyncIteration:
                return
            except AppError:
                raise
            except Exception as error:  # One's own source may raise anything at all.
                log.warning("ingestion.unlisted", source=self.source.name, exc_info=True)
                # What it says may hold an address with a password; the log of the worker has it.
                why = type(error).__name__
                raise SourceFailed(f"The source {self.source.name!r} cannot be listed: {why}.") from error
            yield _usable(item)

    async def _note_listed(self, page: list[Item]) -> None:
        if not page:
            return
        async with self.database.work() as work:
            numbered = [(item, await self._number(work, item.access)) for item in page]
            doubles = await listed.add(work, self.place, numbered)
            if doubles:
                raise BadInput(f"{self.source.name!r} lists twice: {', '.join(sorted(doubles)[:10])}.")
        self._total += sum(item.access is not None for item in page)
        await self.report(0, self._total, "")

    async def _number(self, work: Work, access: Access | None) -> int | None:
        if access is None:
            return None
        if access not in self._numbers:
            if len(self._numbers) >= PAGE:
                self._numbers.clear()
            self._numbers[access] = await documents.acl(work, access)
        return self._numbers[access]

    async def _settle(self) -> None:
        async with self.database.work() as work:
            await sources.supersede(work, self.place)
        await self._repeated(sources.follow_rights)
        await self._ensure_plausible()
        await self._repeated(sources.remove_gone)
        async with self.database.work() as work:
            await listed.complete(work, self.place, maker=self.maker)

    async def _repeated(self, step: Callable[[Work, Place], Awaitable[int]]) -> None:
        while True:
            async with self.database.work() as work:
                await sources.alone(work, self.place.usecase)
                if not await step(work, self.place):
                    return

    async def _ensure_plausible(self) -> None:
        if self.allow_removal:
            return
        async with self.database.work() as work:
            found = await sources.difference(work, self.place)
        is_empty = not found.listed and found.there
        if is_empty or (found.gone > FEW and found.gone > found.there / 2):
            raise Conflict(
                f"The source {self.source.name!r} lists {found.listed} items and lacks {found.gone} of the"
                f" {found.there} documents that were read from it. Nothing was removed. If they are meant to go, allow"
                " it for once: `app ingest USECASE SOURCE --allow-removal`."
            )


def _usable(item: Item) -> Item:
    """Keep out what PostgreSQL cannot keep."""
    if item.path and "\x00" not in item.path and len(item.path.encode()) <= _MOST_PATH_BYTES:
        return replace(item, title=item.title.replace("\x00", "")[:300])
    name = sha256(item.path.encode(errors="replace")).hexdigest()[:12]
    return Item(f"{item.path.replace(chr(0), '')[:200]}…{name}", None, note="its path is empty, too long or no text")
