"""Finds queued work by status, kind, use case and person; and what happened to one job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.store.db import Work

MOST_EVENTS = 100
# Without the input, which is sealed and which no list needs.
_COLUMNS = "id, kind, usecase, user_id, status, total, done, attempts, error, created_at, started_at, finished_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs: "" is any; `among` use cases ("" for those of none), or one's `own`; a page begins at `before`."""

    statuses: tuple[str, ...] = ()
    kind: str = ""
    usecase: str = ""
    person: str = ""
    before: datetime | None = None
    among: tuple[str, ...] = ()
    own: str = ""


async def found(work: Work, wanted: Wanted, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """List jobs, the newest first."""
    parts: list[tuple[str, str, Any]] = [
        ("status = ANY(:statuses)", "statuses", list(wanted.statuses)),
        ("kind = :kind", "kind", wanted.kind),
        ("usecase = :usecase", "usecase", wanted.usecase),
        ("user_id = :person", "person", wanted.person),
        ("created_at < :before", "before", wanted.before),
    ]
    kept = [part for part in parts if part[2]]
    where = " AND ".join(["(usecase = ANY(:among) OR user_id = :own)", *(condition for condition, _, _ in kept)])
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM jobs WHERE {where} ORDER BY created_at DESC LIMIT :limit",  # noqa: S608 - constants
        among=list(wanted.among),
        own=wanted.own,
        limit=limit,
        **{name: value for _, name, value in kept},
    )
    return [dict(row) for row in rows.mappings()]


async def counts(work: Work, *, days: int) -> Mapping[str, int]:
    """Count the jobs of the last days by status, whoever asked."""
    rows = await work.sql(
        "SELECT status, count(*) AS n FROM jobs WHERE created_at > now() - make_interval(days => :days)"
        " OR status IN ('queued', 'running', 'cancelling') GROUP BY status",
        days=days,
    )
    return {row.status: row.n for row in rows}


async def events(work: Work, job_id: UUID) -> Sequence[Mapping[str, Any]]:
    """Give what happened to a job, the newest first: without what a step said, which may name a file."""
    rows = await work.sql(
        "SELECT event, created_at FROM job_events WHERE job_id = :id AND event <> 'progress'"
        " ORDER BY id DESC LIMIT :most",
        id=job_id,
        most=MOST_EVENTS,
    )
    return [dict(row) for row in rows.mappings()]


async def items_total(work: Work, job_id: UUID) -> int:
    """Count the finished items of a job."""
    return int((await work.sql("SELECT count(*) FROM job_items WHERE job_id = :id", id=job_id)).scalar_one())


async def items(work: Work, job_id: UUID, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """Give the finished items of a job without what they say: place, turn and outcome."""
    rows = await work.sql(
        "SELECT ordinal, turn_id, outcome, finished_at FROM job_items WHERE job_id = :id ORDER BY ordinal LIMIT :limit",
        id=job_id,
        limit=limit,
    )
    return [dict(row) for row in rows.mappings()]
