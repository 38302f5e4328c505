"""In whose hands a review is, until when, and which of them nobody decided on in time."""

from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.review import KINDS
from app.store import audit, events
from app.store.db import Work
from app.store.reviews import news

# What of a review may be planned: in whose hands, how soon, until when.
PLAN = ("assigned_to", "priority", "due_at")


async def take(work: Work, review_id: UUID, *, by: str, minutes: float) -> datetime:
    """Give a review to one reviewer alone for a while, or for a while longer; gives until when.

    The caller has locked the row and looked whether it is free.
    """
    rows = await work.sql(
        "UPDATE reviews SET taken_by = :by, taken_until = now() + make_interval(secs => :seconds) WHERE id = :id"
        " RETURNING taken_until",
        id=review_id,
        by=by,
        seconds=minutes * 60,
    )
    until: datetime = rows.scalar_one()
    return until


async def release(work: Work, review_id: UUID, *, by: str) -> bool:
    """Give back what one has taken; False when it was not theirs any more."""
    rows = await work.sql(
        "UPDATE reviews SET taken_by = NULL, taken_until = NULL WHERE id = :id AND taken_by = :by RETURNING id",
        id=review_id,
        by=by,
    )
    return rows.first() is not None


async def plan(work: Work, review: dict[str, Any], changed: dict[str, Any], *, by: str, because: str) -> None:
    """Change who is to decide (`assigned_to`), how urgent it is (`priority`), or until when (`due_at`).

    The entry in the audit holds all three as they were, and as they are.
    """
    before = {name: review[name] for name in PLAN}
    after = {**before, **changed}
    await work.sql(
        "UPDATE reviews SET assigned_to = :assigned_to, priority = :priority, due_at = :due_at,"
        " overdue_at = CASE WHEN due_at = :due_at THEN overdue_at END,"
        " taken_by = CASE WHEN assigned_to IS DISTINCT FROM :assigned_to THEN NULL ELSE taken_by END WHERE id = :id",
        id=review["id"],
        **after,
    )
    await audit.note(work, actor=by, action="review.assigned", subject=str(review["id"]), reason=because,
                     before=_plain(before), after=_plain(after))  # fmt: skip


async def tell_overdue(work: Work) -> list[dict[str, Any]]:
    """Mark reviews that nobody decided on in time, once each, and tell who listens."""
    rows = await work.sql(
        "UPDATE reviews SET overdue_at = now() WHERE id IN (SELECT id FROM reviews WHERE status = 'open'"
        "   AND due_at < now() AND overdue_at IS NULL ORDER BY due_at LIMIT 200 FOR UPDATE SKIP LOCKED) RETURNING *"
    )
    late = [dict(row) for row in rows.mappings()]
    for row in late:
        subject = f"reviews/{row['id']}"
        await events.emit(work, "review.overdue", subject=subject, usecase=row["usecase"], data=news(row))
    return late


async def standing(work: Work) -> dict[str, tuple[int, int, float]]:
    """Give, by kind, how many reviews wait, how many of them are overdue, and the age of the oldest in seconds."""
    rows = await work.sql(
        "SELECT kind, count(*) AS n, count(*) FILTER (WHERE due_at < now()) AS late,"
        " extract(epoch FROM now() - min(created_at)) AS age_s FROM reviews WHERE status = 'open' GROUP BY kind"
    )
    found = {row.kind: (row.n, row.late, float(row.age_s)) for row in rows}
    return {kind: found.get(kind, (0, 0, 0.0)) for kind in KINDS}


def _plain(plan: dict[str, Any]) -> dict[str, Any]:
    return {**plan, "due_at": plan["due_at"].isoformat()}
