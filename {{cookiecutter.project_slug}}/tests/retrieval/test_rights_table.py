"""Each case of the written table before the filter in SQL, row-level security, and all else that reads rights."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from app.domain.access import Claims
from app.retrieval.embed import LexicalEmbedder
from app.store import corpus, directory, documents, search
from app.store.db import Database
from app.store.documents import Content, Facts, Piece
from app.store.search import Query
from ops.local.engines import Engines
from ops.prove.rights import another_database
from tests.retrieval.locks import without_filter
from tests.rights import LEVELS, Case, cases

pytestmark = pytest.mark.proves("SEC-4", "SEC-1")
USECASE, TEXT = "table_of_cases", "The tide table is kept at the harbour office."
CASES = [pytest.param(place, case, id=case.name) for place, case in enumerate(cases())]


@dataclass(frozen=True)
class Shelf:
    """A database with one document for each case, and roles that each have one lock or both."""

    both: Database
    filter_alone: Database
    bare: str


@pytest.fixture(scope="module")
async def shelf(engines: Engines) -> AsyncIterator[Shelf]:
    url = another_database(engines.database_url)
    ingest, both = Database(url, role="app_ingest"), Database(url)
    # The owner: row-level security does not bind it.
    owner = Database(url, role="none")  # type: ignore[arg-type]
    (vector,) = await LexicalEmbedder().embed([TEXT])
    async with ingest.work() as work:
        await directory.keep_levels(work, LEVELS)
        for place, case in enumerate(cases()):
            facts = Facts(USECASE, "test", str(place), "Tides", case.access, "text/plain")
            id = documents.document_id(USECASE, "test", str(place))
            await documents.save(work, id, facts, Content("hash", (Piece("", None, TEXT, False, {1: vector}),)))
    yield Shelf(both, owner, without_filter(url))
    for database in (ingest, both, owner):
        await database.close()


async def found(database: Database, claims: Claims) -> set[str]:
    (vector,) = await LexicalEmbedder().embed(["tide table"])
    query = Query("tide table", "lexical-1", vector, claims, USECASE, 500)
    return {hit.passage.uri for hit in (await search.find(database, query)).hits}


@pytest.mark.parametrize(("place", "case"), CASES)
async def test_the_search_says_what_the_table_says(shelf: Shelf, place: int, case: Case) -> None:
    assert (str(place) in await found(shelf.both, case.claims)) is case.reads
    assert (str(place) in await found(shelf.filter_alone, case.claims)) is case.reads, "the filter alone"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "SEARCH", shelf.bare)
        assert (str(place) in await found(shelf.both, case.claims)) is case.reads, "row-level security alone"


@pytest.mark.parametrize(("place", "case"), CASES)
async def test_every_other_statement_does_too(shelf: Shelf, place: int, case: Case) -> None:
    id = documents.document_id(USECASE, "test", str(place))
    for database in (shelf.both, shelf.filter_alone):
        async with database.work(claims=case.claims) as work:
            listed = await documents.visible(work, claims=case.claims, usecase=USECASE, limit=1000)
            assert (str(place) in {document.facts.path for document in listed}) is case.reads
            assert (id in await corpus.seen_by(work, [id], claims=case.claims)) is case.reads
    async with shelf.both.work(claims=case.claims) as work:
        for table, column in (("documents", "id"), ("chunks", "document_id")):
            bare = await work.sql(f"SELECT count(*) FROM {table} WHERE {column} = :id", id=id)
            assert bare.scalar_one() == int(case.reads), f"row-level security of {table}"
    assert bool(await _gets(shelf, id, case.claims)) is case.reads


async def _gets(shelf: Shelf, id: object, claims: Claims) -> bool:
    try:
        async with shelf.filter_alone.work() as work:
            await documents.get(work, id, claims=claims)  # type: ignore[arg-type]
    except documents.NotFound as refused:
        assert refused.detail == "There is no such document, or you may not read it."
        return False
    return True


async def test_two_that_may_read_the_same_have_the_same_fingerprint_and_others_another(shelf: Shelf) -> None:
    def claims(level: int, *regions: str, names: tuple[str, ...] = ("everyone",)) -> Claims:
        return Claims((*names, "user:somebody"), level, regions)

    async with shelf.both.work() as work:
        seen = [
            await corpus.sight(work, usecase=USECASE, claims=given)
            for given in (
                claims(0),
                claims(1),
                claims(2),
                claims(0, "emea"),
                claims(0, names=("everyone", "group:hr")),
                # Some are denied to her, and some are hers alone.
                claims(0, names=("everyone", "user:ada")),
            )
        ]
        assert len(set(seen)) == len(seen)
        assert await corpus.sight(work, usecase=USECASE, claims=claims(2, "atlantis")) == seen[2]
