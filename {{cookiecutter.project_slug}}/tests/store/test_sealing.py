"""Sealed fields: bound to their place, opened by whoever holds the key, left alone where they were never sealed."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import psycopg
import pytest

from app.errors import Conflict, DependencyDown, Unsealable
from app.store import data_keys, sealed
from app.store.db import Database
from app.store.sealed import FIELDS, UNREADABLE
from app.store.sealing import Seals, Wrapping
from app.store.tables import metadata
from app.telemetry import metrics
from app.work.sealing import Sealing

Opened = Callable[..., Database]


@pytest.fixture
async def opened(database_copy: str) -> AsyncIterator[Opened]:
    """Open the same database as one process after another would, each with its keys."""
    databases: list[Database] = []

    def open_(*keys: bytes) -> Database:
        databases.append(Database(database_copy, pool_size=2))
        databases[-1].seals = Seals(keys)
        return databases[-1]

    yield open_
    for database in databases:
        await database.close()


@asynccontextmanager
async def looking(database: Database) -> AsyncIterator[Seals]:
    async with database.work() as work:
        yield work.seals


def unreadable() -> dict[str, float]:
    text = metrics.render()[0].decode()
    lines = [line for line in text.splitlines() if line.startswith("sealed_unreadable_total{")]
    return {line.partition('reason="')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_a_text_comes_back_from_its_place_and_from_no_other(opened):
    async with looking(opened(os.urandom(32))) as seals:
        one = seals.seal("Kestrel, Ümlaut 🙂", of="messages.text:a:b:user")
        assert one.startswith("sealed:1:") and "Kestrel" not in one
        assert seals.open(one, of="messages.text:a:b:user") == "Kestrel, Ümlaut 🙂"
        assert seals.seal("Kestrel, Ümlaut 🙂", of="messages.text:a:b:user") != one, "no two are alike"
        with pytest.raises(Unsealable, match=r"messages\.text does not open: it was altered, or moved"):
            seals.open(one, of="messages.text:a:c:user")


@pytest.mark.parametrize("change", [lambda text: text[:-6] + "AAAA==", lambda text: text[:14], lambda text: text + "%"])
async def test_what_was_altered_is_refused_and_counted(opened, change):
    before = unreadable().get("altered", 0)
    async with looking(opened(os.urandom(32))) as seals:
        with pytest.raises(Unsealable):
            seals.open(change(seals.seal("a text of some length", of="x:1")), of="x:1")
    assert unreadable()["altered"] == before + 1


@pytest.mark.parametrize("text", ["", "as it was said", "sealed: with a kiss", "sealed:envelope:please"])
async def test_what_was_never_sealed_opens_to_itself(opened, text):
    async with looking(opened(os.urandom(32))) as seals:
        assert seals.open(text, of="x:1") == text
        assert seals.open_bytes(text.encode(), of="x:1") == text.encode()


async def test_every_process_opens_what_another_sealed_and_a_stranger_opens_nothing(opened):
    ours, other = os.urandom(32), os.urandom(32)
    async with looking(opened(ours)) as one, looking(opened(other, ours)) as two, looking(opened(other)) as stranger:
        text = one.seal("for us", of="x:1")
        assert two.open(text, of="x:1") == "for us"
        with pytest.raises(Unsealable, match="APP_DATA_KEYS may lack the key"):
            stranger.open(text, of="x:1")
        with pytest.raises(DependencyDown, match="app doctor"):
            stranger.seal("must not lie there as it was said", of="x:1")


async def test_a_database_that_was_never_migrated_seals_nothing_and_says_so(empty_database_url):
    database = Database(empty_database_url, role="none")  # type: ignore[arg-type]
    database.seals = Seals([os.urandom(32)])
    await database.ready()
    with pytest.raises(DependencyDown, match="data keys cannot be read"):
        database.seals.seal("a text", of="x:1")
    await database.close()


async def test_an_unreadable_field_becomes_a_sentence_and_the_rest_of_the_row_stays(opened):
    async with looking(opened(os.urandom(32))) as seals:
        row = {"id": 1, "question": "who?", "draft": "Ada", "data": {"name": "Ada"}, "why": "advise"}
        kept = sealed.closed(seals, "reviews", row)
        assert "Ada" not in str(kept) and kept["why"] == "advise"
        assert sealed.opened(seals, "reviews", kept) == row
        moved = sealed.opened(seals, "reviews", {**kept, "id": 2})
        assert moved == {"id": 2, "question": UNREADABLE, "draft": UNREADABLE, "data": None, "why": "advise"}


async def test_of_a_jobs_input_only_what_the_database_asks_for_stays_readable(opened):
    async with looking(opened(os.urandom(32))) as seals:
        row = {"id": 1, "input": {"items": [{"question": "Kestrel"}], "trace": {"a": "b"}}}
        kept = sealed.closed(seals, "jobs", row)
        assert set(kept["input"]) == {"trace", "sealed"} and "Kestrel" not in str(kept)
        assert sealed.opened(seals, "jobs", kept) == row
        assert "sealed" in sealed.opened(seals, "jobs", {**kept, "id": 2})["input"], "stays as it is, for all to see"


def test_every_sealed_field_is_a_column_that_the_queries_know():
    for field in FIELDS:
        columns = metadata.tables[field.table].c
        assert {*field.keys, *field.needed, field.column} <= set(columns.keys()), field.name
        assert [column.name for column in columns if column.primary_key] == list(field.keys), field.name


async def test_the_key_encryption_key_is_changed_by_wrapping_anew(opened):
    old, new = os.urandom(32), os.urandom(32)
    async with looking(opened(old)) as seals:
        text = seals.seal("kept", of="x:1")
    async with opened(new, old).work() as work:
        assert await data_keys.rewrap(work) == 1
        assert await data_keys.rewrap(work) == 0
    async with looking(opened(new)) as seals:
        assert seals.open(text, of="x:1") == "kept"
    async with opened(old).work() as work:
        with pytest.raises(Unsealable, match="Nothing was changed"):
            await data_keys.rewrap(work)


async def test_a_wrapped_key_that_was_altered_or_exchanged_is_not_used(opened, database_copy):
    key = os.urandom(32)
    async with looking(opened(key)) as seals:
        text = seals.seal("kept", of="x:1")
    made = Wrapping([key]).wrap(2, b"\0" * 32)
    with psycopg.connect(database_copy) as owner:
        owner.execute("UPDATE data_keys SET wrapped = %s", [made.key])
    async with looking(opened(key)) as seals:
        with pytest.raises(Unsealable):
            seals.open(text, of="x:1")


async def _give(database: Database, session_id: str, text: str) -> None:
    async with database.work() as work:
        row = {"id": session_id, "title": text}
        await work.sql(
            "INSERT INTO sessions (id, usecase, user_id, title) VALUES (:id, 'x', 'ada', :title)",
            **sealed.closed(work.seals, "sessions", row),
        )


@pytest.mark.proves("SEC-8")
async def test_rotation_seals_every_row_anew_old_plain_ones_too_and_retires_the_old_key(
    opened, database_copy, monkeypatch
):
    monkeypatch.setattr(data_keys, "USABLE_AFTER_S", 0)
    monkeypatch.setattr(data_keys, "SETTLED_S", 0)
    monkeypatch.setattr("app.work.sealing.ROWS", 2)
    key, ids = os.urandom(32), [f"00000000-0000-0000-0000-00000000000{number}" for number in range(6)]
    await _give(opened(), ids[0], "plain of old")
    database = opened(key)
    for place, session_id in enumerate(ids[1:]):
        await _give(database, session_id, f"title {place}")
    async with database.work() as work:
        assert await data_keys.add(work) == 2
        with pytest.raises(Conflict, match="under way"):
            await data_keys.add(work)
    await database.seals.load(database)
    sealing = Sealing(database)
    for _ in range(50):
        await sealing.keep()
        if (await sealing.standing()).is_over:
            break
    standing = await sealing.standing()
    assert standing.is_over and [key.id for key in standing.keys] == [2]
    assert {one.field: one.rows for one in standing.fields}["sessions.title"] == 6
    with psycopg.connect(database_copy) as owner:
        titles = [row[0] for row in owner.execute("SELECT title FROM sessions")]
        assert all(title.startswith("sealed:2:") for title in titles)
        assert owner.execute("SELECT wrapped FROM data_keys WHERE id = 1").fetchone() == (b"",)
    async with opened(key).work() as work:
        rows = (await work.sql("SELECT id, title FROM sessions ORDER BY id")).mappings()
        told = [sealed.opened(work.seals, "sessions", row)["title"] for row in rows]
    assert told == ["plain of old", *(f"title {place}" for place in range(5))]


async def test_a_row_that_does_not_open_keeps_its_key_and_is_told(opened, database_copy, monkeypatch):
    monkeypatch.setattr(data_keys, "USABLE_AFTER_S", 0)
    monkeypatch.setattr(data_keys, "SETTLED_S", 0)
    database, one = opened(os.urandom(32)), "00000000-0000-0000-0000-000000000001"
    await _give(database, one, "a title")
    with psycopg.connect(database_copy) as owner:
        owner.execute("UPDATE sessions SET title = overlay(title placing 'AAAAAAAA' from 20)")
    async with database.work() as work:
        await data_keys.add(work)
    await database.seals.load(database)
    for _ in range(30):
        await Sealing(database).keep()
    standing = await Sealing(database).standing()
    assert [key.id for key in standing.keys] == [1, 2] and not standing.is_over
    assert [one.field for one in standing.fields if one.unreadable] == ["sessions.title"]


async def test_a_new_key_is_used_only_when_every_process_knows_it(opened):
    key = os.urandom(32)
    one, two = opened(key), opened(key)
    async with one.work() as work, two.work():
        await data_keys.add(work)
    await one.seals.load(one)
    assert one.seals.current == 1, "made a moment ago"
    async with one.work() as work:
        await work.sql("UPDATE data_keys SET usable_from = now() WHERE id = 2")
    await one.seals.load(one)
    assert one.seals.current == 2
    with pytest.raises(Unsealable):
        two.seals.open(one.seals.seal("new", of="x:1"), of="x:1")
    assert (await _after(two, one.seals.seal("new", of="x:1"))) == "new", "it looks again, and knows"


async def test_processes_that_start_together_on_an_empty_database_seal_from_the_first_moment(opened):
    key = os.urandom(32)
    first, later = opened(key), opened(key)
    async with later.bare() as work:
        await work.sql("SELECT 1")  # its transaction begins, and the other process makes the key

        @asynccontextmanager
        async def begun() -> AsyncIterator[object]:
            yield work

        await first.seals.load(first)
        await later.seals.load(SimpleNamespace(bare=begun))
    assert first.seals.open(later.seals.seal("at once", of="x:1"), of="x:1") == "at once"


async def _after(database: Database, text: str) -> str:
    await database.seals.load(database)
    return database.seals.open(text, of="x:1")
