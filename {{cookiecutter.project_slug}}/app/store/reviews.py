"""Answers that wait for a person."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from app.errors import Conflict, Forbidden, NotFound
from app.store import flags
from app.store.db import Work
from app.store.tables import reviews


async def open_(
    work: Work, *, turn_id: UUID, usecase: str, asker: str, question: str, draft: dict[str, Any], why: str
) -> UUID:
    """Put a draft (`text`, `data`) before the reviewers."""
    review_id = uuid4()
    row = {"id": review_id, "turn_id": turn_id, "usecase": usecase, "asker": asker, "question": question, "why": why}
    await work.run(insert(reviews), {**row, "draft": draft["text"], "data": draft["data"], "status": "open"})
    return review_id


async def listed(work: Work, *, status: str = "open", limit: int = 100) -> list[dict[str, Any]]:
    """List reviews of a status, the oldest first."""
    rows = await work.sql(
        "SELECT * FROM reviews WHERE status = :status ORDER BY created_at LIMIT :limit", status=status, limit=limit
    )
    return [dict(row) for row in rows.mappings()]


async def decide(
    work: Work,
    review_id: UUID,
    *,
    by: str,
    approve: bool,
    because: str,
    final: str | None,
    final_data: dict[str, Any] | None,
) -> dict[str, Any]:
    """Approve (perhaps edited) or reject a draft, with an audit row; nobody decides on what they asked for."""
    row = (await work.sql("SELECT * FROM reviews WHERE id = :id FOR UPDATE", id=review_id)).mappings().first()
    if row is None:
        raise NotFound("There is no review with this id.")
    if row["asker"] == by:
        raise Forbidden("Nobody decides on what they asked for; another reviewer has to.")
    if row["status"] != "open":
        raise Conflict(f"This was {row['status']} by {row['decided_by']}.")
    status = "approved" if approve else "rejected"
    result = {
        "status": status,
        "decided_by": by,
        "reason": because,
        "final": (final or row["draft"]) if approve else None,
        "final_data": (final_data or row["data"]) if approve else None,
    }
    await work.run(reviews.update().where(reviews.c.id == review_id), result)
    await work.sql("UPDATE reviews SET decided_at = now() WHERE id = :id", id=review_id)
    await flags.note(work, actor=by, action=f"review.{status}", subject=str(review_id), reason=because,
                     before={"status": "open"}, after=result)  # fmt: skip
    return {**row, **result}
