"""Pieces and their vectors: rights, validity and counts follow in every space, whoever changes the document."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy.exc import DBAPIError

from app.domain.access import Access
from app.store import chunks, documents
from app.store.db import Database
from app.store.documents import Content, Facts, Piece
from app.store.migrate import migrate

pytestmark = pytest.mark.proves("SEC-4")
EVERYONE, HR = Access(("everyone",)), Access(("group:hr",))
FACTS = Facts("measured", "test", "a", "A", EVERYONE, "text/plain")


@pytest.fixture
async def ingest(empty_database_url: str) -> AsyncIterator[Database]:
    """A database of its own: another space in the shared one would be other tests' business."""
    migrate(empty_database_url)
    database = Database(empty_database_url, role="app_ingest")
    yield database
    await database.close()


@pytest.fixture
async def space(ingest: Database) -> int:
    async with ingest.work() as work:
        return int((await work.sql("SELECT make_space('fake:4', 4)")).scalar_one())


async def save(database: Database, *texts: str, facts: Facts = FACTS, language: str = "", space: int = 0) -> UUID:
    def piece(text: str) -> Piece:
        embeddings = {1: np.full(384, 0.05, dtype=np.float32)}
        return Piece(
            "Heading", 1, text, False, {**embeddings, **({space: np.ones(4, dtype=np.float32)} if space else {})}
        )

    id = documents.document_id(facts.usecase, facts.source, facts.path)
    async with database.work() as work:
        await documents.save(work, id, facts, Content("hash", tuple(map(piece, texts)), language=language))
    return id


async def rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    async with database.work() as work:
        return [tuple(row) for row in await work.sql(statement)]


async def test_rights_and_validity_follow_into_every_space(ingest: Database, space: int) -> None:
    id = await save(ingest, "one", "two", space=space)
    for access, superseded in ((HR, False), (HR, True), (EVERYONE, False)):
        async with ingest.work() as work:
            await documents.change(work, id, replace(FACTS, access=access, superseded=superseded))
            number = await documents.acl(work, access)
        for table in ("chunks", "vectors_1", f"vectors_{space}"):
            assert await rows(ingest, f"SELECT DISTINCT acl_id, is_current FROM {table}") == [(number, not superseded)]


async def test_a_plain_update_of_the_document_is_enough(ingest: Database, space: int) -> None:
    await save(ingest, "one", space=space)
    async with ingest.work() as work:
        number = await documents.acl(work, HR)
        await work.sql("UPDATE documents SET acl_id = :number", number=number)
    assert await rows(ingest, f"SELECT acl_id FROM vectors_{space}") == [(number,)]


async def test_counts_are_those_of_the_current_chunks(ingest: Database) -> None:
    counts = (
        "SELECT a.readers[1], c.language, c.chunks FROM chunk_counts c JOIN acls a ON a.id = c.acl_id"
        " WHERE c.chunks <> 0"
    )
    id = await save(ingest, "one", "two", language="german")
    other = await save(ingest, "drei", facts=replace(FACTS, path="b"))
    assert sorted(await rows(ingest, counts)) == [("everyone", "english", 1), ("everyone", "german", 2)]
    async with ingest.work() as work:
        await documents.change(work, id, replace(FACTS, access=HR))
        await documents.change(work, other, replace(FACTS, path="b", superseded=True))
    assert await rows(ingest, counts) == [("group:hr", "german", 2)]
    await save(ingest, "one", facts=replace(FACTS, access=HR), language="german")
    assert await rows(ingest, counts) == [("group:hr", "german", 1)]
    async with ingest.work() as work:
        await documents.remove(work, [id, other])
    assert await rows(ingest, counts) == []


async def test_pieces_that_stay_keep_id_and_vectors_and_change_places(ingest: Database, space: int) -> None:
    await save(ingest, "one", "two", "two", "three", space=space)
    before = dict(await rows(ingest, "SELECT ordinal, id FROM chunks"))
    await save(ingest, "three", "two", "new", "one")
    after = dict(await rows(ingest, "SELECT ordinal, id FROM chunks"))
    assert (after[0], after[1], after[3]) == (before[3], before[1], before[0])
    assert {id for (id,) in await rows(ingest, f"SELECT chunk_id FROM vectors_{space}")} == {
        after[0],
        after[1],
        after[3],
    }
    assert len(await rows(ingest, "SELECT FROM vectors_1")) == 4


async def test_vectors_can_come_later_and_only_once(ingest: Database, space: int) -> None:
    await save(ingest, "one")
    ((id,),) = await rows(ingest, "SELECT id FROM chunks")
    for _ in range(2):
        async with ingest.work() as work:
            vector = np.ones(4, dtype=np.float32)
            await chunks.add_vectors(work, space, {id: vector, id + 1000: vector})  # type: ignore[operator, dict-item]
    assert await rows(ingest, f"SELECT chunk_id, usecase FROM vectors_{space}") == [(id, "measured")]


async def test_a_space_that_is_searched_cannot_go_and_another_takes_its_table_along(
    ingest: Database, space: int
) -> None:
    async with ingest.work() as work:
        await work.sql("SELECT drop_space(1::smallint)")
        await work.sql("SELECT drop_space(CAST(:id AS smallint))", id=space)
    tables = await rows(ingest, "SELECT relname::text FROM pg_class WHERE relname ~ '^vectors_[0-9]+$'")
    assert tables == [("vectors_1",)]


async def test_the_service_may_neither_make_spaces_nor_write_vectors(ingest: Database, empty_database_url: str) -> None:
    service = Database(empty_database_url)
    for statement in (
        "SELECT make_space('mine', 3)",
        "DELETE FROM vectors_1",
        "UPDATE spaces SET status = 'retired'",
        "UPDATE chunk_counts SET chunks = 0",
        "SELECT * FROM near_chunks('{1}', 'measured', 'lexical-1', '[1]', 1, 1)",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with service.work() as work:
                await work.sql(statement)
    await service.close()
