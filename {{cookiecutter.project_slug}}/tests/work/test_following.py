"""A source is followed: what is gone goes, who lost a right lost it, and no broken list deletes anything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.domain.access import Access
from app.domain.identity import Principal
from app.domain.source import Body, Item
from app.errors import AppError, BadInput, Conflict, NotFound, SourceFailed, Unreadable
from app.retrieval.embed import LexicalEmbedder
from app.retrieval.reading import ReadingRoom
from app.retrieval.search import Searcher
from app.store import documents
from app.store.db import Database
from app.work.following import MOST_TRIES, MOST_UNREAD, SourceBusy
from tests.work.sources import ingestion_of, job, usecase_with

ALL = Access(("everyone",))


@dataclass
class Own:
    """A source as somebody writes it for a system of their own; `texts` by path, with a version each."""

    name: str = "own"
    every: timedelta | None = None
    texts: dict[str, str] = field(default_factory=dict)
    access: dict[str, Access | None] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    faults: dict[str, BaseException] = field(default_factory=dict)
    breaks_after: int | None = None
    reads: list[str] = field(default_factory=list)

    async def items(self) -> AsyncIterator[Item]:
        for place, path in enumerate(self.texts):
            if self.breaks_after == place:
                raise RuntimeError("postgresql://me:secret@db/x is away")
            yield Item(path, self.access.get(path, ALL), version=self.versions.get(path, ""))
        if self.breaks_after == len(self.texts):
            raise OSError("the connection broke")

    async def read(self, path: str, known: str) -> Body | None:
        self.reads.append(path)
        if path in self.faults:
            raise self.faults[path]
        return Body(self.texts[path].encode(), filename=f"{path}.md")


@dataclass
class Bench:
    """A source of one's own in a use case of its own."""

    source: Own
    usecase: str
    reading: Database
    writing: Database
    room: ReadingRoom

    async def run(self, *, report: Any = None, source: Any = None, **more: Any) -> dict[str, Any]:
        async def quiet(done: int, total: int, path: str) -> None: ...

        ingestion = ingestion_of(self.writing, self.room, usecase_with(source or self.source, name=self.usecase))
        asked = job("ingest", usecase=self.usecase, source="own", **more)
        return await ingestion.run(asked, report or quiet)

    async def ask(self, question: str, *groups: str) -> list[str]:
        searcher, who = Searcher(self.reading, LexicalEmbedder()), Principal("ada", groups=groups)
        found = await searcher.search(question, principal=who, usecase=self.usecase, limit=50)
        return sorted(passage.uri for passage in found)

    async def there(self) -> dict[str, documents.Document]:
        async with self.writing.work() as work:
            return await documents.of_source(work, self.usecase, "own")

    async def left(self) -> int:
        async with self.writing.work() as work:
            rows = await work.sql("SELECT count(*) FROM listed WHERE usecase = :usecase", usecase=self.usecase)
            return int(rows.scalar_one())


@pytest.fixture
async def bench(database_url: str, reading_room: ReadingRoom) -> AsyncIterator[Bench]:
    reading, writing = Database(database_url), Database(database_url, role="app_ingest")
    yield Bench(Own(), f"test_{uuid4().hex}", reading, writing, reading_room)
    await reading.close()
    await writing.close()


def texts(amount: int) -> dict[str, str]:
    return {f"paper-{place:03}": f"Zebra number {place} eats grass." for place in range(amount)}


@pytest.mark.proves("INT-4", "SCL-2")
async def test_the_same_version_is_not_read_again_and_another_one_is(bench: Bench) -> None:
    bench.source.texts = texts(5)
    bench.source.versions = dict.fromkeys(bench.source.texts, "1")
    assert (await bench.run())["added"] == 5
    bench.source.reads.clear()
    assert (await bench.run())["unchanged"] == 5
    assert bench.source.reads == []
    bench.source.texts["paper-002"] = "Okapi."
    bench.source.versions["paper-002"] = "2"
    result = await bench.run()
    assert (result["changed"], result["unchanged"], bench.source.reads) == (1, 4, ["paper-002"])
    assert await bench.ask("okapi") == ["paper-002"]
    assert await bench.left() == 0, "nothing of the list is kept after the job"


async def test_a_new_version_of_the_same_bytes_stores_nothing_anew(bench: Bench) -> None:
    bench.source.texts, bench.source.versions = {"a": "Zebra."}, {"a": "1"}
    await bench.run()
    before = (await bench.there())["a"].updated_at
    bench.source.versions = {"a": "2"}
    assert (await bench.run())["unchanged"] == 1
    bench.source.reads.clear()
    assert (await bench.run())["unchanged"] == 1
    assert bench.source.reads == [] and (await bench.there())["a"].updated_at == before


