"""Queued work. The rows are the truth; messages in the broker are only hints that a row is waiting.

A worker holds a job by a lease that it keeps renewing. One that dies stops renewing, and the sweep hands the job on;
what the dead one still tried to write carries the old lease and is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from app.domain.job import NOTHING, Job, JobKind, JobStatus, Pauses
from app.domain.masking import unmasked
from app.domain.review import GIVEN
from app.errors import Conflict, NotFound
from app.store import events, outbox, sealed
from app.store.db import Work
from app.store.tables import job_events, job_items, jobs

MAX_ATTEMPTS = 5
# A message that Redis lost with its memory is sent again after so long.
HINT_AGAIN_S = 8
_JOB_COLUMNS = (
    "id, kind, usecase, user_id, groups, input, status, total, done, error, result, attempts, lease,"
    " created_at, started_at, finished_at"
)


class LeaseLost(Exception):
    """Another worker holds the job by now; stop at once and write nothing."""


def _job(work: Work, row: Any) -> Job:
    told = {**row, "status": JobStatus(row["status"]), "groups": tuple(row["groups"])}
    return Job(**sealed.opened(work.seals, "jobs", told))


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants done; `total` counts items, 0 where it is not known yet."""

    kind: JobKind
    usecase: str
    user_id: str
    groups: tuple[str, ...]
    input: dict[str, Any]
    total: int = 0


async def add(work: Work, job_id: UUID, order: Order, *, trace: dict[str, str]) -> None:
    """Accept a job: its row and the message about it, in the transaction at hand; it continues the trace given."""
    row: dict[str, Any] = {"id": job_id, "kind": order.kind, "usecase": order.usecase, "user_id": order.user_id}
    row |= {"groups": list(order.groups), "input": {**order.input, "trace": trace}, "total": order.total}
    row = sealed.closed(work.seals, "jobs", row)
    await work.run(insert(jobs), {**row, "status": "queued", "done": 0, "attempts": 0})
    await event(work, job_id, "queued", {"total": order.total})
    await _hint(work, job_id, kind=order.kind, usecase=order.usecase, trace=trace)


async def _hint(work: Work, job_id: UUID, *, kind: str, usecase: str, trace: dict[str, str] | None) -> None:
    """Write the job's letter. It has one, whose number is its place: a second hint is the same letter sent again."""
    told = {"job_id": str(job_id), "kind": kind, "usecase": usecase, "trace": trace or {}}
    await outbox.put(work, "job", told)


async def event(work: Work, job_id: UUID, name: str, data: dict[str, Any]) -> None:
    """Tell whoever follows the job."""
    await work.run(insert(job_events), {"job_id": job_id, "event": name, "data": data})


async def get(work: Work, job_id: UUID, *, user_id: str | None) -> Job:
    """Give a job; `user_id` None reads anybody's."""
    rows = await work.sql(
        f"SELECT {_JOB_COLUMNS} FROM jobs WHERE id = :id"  # noqa: S608 - a constant
        " AND (cast(:user_id AS text) IS NULL OR user_id = :user_id)",
        id=job_id,
        user_id=user_id,
    )
    row = rows.mappings().first()
    if row is None:
        raise NotFound("You have no job with this id.")
    return _job(work, row)


async def listed(work: Work, *, user_id: str | None, limit: int = 50) -> list[Job]:
    """List jobs, the newest first."""
    rows = await work.sql(
        f"SELECT {_JOB_COLUMNS} FROM jobs WHERE (cast(:user_id AS text) IS NULL OR user_id = :user_id)"  # noqa: S608
        " ORDER BY created_at DESC LIMIT :limit",
        user_id=user_id,
        limit=limit,
    )
    return [_job(work, row) for row in rows.mappings()]


async def claim(work: Work, job_id: UUID, *, lease_s: float, but: Pauses = NOTHING) -> Job | None:
    """Take the job if nobody alive holds it and it need not wait (`but`); None when there is nothing to do."""
    taken = await work.sql(
        "WITH was AS (SELECT id, status FROM jobs WHERE id = :id FOR UPDATE)"  # noqa: S608 - constants
        " UPDATE jobs j SET status = 'running', lease = :lease,"
        " lease_until = now() + make_interval(secs => :lease_s),"
        " attempts = attempts + 1, started_at = coalesce(started_at, now())"
        " FROM was WHERE j.id = was.id AND (j.status = 'queued' OR (j.status = 'running' AND j.lease_until < now()))"
        f" AND NOT {outbox.waits('j.kind', 'j.usecase')} RETURNING was.status",
        id=job_id,
        lease=uuid4(),
        lease_s=lease_s,
        **outbox.waiting(but),
    )
    was = taken.first()
    if was is None:
        return None
    job = await get(work, job_id, user_id=None)
    # One that was given back goes on with the same attempt, however often somebody has to look.
    if not (was.status == JobStatus.QUEUED and await _newest(work, job_id) == JobStatus.RUNNING):
        await event(work, job_id, "running", {"attempt": job.attempts})
    return job


