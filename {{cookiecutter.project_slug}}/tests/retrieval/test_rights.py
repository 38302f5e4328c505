"""Nobody finds what they may not read: by the filter in SQL, and by row-level security when the filter is gone."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.access import Access, Claims
from app.domain.identity import Principal
from app.retrieval.embed import LexicalEmbedder
from app.retrieval.search import Searcher
from app.store import documents, search
from app.store.db import Database
from app.store.documents import Content, Facts, Piece
from app.store.search import SEARCH, Query
from tests.retrieval.conftest import Ask, Write
from tests.retrieval.locks import without_filter

pytestmark = pytest.mark.proves("SEC-4")

GROUPS = ("sales", "engineering", "hr")
USERS = ("ada", "bob")
NAMES = ("everyone", *(f"group:{group}" for group in GROUPS), *(f"user:{user}" for user in USERS))
TEXT = "The tide table is kept at the harbour office."

some_readers = st.sets(st.sampled_from(NAMES), min_size=1).map(tuple)
some_person = st.builds(Principal, st.sampled_from(USERS), groups=st.sets(st.sampled_from(GROUPS)).map(tuple))


def may_read(who: Principal, shelf: list[tuple[str, ...]]) -> set[str]:
    """The rule in plain Python: one name in common."""
    return {str(place) for place, readers in enumerate(shelf) if set(readers) & set(who.claims.names)}


async def fill(database: Database, usecase: str, shelf: list[tuple[str, ...]]) -> None:
    vectors = await LexicalEmbedder().embed([TEXT])
    async with database.work() as work:
        for place, readers in enumerate(shelf):
            facts = Facts(usecase, "test", str(place), "Tides", Access(readers), "text/plain")
            id = documents.document_id(usecase, "test", str(place))
            await documents.save(work, id, facts, Content("hash", (Piece("", None, TEXT, False, {1: vectors[0]}),)))


async def found(database: Database, usecase: str, *, claims: tuple[str, ...], statement: str = SEARCH) -> set[str]:
    vectors = await LexicalEmbedder().embed(["tide table"])
    query = Query("tide table", "lexical-1", vectors[0], Claims(claims), usecase, 50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "SEARCH", statement)
        return {hit.passage.uri for hit in (await search.find(database, query)).hits}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shelf=st.lists(some_readers, max_size=8), who=some_person)
def test_filter_and_row_level_security_each_agree_with_the_rule(
    database_url: str, shelf: list[tuple[str, ...]], who: Principal
) -> None:
    asyncio.run(_each_agrees(database_url, shelf, who))


async def _each_agrees(url: str, shelf: list[tuple[str, ...]], who: Principal) -> None:
    usecase = f"test_{uuid4().hex}"
    ingest, service, owner = (Database(url, role=role) for role in ("app_ingest", "app_service", "none"))  # type: ignore[arg-type]
    try:
        await fill(ingest, usecase, shelf)
        allowed, names = may_read(who, shelf), who.claims.names
        assert await found(service, usecase, claims=names) == allowed
        assert await found(owner, usecase, claims=names) == allowed, "the filter alone"
        alone = await found(service, usecase, claims=names, statement=without_filter(url))
        assert alone == allowed, "row-level security alone"
        neither = await found(owner, usecase, claims=names, statement=without_filter(url))
        assert neither == {str(place) for place in range(len(shelf))}, "with both locks gone, all is found"
    finally:
        for database in (ingest, service, owner):
            await database.close()


async def test_without_claims_there_are_no_rows(
    database_url: str, reading: Database, writing: Database, usecase: str
) -> None:
    await fill(writing, usecase, [("everyone",), ("user:ada",)])
    assert await found(reading, usecase, claims=()) == set()
    assert await found(reading, usecase, claims=(), statement=without_filter(database_url)) == set()
    async with reading.work() as work:
        for table in ("chunks", "documents", "vectors_1"):
            assert (await work.sql(f"SELECT count(*) FROM {table}")).scalar_one() == 0


async def test_plain_select_shows_only_what_the_claims_allow(
    reading: Database, writing: Database, usecase: str
) -> None:
    await fill(writing, usecase, [("group:hr",), ("group:sales",), ("everyone",)])
    async with reading.work(claims=Claims(("everyone", "group:hr"))) as work:
        rows = await work.sql("SELECT path FROM documents WHERE usecase = :usecase", usecase=usecase)
        assert set(rows.scalars()) == {"0", "2"}


async def test_claims_of_one_search_do_not_reach_the_next(database_url: str, writing: Database, usecase: str) -> None:
    await fill(writing, usecase, [("everyone",)])
    reading, bare = Database(database_url, pool_size=1), without_filter(database_url)
    for _ in range(3):
        assert await found(reading, usecase, claims=("everyone",), statement=bare) == {"0"}
        assert await found(reading, usecase, claims=(), statement=bare) == set()
    await reading.close()


async def test_service_role_may_not_write_documents_or_rights(reading: Database, write: Write) -> None:
    await write("a", TEXT, readers=("group:hr",))
    for statement in (
        "UPDATE acls SET readers = '{everyone}'",
        "UPDATE chunks SET acl_id = 1",
        "DELETE FROM documents",
        "INSERT INTO acls (readers) VALUES ('{everyone,x}')",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with reading.work(claims=Claims(NAMES)) as work:
                await work.sql(statement)


async def test_revocation_holds_at_the_next_search(writing: Database, write: Write, ask: Ask) -> None:
    id = await write("a", TEXT, readers=("group:hr",))
    assert await ask("tide table", "hr") == ["a"]
    async with writing.work() as work:
        document = await documents.get(work, id, claims=Claims(("group:hr",)))
        await documents.change(work, id, replace(document.facts, access=Access(("user:bob",))))
    assert await ask("tide table", "hr") == []
    assert await ask("tide table", user="bob") == ["a"]


async def test_hidden_documents_change_neither_score_nor_order(reading: Database, write: Write, usecase: str) -> None:
    await write("a", TEXT)
    await write("b", "Tide gauges are read at noon by the keeper.")
    searcher, who = Searcher(reading, LexicalEmbedder()), Principal("ada")
    before = await searcher.search("tide table harbour", principal=who, usecase=usecase, limit=5)
    for place in range(20):
        await write(f"secret-{place}", f"Secret tide table {place}, secret harbour.", readers=("group:hr",))
    assert await searcher.search("tide table harbour", principal=who, usecase=usecase, limit=5) == before


async def test_passage_says_by_which_name_it_was_visible_and_no_other(
    reading: Database, write: Write, usecase: str
) -> None:
    await write("a", TEXT, readers=("group:hr", "group:sales", "user:bob"))
    who = Principal("ada", groups=("sales", "engineering"))
    (passage,) = await Searcher(reading, LexicalEmbedder()).search("tide", principal=who, usecase=usecase, limit=5)
    assert passage.visible_by == ("group:sales",)


async def test_other_use_cases_are_not_searched(reading: Database, write: Write) -> None:
    await write("a", TEXT)
    found_elsewhere = await Searcher(reading, LexicalEmbedder()).search(
        "tide", principal=Principal("ada"), usecase="another", limit=5
    )
    assert found_elsewhere == ()


@pytest.mark.parametrize("few", [50_000, 3])
async def test_rights_hold_on_both_sides_of_the_crossing(
    database_url: str, writing: Database, reading: Database, usecase: str, few: int
) -> None:
    await fill(writing, usecase, [("group:hr",), ("group:sales",)] * 5)
    text = without_filter(database_url, few=few, filtered=True)
    assert await found(reading, usecase, claims=("group:hr",), statement=text) == {"0", "2", "4", "6", "8"}


async def test_forbidden_chunks_do_not_crowd_out_the_visible_ones(
    database_url: str, reading: Database, write: Write, usecase: str
) -> None:
    for place in range(60):
        await write(f"forbidden-{place}", "tide table", readers=("group:hr",))
    await write("allowed", TEXT, readers=("group:sales",))
    text = without_filter(database_url, few=0, filtered=True)
    assert await found(reading, usecase, claims=("group:sales",), statement=text) == {"allowed"}