@pytest.mark.proves("INT-4", "SEC-4")
@pytest.mark.parametrize("breaks_after", [0, 2, 5])
async def test_a_list_that_breaks_off_deletes_nothing_and_says_no_secret(bench: Bench, breaks_after: int) -> None:
    bench.source.texts = texts(5)
    await bench.run()
    bench.source.breaks_after = breaks_after
    with pytest.raises(SourceFailed) as caught:
        await bench.run()
    assert "cannot be listed" in caught.value.detail and "secret" not in caught.value.detail
    assert len(await bench.ask("zebra")) == 5
    bench.source.breaks_after = None
    assert (await bench.run())["unchanged"] == 5


@pytest.mark.proves("INT-4")
async def test_an_empty_list_deletes_nothing_unless_it_is_allowed(bench: Bench) -> None:
    bench.source.texts = texts(2)
    await bench.run()
    bench.source.texts = {}
    with pytest.raises(Conflict) as caught:
        await bench.run()
    assert "Nothing was removed" in caught.value.detail and "--allow-removal" in caught.value.detail
    assert len(await bench.ask("zebra")) == 2
    assert (await bench.run(allow_removal=True))["removed"] == 2
    assert await bench.ask("zebra") == []


async def test_a_list_that_lacks_most_deletes_nothing_unless_it_is_allowed(bench: Bench) -> None:
    bench.source.texts = texts(24)
    await bench.run()
    bench.source.texts = texts(11)
    with pytest.raises(Conflict):
        await bench.run()
    assert len(await bench.there()) == 24
    bench.source.texts = texts(12)
    assert (await bench.run())["removed"] == 12


@pytest.mark.proves("SEC-4")
async def test_a_right_that_is_gone_is_gone_although_the_list_is_refused(bench: Bench) -> None:
    bench.source.texts = texts(24)
    await bench.run()
    bench.source.texts = texts(3)
    bench.source.access = {"paper-001": Access(("group:hr",))}
    with pytest.raises(Conflict):
        await bench.run()
    assert "paper-001" not in await bench.ask("zebra")
    assert "paper-001" in await bench.ask("zebra", "hr")


@pytest.mark.proves("SEC-4")
async def test_whoever_is_named_no_more_is_denied_at_once_and_without_reading(bench: Bench) -> None:
    bench.source.texts = texts(3)
    bench.source.versions = dict.fromkeys(bench.source.texts, "1")
    await bench.run()
    bench.source.reads.clear()
    bench.source.access = {"paper-000": None, "paper-001": Access(("everyone",), denied=("group:sales",))}
    result = await bench.run()
    assert (result["removed"], result["changed"], result["unlisted"]) == (1, 1, ["paper-000"])
    assert (await bench.ask("zebra"), await bench.ask("zebra", "sales")) == (["paper-001", "paper-002"], ["paper-002"])
    assert bench.source.reads == []


@pytest.mark.proves("REL-8", "INT-4")
async def test_each_bad_item_has_an_outcome_and_the_rest_goes_on(bench: Bench) -> None:
    bench.source.texts = texts(5)
    bench.source.faults = {
        "paper-000": NotFound("gone meanwhile"),
        "paper-001": Unreadable("It is locked.", reason="encrypted"),
        "paper-002": RuntimeError("https://user:secret@host/ broke"),
        "paper-003": TimeoutError(),
    }
    result = await bench.run()
    assert (result["added"], result["failures"]) == (4, 3)
    details = {fault["path"]: fault["detail"] for fault in result["failed"]}
    assert details["paper-001"] == "It is locked." and "secret" not in details["paper-002"]
    there = await bench.there()
    assert {path: found.status for path, found in there.items()} == {
        "paper-001": "failed",
        "paper-002": "failed",
        "paper-003": "failed",
        "paper-004": "ready",
    }
    bench.source.faults = {}
    assert (await bench.run())["failures"] == 0, "what could not be fetched is tried again"
    assert len(await bench.ask("zebra")) == 5


async def test_what_cannot_be_fetched_now_stays_as_it_was(bench: Bench) -> None:
    bench.source.texts = texts(2)
    await bench.run()
    bench.source.faults = {"paper-000": OSError("away")}
    result = await bench.run()
    assert (result["unread"], result["failures"]) == (1, 1)
    assert len(await bench.ask("zebra")) == 2


async def test_a_source_that_is_down_stops_the_job_and_keeps_what_there_is(bench: Bench) -> None:
    bench.source.texts = texts(MOST_UNREAD + 6)
    await bench.run()
    bench.source.reads.clear()
    bench.source.faults = {path: OSError("away") for path in bench.source.texts}
    with pytest.raises(SourceFailed):
        await bench.run()
    assert len(bench.source.reads) < len(bench.source.texts)
    assert len(await bench.there()) == MOST_UNREAD + 6


