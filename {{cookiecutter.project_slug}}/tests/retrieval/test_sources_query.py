"""Query sources over a real PostgreSQL table that is not the service's own."""

from typing import Any

import pytest

from app.domain.access import Access
from app.domain.source import Item, Query
from app.errors import BadInput, NotFound, SourceFailed
from app.retrieval.sources import Sources
from app.store import foreign
from tests.retrieval.places import Shelf

SQL = """
    SELECT id AS path, title, body AS content, readers, denied, level AS classification FROM articles
    WHERE title NOT LIKE '%draft%'
"""


@pytest.fixture
def shelf(empty_database_url: str) -> Shelf:
    made = Shelf(empty_database_url)
    made.make()
    return made


async def listed(shelf: Shelf, sql: str = SQL, **more: Any) -> dict[str, Item]:
    async with Sources(lambda _: shelf.url, ("internal",)).opened(Query("q", "SHELF_URL", sql, **more)) as opened:
        return {item.path: item async for item in opened.items()}


async def read(shelf: Shelf, path: str, sql: str = SQL) -> Any:
    async with Sources(lambda _: shelf.url).opened(Query("q", "SHELF_URL", sql)) as opened:
        return await opened.read(path, "")


@pytest.mark.proves("INT-4", "SEC-4")
async def test_rows_are_items_with_the_rights_of_their_columns(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "PAGE", 2)
    for place in range(5):
        shelf.put(place, f"Article {place}", "Zebra.", ["group:hr"], ["user:bob"])
    shelf.put(7, "draft", "x", ["everyone"])
    shelf.put(8, "Nobody", "x", [])
    shelf.put(9, "Wrong", "x", ["all staff"])
    found = await listed(shelf)
    assert sorted(found) == ["0", "1", "2", "3", "4", "8", "9"]
    assert (found["1"].title, found["1"].access) == ("Article 1", Access(("group:hr",), ("user:bob",)))
    assert (found["8"].access, found["9"].access) == (None, None)


async def test_a_row_is_as_new_as_its_content_or_as_its_version(shelf: Shelf) -> None:
    shelf.put(1, "One", "Zebra.", ["everyone"])
    first = (await listed(shelf))["1"].version
    shelf.put(1, "One", "Okapi.", ["everyone"])
    assert (await listed(shelf))["1"].version != first
    sql = "SELECT id AS path, body AS content, readers, changed_at AS version FROM articles"
    before = (await listed(shelf, sql))["1"].version
    shelf.put(1, "One", "Okapi.", ["everyone"])
    assert (await listed(shelf, sql))["1"].version != before


async def test_the_content_of_one_row_is_read_by_its_path(shelf: Shelf) -> None:
    shelf.put(1, "100% One", "Zebra 100 %.", ["everyone"])
    found = await read(shelf, "1")
    assert (found.content, found.media_type, found.filename) == (b"Zebra 100 %.", "text/markdown", "row")
    with pytest.raises(NotFound):
        await read(shelf, "2")
    binary = "SELECT 'a'::text AS path, '\\x255044462d'::bytea AS content, 'application/pdf' AS media_type"
    found = await read(shelf, "a", binary)
    assert (found.content, found.media_type) == (b"%PDF-", "application/pdf")


@pytest.mark.proves("SEC-4")
async def test_a_query_without_columns_of_rights_needs_an_access_for_all(shelf: Shelf) -> None:
    sql = "SELECT id AS path, body AS content FROM articles"
    shelf.put(1, "One", "Zebra.", [])
    with pytest.raises(BadInput, match="readers"):
        await listed(shelf, sql)
    found = await listed(shelf, sql, rights=Access(("group:hr",)))
    assert found["1"].access == Access(("group:hr",))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT id AS path, readers FROM articles", "content"),
        ("SELECT nowhere FROM articles", "nowhere"),
        ("this is no query", "syntax"),
        ("SELECT 1 AS path, 'x' AS content, '{everyone}'::text[] AS readers; DROP TABLE articles", "syntax"),
    ],
)
async def test_an_unusable_query_says_what_is_wrong(shelf: Shelf, sql: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        await listed(shelf, sql)


async def test_the_source_can_only_read(shelf: Shelf) -> None:
    shelf.run("CREATE FUNCTION cut() RETURNS text LANGUAGE sql AS $$ DELETE FROM articles RETURNING 'x'::text $$")
    shelf.put(1, "One", "Zebra.", ["everyone"])
    with pytest.raises((BadInput, SourceFailed), match="read-only"):
        await listed(shelf, "SELECT cut() AS path, 'x' AS content, '{everyone}'::text[] AS readers")
    assert list(await listed(shelf)) == ["1"]


async def test_a_database_that_is_away_is_a_failure_and_says_no_password() -> None:
    away = Shelf("postgresql://me:secret@127.0.0.1:1/x")
    with pytest.raises(SourceFailed) as caught:
        await listed(away)
    assert "secret" not in caught.value.detail
    with pytest.raises(BadInput, match="SHELF_URL"):
        await listed(Shelf(""))
