"""Comparisons of a candidate with the current version on the cases of the evaluation, over time."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from app.store.db import Work
from app.store.plain import as_json


async def keep(work: Work, report: Mapping[str, Any], *, commit: str) -> None:
    """Store a comparison."""
    await work.sql(
        "INSERT INTO comparisons (id, usecase, candidate, good, report, commit)"
        " VALUES (:id, :usecase, :candidate, :good, CAST(:report AS jsonb), :commit)",
        id=uuid4(),
        usecase=report["usecase"],
        candidate=report["candidate"],
        good=report["good"],
        report=as_json(report),
        commit=commit,
    )


async def newest(work: Work, usecase: str | None = None) -> list[dict[str, Any]]:
    """Give the newest comparison of each candidate, the newest first."""
    rows = await work.sql(
        "SELECT DISTINCT ON (usecase, candidate) id, usecase, candidate, good, report, commit, at FROM comparisons"
        " WHERE cast(:usecase AS text) IS NULL OR usecase = :usecase ORDER BY usecase, candidate, at DESC",
        usecase=usecase,
    )
    return sorted((dict(row) for row in rows.mappings()), key=lambda row: row["at"], reverse=True)