@pytest.mark.proves("SEC-4")
async def test_who_asked_sees_only_the_paths_that_they_may_read(bench: Bench) -> None:
    seen: list[str] = []

    async def report(done: int, total: int, path: str) -> None:
        seen.append(path)

    bench.source.texts = {"open": "", "closed": ""}
    bench.source.access = {"closed": Access(("group:board",))}
    result = await bench.run(report=report)
    assert ([fault["path"] for fault in result["failed"]], result["failures"]) == (["open"], 2)
    assert "open" in seen and "closed" not in seen


class Dead(BaseException):
    """What SIGKILL is to a process."""


@pytest.mark.proves("REL-8", "SCL-2")
async def test_an_item_that_kills_workers_is_left_out_after_some_deaths_and_the_rest_is_read(bench: Bench) -> None:
    bench.source.texts = texts(30)
    bench.source.faults = {"paper-007": Dead()}
    same = uuid4()
    for _ in range(MOST_TRIES):
        with pytest.raises(Dead):
            await bench.run(id=same)
    result = await bench.run(id=same)
    assert (result["added"], [fault["path"] for fault in result["failed"]]) == (30, ["paper-007"])
    assert "died" in result["failed"][0]["detail"]
    assert len(await bench.ask("zebra")) == 29


async def test_one_job_at_a_time_reads_a_source(bench: Bench) -> None:
    bench.source.texts = texts(1)
    held = uuid4()
    async with bench.reading.work() as work:
        await work.sql(
            "INSERT INTO jobs (id, kind, usecase, user_id, input, status, total, lease_until)"
            " VALUES (:id, 'ingest', :usecase, 'ada', '{}', 'running', 0, now() + interval '1 minute')",
            id=held,
            usecase=bench.usecase,
        )
    async with bench.writing.work() as work:
        await work.sql(
            "INSERT INTO readings (usecase, source, job_id) VALUES (:usecase, 'own', :id)",
            usecase=bench.usecase,
            id=held,
        )
    with pytest.raises(SourceBusy):
        await bench.run()
    async with bench.reading.work() as work:
        await work.sql("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE id = :id", id=held)
    assert (await bench.run())["added"] == 1, "a dead worker holds nothing"


@pytest.mark.parametrize(
    "change",
    [
        lambda source: source.texts.update({"x" * 2000: "Long."}),
        lambda source: source.texts.update({"nul\x00": "Nul."}),
        lambda source: source.texts.update({"": "Nameless."}),
    ],
)
async def test_a_path_that_cannot_be_kept_is_left_out_and_counted(bench: Bench, change: Callable[[Own], None]) -> None:
    bench.source.texts = texts(1)
    change(bench.source)
    result = await bench.run()
    assert (result["added"], result["left_out"]) == (1, 1)


@pytest.mark.parametrize(
    ("said", "kept"), [("de-AT", "german"), ("french", "french"), ("", "english"), ("tlh", "english")]
)
async def test_the_language_that_the_source_says_is_the_one_of_its_text(bench: Bench, said: str, kept: str) -> None:
    class Spoken(Own):
        async def items(self) -> AsyncIterator[Item]:
            yield Item("a", ALL, language=said)

    await bench.run(source=Spoken(texts={"a": "Zebra."}))
    async with bench.writing.work() as work:
        rows = await work.sql("SELECT language::text FROM chunks WHERE usecase = :usecase", usecase=bench.usecase)
        assert list(rows.scalars()) == [kept]


async def test_two_items_at_one_path_are_refused(bench: Bench) -> None:
    class Double(Own):
        async def items(self) -> AsyncIterator[Item]:
            yield Item("a", ALL)
            yield Item("a", ALL)

    with pytest.raises(BadInput, match="twice"):
        await bench.run(source=Double(texts={"a": "Zebra."}))


async def test_memory_holds_a_few_items_however_long_the_list(bench: Bench) -> None:
    """A list of which nothing can be read shows it: what is under way at once stays the same."""
    under_way, most = 0, 0

    class Slow(Own):
        async def read(self, path: str, known: str) -> Body | None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            raise Unreadable("no", reason="empty")

    result = await bench.run(source=Slow(texts=texts(120)))
    assert (result["failures"], len(result["failed"])) == (120, 50)
    assert 1 < most <= 4


async def test_an_unknown_source_is_named(bench: Bench) -> None:
    ingestion = ingestion_of(bench.writing, bench.room, usecase_with(bench.source, name=bench.usecase))

    async def quiet(done: int, total: int, path: str) -> None: ...

    with pytest.raises(AppError, match="own"):
        await ingestion.run(job("ingest", usecase=bench.usecase, source="other"), quiet)
