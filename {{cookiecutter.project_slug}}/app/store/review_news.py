"""What a decision becomes for whoever asked: a message of their conversation, a job's event, a status of the turn."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from app.domain.masking import unmasked
from app.domain.review import holds_back
from app.store import events, jobs, sealed
from app.store.db import Work
from app.store.reviews import news

_ROLE: Literal["assistant"] = "assistant"
_TOLD = (
    "id, turn_id, kind, status, created_at, due_at, decided_at, draft, data, final, final_data, note, complaint, masks"
)


async def decided(work: Work, review: Mapping[str, Any], *, text: str | None) -> None:
    """Tell of a decision: an event, and what the asker reads now (None: what they have read stays).

    `text` replaces what their conversation had from this turn, so that it goes on with what a person said.
    """
    edited = review["status"] == "approved" and (review["final"], review["final_data"]) != (
        review["draft"],
        review["data"],
    )
    data = {**news(review), "decision": review["status"], "edited": edited, "by": review["decided_by"]}
    await events.emit(
        work,
        "review.decided",
        subject=f"reviews/{review['id']}",
        usecase=review["usecase"],
        data={**data, "reason": review["reason"]},
    )
    await put(work, review, text=text)


async def put(work: Work, review: Mapping[str, Any], *, text: str | None) -> None:
    """Write what the asker reads now into their conversation, and tell whoever follows the job of the turn."""
    if text is not None:
        is_answer = review["status"] == "approved" or (review["status"] == "open" and not holds_back(review))
        await _into_conversation(work, review["turn_id"], text, is_answer=is_answer)
    await _into_job(work, review)


async def _into_conversation(work: Work, turn_id: UUID, text: str, *, is_answer: bool) -> None:
    rows = await work.sql(
        "SELECT session_id, ordinal FROM messages WHERE turn_id = :id AND role = :role AND NOT forgotten FOR UPDATE",
        id=turn_id,
        role=_ROLE,
    )
    for row in rows.all():
        place = {"session_id": row.session_id, "turn_id": turn_id, "role": _ROLE, "text": text}
        await work.sql(
            "UPDATE messages SET text = :text, citations = CASE WHEN :is_answer THEN"
            " coalesce((SELECT t.citations FROM turns t WHERE t.id = :turn_id), '[]') ELSE '[]' END"
            " WHERE session_id = :session_id AND ordinal = :ordinal",
            is_answer=is_answer,
            turn_id=turn_id,
            text=sealed.closed(work.seals, "messages", place)["text"],
            session_id=row.session_id,
            ordinal=row.ordinal,
        )


async def _into_job(work: Work, review: Mapping[str, Any]) -> None:
    rows = await work.sql(
        "SELECT i.job_id, i.ordinal FROM turns t JOIN job_items i ON i.job_id = t.job_id AND i.turn_id = t.id"
        " WHERE t.id = :id AND t.job_id IS NOT NULL",
        id=review["turn_id"],
    )
    for row in rows.all():
        await jobs.event(work, row.job_id, "reviewed", {"ordinal": row.ordinal, "review": review["status"]})


async def of_turn(work: Work, turn_id: UUID, *, is_own: bool) -> list[dict[str, Any]]:
    """Give what became of a turn's reviews; the asker reads what was approved with their own data in it.

    They learn of a second look that was taken only where it changed something.
    """
    rows = await work.sql(
        f"SELECT {_TOLD} FROM reviews WHERE turn_id = :id ORDER BY created_at",  # noqa: S608 - a constant
        id=turn_id,
    )
    found = [_told(work, row, is_own=is_own) for row in rows.mappings()]
    return [told for told, changed in found if changed or told["kind"] != "sample" or not is_own]


def _told(work: Work, row: Mapping[Any, Any], *, is_own: bool) -> tuple[dict[str, Any], bool]:
    masks = sealed.known(work.seals, "reviews", row["id"], row["masks"])
    opened = sealed.opened(work.seals, "reviews", row)
    is_approved = row["status"] == "approved"
    changed = row["status"] == "rejected" or (
        is_approved and (opened["final"], opened["final_data"]) != (opened["draft"], opened["data"])
    )
    # While it is open, what somebody has written so far is between the reviewers.
    said = {
        "answer": opened["final"] if is_approved else None,
        "data": opened["final_data"] if is_approved else None,
        "note": opened["note"] if row["status"] != "open" else None,
        "complaint": opened["complaint"],
    }
    told = {name: row[name] for name in ("id", "kind", "status", "created_at", "due_at", "decided_at")}
    return {**told, **(unmasked(said, masks) if is_own else said)}, changed


def standing_answer(reviews: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Give the newest decision on what a turn answered; None where nobody has decided."""
    over = [each for each in reviews if each["status"] != "open"]
    return max(over, key=lambda each: each["decided_at"], default=None)
