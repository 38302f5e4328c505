"""Where personal data lives is written down for every column of the database that can hold words."""

import re

import psycopg
import pytest

from app.settings import ROOT

PAGE = ROOT / "docs/explanation/where-personal-data-lives.md"
COLUMNS = (
    "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid"
    " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0"
    " AND NOT a.attisdropped AND t.typname NOT IN ('int2', 'int4', 'int8', 'bool', 'uuid', '_uuid', 'timestamptz',"
    " 'date', 'numeric', 'float8')"
)


def written() -> set[tuple[str, str]]:
    """Give each table and column that the page names."""
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {(table, column) for table, columns in rows for column in columns.split()}


@pytest.mark.proves("SEC-11")
def test_every_column_that_can_hold_words_has_its_class(database_copy):
    with psycopg.connect(database_copy) as connection:
        found = {(re.sub(r"^vectors_\d+$", "vectors_", table), column) for table, column in connection.execute(COLUMNS)}
    assert len(found) > 150
    assert written() == found, "write a line for it: what it holds, how long, and what an erasure does"
