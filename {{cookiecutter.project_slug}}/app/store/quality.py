"""What evaluations found, over time."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import insert

from app.store.db import Work
from app.store.tables import evaluations


async def keep(work: Work, report: Mapping[str, Any], *, commit: str) -> None:
    """Store a report of an evaluation."""
    columns = ("usecase", "revision", "passed", "total", "pass_rate", "low", "high", "threshold", "good")
    row = {name: report[name] for name in columns}
    await work.run(insert(evaluations), {"id": uuid4(), "commit": commit, "report": dict(report), **row})


async def newest(work: Work) -> list[dict[str, Any]]:
    """Give the newest evaluation of each use case."""
    rows = await work.sql(
        "SELECT DISTINCT ON (usecase) usecase, revision, commit, passed, total, pass_rate, low, high, threshold,"
        " good, at FROM evaluations ORDER BY usecase, at DESC"
    )
    return [dict(row) for row in rows.mappings()]
