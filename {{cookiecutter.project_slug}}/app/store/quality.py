"""What evaluations found, over time."""

from collections.abc import Mapping, Sequence
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


async def readable(work: Work, usecase: str, path: str, *, names: Sequence[str]) -> list[dict[str, Any]]:
    """Give the pieces of a document that this unit of work may see, and by which of these names each is visible."""
    rows = await work.sql(
        "SELECT c.text, c.heading, c.page,"
        " ARRAY(SELECT unnest(a.readers) INTERSECT SELECT unnest(CAST(:names AS text[])) ORDER BY 1) AS visible_by"
        " FROM documents d JOIN chunks c ON c.document_id = d.id JOIN acls a ON a.id = c.acl_id"
        " WHERE d.usecase = :usecase AND d.path = :path ORDER BY c.id",
        usecase=usecase,
        path=path,
        names=list(names),
    )
    return [dict(row) for row in rows.mappings()]
