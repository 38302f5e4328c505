"""Answers, and uses of tools with effects, that wait for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from app.domain.masking import mentioned
from app.errors import Conflict, Forbidden, NotFound
from app.store import actions, audit, sealed
from app.store.db import Work
from app.store.plain import as_json
from app.store.tables import reviews


@dataclass(frozen=True, slots=True)
class Proposed:
    """Uses of tools (`tool`, `arguments`) that a person must approve, and the rights with which they would run."""

    actions: Sequence[Mapping[str, Any]]
    groups: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer decides; `final` and `data` replace the draft's, `arguments` those of the uses by their place."""

    by: str
    approve: bool
    because: str
    final: str | None = None
    data: dict[str, Any] | None = None
    arguments: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


async def open_(
    work: Work, *, turn_id: UUID, usecase: str, asker: str, question: str, draft: dict[str, Any], why: str
) -> UUID:
    """Put a draft (`text`, `data`, and the `masks` whose placeholders stand in it) before the reviewers."""
    review_id = uuid4()
    masks = mentioned((question, str(draft["text"]), as_json(draft["data"])), draft.get("masks", {}))
    row = {"id": review_id, "turn_id": turn_id, "usecase": usecase, "asker": asker, "question": question, "why": why}
    row |= {"draft": draft["text"], "data": draft["data"], "status": "open", "asker_groups": [], "asker_unit": ""}
    row |= {"masks": as_json(masks) if masks else None}
    await work.run(insert(reviews), sealed.closed(work.seals, "reviews", row))
    return review_id


async def propose(work: Work, review_id: UUID, proposed: Proposed) -> None:
    """Put uses of tools before the reviewers, beside the draft."""
    rights = {"asker_groups": list(proposed.groups), "asker_unit": proposed.unit}
    await work.run(reviews.update().where(reviews.c.id == review_id), rights)
    await actions.propose(work, review_id, proposed.actions)


async def listed(work: Work, *, status: str = "open", limit: int = 100) -> list[dict[str, Any]]:
    """List reviews of a status with their actions, the oldest first."""
    rows = await work.sql(
        "SELECT * FROM reviews WHERE status = :status ORDER BY created_at LIMIT :limit", status=status, limit=limit
    )
    found = [_opened(work, row) for row in rows.mappings()]
    proposed = await actions.of(work, [row["id"] for row in found])
    return [{**row, "actions": proposed[row["id"]]} for row in found]


async def get(work: Work, review_id: UUID) -> dict[str, Any]:
    """Give a review with its actions, and lock it for this transaction. Raises NotFound."""
    row = (await work.sql("SELECT * FROM reviews WHERE id = :id FOR UPDATE", id=review_id)).mappings().first()
    if row is None:
        raise NotFound("There is no review with this id.")
    told = _opened(work, row)
    return {**told, "actions": (await actions.of(work, [review_id]))[review_id]}


def _opened(work: Work, row: Mapping[Any, Any]) -> dict[str, Any]:
    masks = sealed.known(work.seals, "reviews", row["id"], row["masks"])
    return {**sealed.opened(work.seals, "reviews", row), "masks": masks}


async def decide(work: Work, review_id: UUID, decision: Decision, *, job_id: UUID | None = None) -> dict[str, Any]:
    """Approve (perhaps edited) or reject, with an audit row; nobody decides on what they asked for.

    `job_id` is the job that will run what is approved. Raises Forbidden, Conflict, NotFound.
    """
    row = await get(work, review_id)
    if row["asker"] == decision.by:
        raise Forbidden("Nobody decides on what they asked for; another reviewer has to.")
    if row["status"] != "open":
        raise Conflict(f"This was {row['status']} by {row['decided_by']}.")
    if decision.approve and decision.final is None and sealed.UNREADABLE in (row["final"], row["draft"]):
        raise Conflict("The draft does not open any more; write the answer anew, or reject it.")
    status = "approved" if decision.approve else "rejected"
    result = {
        "status": status,
        "decided_by": decision.by,
        "reason": decision.because,
        "final": (decision.final or row["final"] or row["draft"]) if decision.approve else None,
        "final_data": (decision.data or row["final_data"] or row["data"]) if decision.approve else None,
    }
    kept = sealed.closed(work.seals, "reviews", {"id": review_id, **result, "job_id": job_id or row["job_id"]})
    await work.run(reviews.update().where(reviews.c.id == review_id), kept)
    await work.sql("UPDATE reviews SET decided_at = now() WHERE id = :id", id=review_id)
    if decision.approve:
        await actions.approve(work, review_id, edited=decision.arguments)
    else:
        await actions.reject(work, review_id)
    # The audit cannot be forgotten, and who reads it may not read what was quoted: it says what was edited, not how.
    edited = {"text": decision.final is not None, "data": decision.data is not None}
    uses = [{"tool": each["tool"], "edited": each["ordinal"] in decision.arguments} for each in row["actions"]]
    await audit.note(work, actor=decision.by, action=f"review.{status}", subject=str(review_id),
                     reason=decision.because, before={"status": "open"},
                     after={"status": status, "edited": edited, "actions": uses})  # fmt: skip
    return await get(work, review_id)
