"""Takes one of the two locks away: the search as it would be had its author forgotten the filter by rights."""

from collections.abc import Sequence

import psycopg

from app.store import search

FUNCTIONS = ("near_chunks", "worded_chunks", "find_chunks", "search_chunks")
UNLOCKED = "unlocked"
# Up to so many visible chunks, vectors and words are looked at one by one.
FEW = ("few constant bigint := 50000;", "few constant bigint := 20000;")


Swaps = Sequence[tuple[str, str]]


def without_filter(url: str, *, few: int | None = None, filtered: bool = False, swaps: Swaps = ()) -> str:
    """Make twins of the search's functions without the filter, and give the statement that calls them.

    `url` is the owner's. Every row of the use case counts as readable there, for words, vectors, weights and counts:
    only row-level security is left. `few` sets how many chunks are searched exactly; `filtered` keeps the filter;
    `swaps` change the text.
    """
    few_text = "" if few is None else str(few)
    suffix = f"_{'filtered' if filtered else UNLOCKED}{few_text}{len(swaps) or ''}"
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("SELECT pg_advisory_lock(40081)")
        found: set[str] = set()
        for name in FUNCTIONS:
            row = owner.execute("SELECT pg_get_functiondef(%s::regproc)", (f"public.{name}",)).fetchone()
            assert row is not None
            found.update(text for text in FEW if text in row[0])
            twin = _twin(row[0], suffix, few=few, filtered=filtered)
            for old, new in swaps:
                twin = twin.replace(old, new)
            owner.execute(twin)  # type: ignore[call-overload]
            rights = "app_search" if name in FUNCTIONS[:2] else "app_service, app_ingest"
            owner.execute(f"GRANT EXECUTE ON FUNCTION {name}{suffix} TO {rights}")  # type: ignore[call-overload]
        owner.execute("GRANT CREATE ON SCHEMA public TO app_search")
        owner.execute(f"ALTER FUNCTION find_chunks{suffix} OWNER TO app_search")  # type: ignore[call-overload]
        owner.execute("REVOKE CREATE ON SCHEMA public FROM app_search")
    assert found == set(FEW)
    return search.SEARCH.replace("search_chunks", f"search_chunks{suffix}")


def _twin(text: str, suffix: str, *, few: int | None, filtered: bool) -> str:
    if not filtered:
        for right in search.RIGHTS:
            text = text.replace(right, "true")
        assert "ANY (mine)" not in text
        assert "ANY ($3)" not in text
    if few is not None:
        for bounded in FEW:
            text = text.replace(bounded, f"few constant bigint := {few};")
    for name in FUNCTIONS:
        text = text.replace(f"{name}(", f"{name}{suffix}(")
    return text