async def _newest(work: Work, job_id: UUID) -> str | None:
    rows = await work.sql(
        "SELECT event FROM job_events WHERE job_id = :id AND event <> 'progress' ORDER BY id DESC LIMIT 1", id=job_id
    )
    return rows.scalar()


async def keep_place(work: Work, job_id: UUID) -> None:
    """Have the letter of a queued job leave once more, before all that came later; while the job waits, it stays."""
    await work.sql(
        "UPDATE outbox SET sent_at = NULL, created_at = now() WHERE id = ("
        "   SELECT max(id) FROM outbox WHERE topic = 'job' AND payload ->> 'job_id' = CAST(:id AS text))"
        " AND EXISTS (SELECT 1 FROM jobs WHERE id = CAST(:id AS uuid) AND status = 'queued')",
        id=str(job_id),
    )


async def renew(work: Work, job_id: UUID, *, lease: UUID, lease_s: float) -> JobStatus:
    """Keep holding the job; tells `cancelling` when somebody asked to stop. Raises LeaseLost."""
    rows = await work.sql(
        "UPDATE jobs SET lease_until = now() + make_interval(secs => :lease_s)"
        " WHERE id = :id AND lease = :lease AND status IN ('running', 'cancelling') RETURNING status",
        id=job_id,
        lease=lease,
        lease_s=lease_s,
    )
    row = rows.first()
    if row is None:
        raise LeaseLost
    return JobStatus(row.status)


async def hold(work: Work, job_id: UUID, *, lease: UUID) -> None:
    """Lock the job's row for this transaction, so that nothing is written under a lost lease. Raises LeaseLost."""
    rows = await work.sql("SELECT 1 FROM jobs WHERE id = :id AND lease = :lease FOR UPDATE", id=job_id, lease=lease)
    if rows.first() is None:
        raise LeaseLost


async def done_items(work: Work, job_id: UUID) -> set[int]:
    """Give the places of the items that are finished: a worker that takes over does the rest."""
    rows = await work.sql("SELECT ordinal FROM job_items WHERE job_id = :id", id=job_id)
    return set(rows.scalars())


async def finish_item(work: Work, job_id: UUID, ordinal: int, result: dict[str, Any]) -> None:
    """Write an item's result and the job's progress, once."""
    row = {"job_id": job_id, "ordinal": ordinal, **result}
    await work.run(insert(job_items), sealed.closed(work.seals, "job_items", row))
    await progress(work, job_id, note={"ordinal": ordinal, "outcome": result["outcome"]})


async def progress(work: Work, job_id: UUID, *, note: dict[str, Any], done: int | None = None) -> None:
    """Count one more item, or say how many are done, and tell whoever follows.

    Never less than before: of two who tell at once, the one who counted first may be heard last.
    """
    rows = await work.sql(
        "UPDATE jobs SET done = greatest(done, coalesce(cast(:done AS integer), done + 1)) WHERE id = :id"
        " RETURNING done, total",
        id=job_id,
        done=done,
    )
    row = rows.one()
    await event(work, job_id, "progress", {"done": row.done, "total": row.total, **note})


async def finish(
    work: Work, job_id: UUID, *, lease: UUID, status: JobStatus, error: str = "", result: dict[str, Any] | None = None
) -> None:
    """End the job. Raises LeaseLost when it is no longer this worker's to end.

    One that stopped because it was cancelled, and was put back before it could be ended, is queued again.
    """
    await hold(work, job_id, lease=lease)
    if status is JobStatus.CANCELLED and await give_back(work, job_id, lease=lease):
        return
    await work.run(
        jobs.update().where(jobs.c.id == job_id),
        {"status": status.value, "error": error, "result": result, "lease": None, "lease_until": None},
    )
    await work.sql("UPDATE jobs SET finished_at = now() WHERE id = :id", id=job_id)
    await event(work, job_id, status.value, {"error": error} if error else {})
    await _tell(work, [job_id])


