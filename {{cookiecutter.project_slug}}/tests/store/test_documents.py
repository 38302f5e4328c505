"""Documents in the table: readers as small numbers, lists that show what may be read, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from uuid import UUID, uuid4

import numpy as np
import pytest

from app.domain.access import Access, Claims
from app.errors import BadInput, NotFound
from app.store import documents
from app.store.db import Database
from app.store.documents import Content, Facts, Piece, document_id

EVERYBODY = Claims(("everyone",))


@pytest.fixture
async def writing(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, role="app_ingest")
    yield database
    await database.close()


@pytest.fixture
async def reading(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def usecase() -> str:
    return f"test_{uuid4().hex}"


def piece(text: str) -> Piece:
    vector = np.zeros(384, dtype=np.float32)
    vector[0] = 1
    return Piece("Heading", 3, text, False, {1: vector})


async def save(database: Database, usecase: str, path: str, *texts: str, **facts: object) -> UUID:
    access = Access(facts.pop("readers", ("everyone",)), facts.pop("denied", ()))  # type: ignore[arg-type]
    known = {"title": path, "access": access, "media_type": "text/plain", **facts}
    id = document_id(usecase, "test", path)
    async with database.work() as work:
        content = Content("hash", tuple(piece(text) for text in texts))
        await documents.save(work, id, Facts(usecase, "test", path, **known), content)  # type: ignore[arg-type]
    return id


async def count(database: Database, sql: str, **values: object) -> int:
    async with database.work() as work:
        return int((await work.sql(sql, **values)).scalar_one())


async def test_same_readers_share_one_number_in_any_order(writing: Database, usecase: str) -> None:
    await save(writing, usecase, "a", readers=("user:b", "group:a", "user:b"))
    await save(writing, usecase, "b", readers=("group:a", "user:b"))
    assert await count(writing, "SELECT count(DISTINCT acl_id) FROM documents WHERE usecase = :u", u=usecase) == 1


async def test_two_writers_of_new_readers_and_the_same_document_do_not_collide(writing: Database, usecase: str) -> None:
    readers = (f"user:{uuid4().hex}",)
    await asyncio.gather(*(save(writing, usecase, "a", f"text {turn}", readers=readers) for turn in range(8)))
    assert await count(writing, "SELECT count(*) FROM acls WHERE readers = CAST(:r AS text[])", r=list(readers)) == 1
    assert await count(writing, "SELECT count(*) FROM documents WHERE usecase = :u", u=usecase) == 1
    assert await count(writing, "SELECT count(*) FROM chunks WHERE usecase = :u", u=usecase) == 1


@pytest.mark.parametrize(
    "readers",
    [[], ["all"], ["group:"], ["user:a b"], ["Everyone"], ["group:a,b"], ["user:a\x1fgroup:hr"], [3], ["x" * 300]],
)
def test_unknown_forms_of_readers_are_refused(readers: list[str]) -> None:
    with pytest.raises(BadInput):
        Access(tuple(readers))


async def test_as_many_readers_as_are_allowed_can_be_stored(writing: Database, usecase: str) -> None:
    readers = [f"user:{uuid4().hex}" for _ in range(100)]
    with pytest.raises(BadInput):
        Access(tuple(readers))
    await save(writing, usecase, "a", readers=tuple(readers[:45]))


async def test_save_replaces_the_chunks_and_keeps_the_id(writing: Database, usecase: str) -> None:
    first = await save(writing, usecase, "a", "one", "two", "three")
    second = await save(writing, usecase, "a", "four")
    assert first == second
    assert await count(writing, "SELECT count(*) FROM chunks WHERE document_id = :id", id=first) == 1


async def test_failed_save_leaves_the_former_version(writing: Database, usecase: str) -> None:
    id = await save(writing, usecase, "a", "one")
    with pytest.raises(Exception, match=r"NUL|null|0x00"):
        await save(writing, usecase, "a", "two", "thr\x00ee")
    assert await count(writing, "SELECT count(*) FROM chunks WHERE document_id = :id AND text = 'one'", id=id) == 1


@pytest.mark.proves("SEC-4")
async def test_lists_show_what_the_reader_may_read(writing: Database, reading: Database, usecase: str) -> None:
    await save(writing, usecase, "b", "x", effective_on=date(2026, 1, 1))
    hidden = await save(writing, usecase, "a", "x", readers=("group:hr",))
    for claims in (Claims(("everyone",)), Claims(("everyone", "group:hr"))):
        async with reading.work(claims=claims) as work:
            listed = await documents.visible(work, claims=claims, usecase=usecase)
            assert [found.facts.path for found in listed] == (["b"] if len(claims.names) == 1 else ["a", "b"])
    async with reading.work(claims=EVERYBODY) as work:
        with pytest.raises(NotFound) as refused:
            await documents.get(work, hidden, claims=EVERYBODY)
        with pytest.raises(NotFound) as missing:
            await documents.get(work, uuid4(), claims=EVERYBODY)
    assert refused.value.detail == missing.value.detail


@pytest.mark.proves("SEC-4")
async def test_list_filters_without_row_level_security(writing: Database, usecase: str) -> None:
    id = await save(writing, usecase, "a", "x", readers=("group:hr",))
    async with writing.work() as work:
        assert await documents.visible(work, claims=EVERYBODY, usecase=usecase) == []
        with pytest.raises(NotFound):
            await documents.get(work, id, claims=EVERYBODY)


async def test_remove_takes_the_chunks_along(writing: Database, usecase: str) -> None:
    id = await save(writing, usecase, "a", "one", "two")
    async with writing.work() as work:
        assert await documents.remove(work, [id, uuid4()]) == 1
    assert await count(writing, "SELECT count(*) FROM chunks WHERE usecase = :u", u=usecase) == 0


async def test_facts_come_back_as_they_went_in(writing: Database, usecase: str) -> None:
    await save(writing, usecase, "a", "x", owner="ada", superseded=True, effective_on=date(2026, 3, 1))
    async with writing.work() as work:
        found = (await documents.of_source(work, usecase, "test"))["a"].facts
    expected = Facts(usecase, "test", "a", "a", Access(("everyone",)), "text/plain", date(2026, 3, 1), True, "ada")
    assert found == expected
