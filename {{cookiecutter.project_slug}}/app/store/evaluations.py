"""Runs of the evaluation sets, for those who look back: the newest of each use case, and how it went over time."""

from typing import Any
from uuid import UUID

from app.errors import NotFound
from app.store.db import Work

_COLUMNS = "id, at, usecase, revision, commit, passed, total, pass_rate, low, high, threshold, good"


async def latest(work: Work) -> list[dict[str, Any]]:
    """Give the newest run of each use case."""
    rows = await work.sql(f"SELECT DISTINCT ON (usecase) {_COLUMNS} FROM evaluations ORDER BY usecase, at DESC")  # noqa: S608 - constants
    return [dict(row) for row in rows.mappings()]


async def runs(work: Work, *, usecase: str, limit: int) -> list[dict[str, Any]]:
    """Give the newest runs of a use case (empty: of all), the newest first."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM evaluations WHERE (:usecase = '' OR usecase = :usecase)"  # noqa: S608 - constants
        " ORDER BY at DESC LIMIT :limit",
        usecase=usecase,
        limit=limit,
    )
    return [dict(row) for row in rows.mappings()]


async def count(work: Work, *, usecase: str) -> int:
    """Count the runs of a use case (empty: of all)."""
    statement = "SELECT count(*) FROM evaluations WHERE (:usecase = '' OR usecase = :usecase)"
    return int((await work.sql(statement, usecase=usecase)).scalar_one())


async def run(work: Work, run_id: UUID) -> dict[str, Any]:
    """Give a run with its report. Raises NotFound."""
    rows = await work.sql(f"SELECT {_COLUMNS}, report FROM evaluations WHERE id = :id", id=run_id)  # noqa: S608 - constants
    row = rows.mappings().first()
    if row is None:
        raise NotFound("There is no evaluation with this id.")
    return dict(row)