async def give_back(work: Work, job_id: UUID, *, lease: UUID) -> bool:
    """Put a running job back in the queue, without counting the attempt: the worker stops, or the AI is paused.

    Says whether it was running.
    """
    rows = await work.sql(
        "UPDATE jobs SET status = 'queued', lease = NULL, lease_until = NULL, attempts = attempts - 1"
        " WHERE id = :id AND lease = :lease AND status = 'running' RETURNING id",
        id=job_id,
        lease=lease,
    )
    return rows.first() is not None


async def cancel(work: Work, job_id: UUID, *, user_id: str | None) -> Job:
    """Stop a queued job at once, a running one at its next item. Raises Conflict when it is over."""
    job = await get(work, job_id, user_id=user_id)
    rows = await work.sql(
        "UPDATE jobs SET status = CASE status WHEN 'queued' THEN 'cancelled' ELSE 'cancelling' END,"
        " finished_at = CASE status WHEN 'queued' THEN now() END"
        " WHERE id = :id AND status IN ('queued', 'running', 'cancelling') RETURNING status",
        id=job_id,
    )
    row = rows.first()
    if row is None:
        raise Conflict(f"The job has ended ({job.status.value}) and cannot be cancelled.")
    await event(work, job_id, row.status, {})
    if row.status == "cancelled":
        await _tell(work, [job_id])
    return await get(work, job_id, user_id=user_id)


async def _tell(work: Work, job_ids: Sequence[UUID]) -> None:
    """Tell other systems that these jobs are over."""
    rows = await work.sql(
        "SELECT id, kind, usecase, user_id, status, total, done, attempts FROM jobs"
        " WHERE id = ANY (CAST(:ids AS uuid[]))",
        ids=list(job_ids),
    )
    for row in rows.mappings().all():
        told = {"job_id": str(row["id"]), **{name: row[name] for name in row if name not in ("id", "usecase")}}
        await events.emit(work, "job.finished", subject=f"jobs/{row['id']}", usecase=row["usecase"], data=told)


async def items(work: Work, job_id: UUID) -> list[dict[str, Any]]:
    """Give the finished items of a job, each with what a reviewer made of it."""
    rows = await work.sql(
        "SELECT i.job_id, i.ordinal, i.turn_id, i.outcome, i.answer, i.data, r.status AS review,"
        " r.id AS review_id, r.final, r.final_data, r.masks, r.kind AS review_kind FROM job_items i LEFT JOIN LATERAL ("
        "   SELECT * FROM reviews one WHERE one.turn_id = i.turn_id AND (one.kind <> 'sample' OR one.status <> 'open')"
        "   ORDER BY one.status <> 'open' DESC, one.decided_at DESC LIMIT 1) AS r ON true"
        " WHERE i.job_id = :id ORDER BY i.ordinal",
        id=job_id,
    )
    return [_item(work, row) for row in rows.mappings()]


def _item(work: Work, row: Any) -> dict[str, Any]:
    item = sealed.opened(work.seals, "job_items", row)
    made = {"id": item.pop("review_id"), "final": item.pop("final"), "final_data": item.pop("final_data")}
    # What was approved is kept as the reviewer saw it.
    masks = sealed.known(work.seals, "reviews", made["id"], item.pop("masks"))
    made = unmasked(sealed.opened(work.seals, "reviews", made), masks)
    del item["job_id"]
    if item.pop("review_kind") in GIVEN and item["review"] == "rejected":
        # A person looked at it afterwards, and took it back.
        return {**item, "answer": "", "data": None}
    # While it is open, what somebody has written so far is between the reviewers.
    if item["review"] == "approved":
        item["answer"] = item["answer"] if made["final"] is None else made["final"]
        item["data"] = item["data"] if made["final_data"] is None else made["final_data"]
    return item


async def events_after(work: Work, job_id: UUID, after: int) -> list[tuple[int, str, dict[str, Any]]]:
    """Give the job's events with a number above `after`."""
    rows = await work.sql(
        "SELECT id, event, data FROM job_events WHERE job_id = :id AND id > :after ORDER BY id", id=job_id, after=after
    )
    return [(row.id, row.event, row.data) for row in rows]


async def sweep(work: Work) -> list[UUID]:
    """Find jobs whose worker died or whose message was lost, and have the letter of each leave again."""
    cancelled = await work.sql(
        "UPDATE jobs SET status = 'cancelled', finished_at = now(), lease = NULL"
        " WHERE status = 'cancelling' AND lease_until < now() RETURNING id"
    )
    given_up = await work.sql(
        "UPDATE jobs SET status = 'failed', finished_at = now(), lease = NULL, error = 'given up after too many tries'"
        " WHERE status = 'running' AND lease_until < now() AND attempts >= :most"
        " RETURNING id",
        most=MAX_ATTEMPTS,
    )
    if over := [*cancelled.scalars(), *given_up.scalars()]:
        await _tell(work, over)
    rows = await work.sql(
        "WITH due AS ("
        "   SELECT j.id, j.kind, j.usecase, j.input -> 'trace' AS trace, j.created_at FROM jobs j"
        "   WHERE ((j.status = 'running' AND j.lease_until < now())"
        "     OR (j.status = 'queued' AND j.created_at < now() - make_interval(secs => :again)))"
        "   AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.topic = 'job' AND o.payload ->> 'job_id' = j.id::text"
        "     AND (o.sent_at IS NULL OR greatest(o.created_at, o.sent_at) > now() - make_interval(secs => :again)))"
        "   ORDER BY j.created_at LIMIT 200),"
        " again AS ("
        "   UPDATE outbox SET sent_at = NULL, created_at = now() WHERE id IN ("
        "     SELECT max(o.id) FROM outbox o JOIN due ON o.payload ->> 'job_id' = due.id::text"
        "     WHERE o.topic = 'job' GROUP BY due.id)"
        "   RETURNING payload ->> 'job_id' AS job_id)"
        " SELECT due.*, EXISTS (SELECT 1 FROM again WHERE again.job_id = due.id::text) AS leaves FROM due"
        " ORDER BY created_at",
        again=HINT_AGAIN_S,
    )
    found = rows.all()
    for row in found:
        if not row.leaves:
            await _hint(work, row.id, kind=row.kind, usecase=row.usecase, trace=row.trace)
    return [row.id for row in found]


async def failed(work: Work, *, before: datetime | None = None, limit: int = 100) -> list[Job]:
    """List jobs that failed, the newest first; `before` is where a page begins."""
    rows = await work.sql(
        f"SELECT {_JOB_COLUMNS} FROM jobs WHERE status = 'failed'"  # noqa: S608 - a constant
        " AND (CAST(:before AS timestamptz) IS NULL OR finished_at < :before) ORDER BY finished_at DESC LIMIT :limit",
        before=before,
        limit=limit,
    )
    return [_job(work, row) for row in rows.mappings()]


async def failed_lately(work: Work, *, hours: int = 24) -> int:
    """Count the jobs that failed within the last hours."""
    rows = await work.sql(
        "SELECT count(*) FROM jobs WHERE status = 'failed' AND finished_at > now() - make_interval(hours => :hours)",
        hours=hours,
    )
    return int(rows.scalar_one())


async def revive(work: Work, job_id: UUID, *, was: JobStatus = JobStatus.FAILED) -> None:
    """Put a job that failed, or `was` cancelled, back in the queue; its finished items stay. Raises Conflict."""
    rows = await work.sql(
        "UPDATE jobs SET status = 'queued', attempts = 0, error = '', result = NULL, finished_at = NULL, lease = NULL,"
        " lease_until = NULL WHERE id = :id AND status = :was RETURNING kind, usecase, input -> 'trace' AS trace",
        id=job_id,
        was=was.value,
    )
    row = rows.first()
    if row is None:
        raise Conflict(f"Only a job that is {was.value} goes back in the queue; this one is not, or not any more.")
    await event(work, job_id, "queued", {"replayed": True})
    await _hint(work, job_id, kind=row.kind, usecase=row.usecase, trace=row.trace)


async def put_back(work: Work, job_id: UUID) -> None:
    """Take a cancelling back: what has not stopped yet goes on, what has is queued again. Raises Conflict."""
    rows = await work.sql(
        "UPDATE jobs SET status = 'running' WHERE id = :id AND status = 'cancelling' RETURNING id", id=job_id
    )
    if rows.first() is None:
        await revive(work, job_id, was=JobStatus.CANCELLED)
    else:
        await event(work, job_id, "running", {})


async def counts(work: Work) -> dict[str, int]:
    """Count open jobs by status."""
    rows = await work.sql(
        "SELECT status, count(*) AS n FROM jobs WHERE status IN ('queued', 'running', 'cancelling') GROUP BY status"
    )
    return {row.status: row.n for row in rows}
