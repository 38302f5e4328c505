"""What a reviewer looks at beside the draft: the passages it stands on, what checks found, and what was done so far."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domain.access import Claims
from app.store import audit, evidence, sealed
from app.store.db import Work

_ROW = (
    "SELECT started_at, channel, outcome, rung, model, revision, confidence, latency_ms, passages, citations, findings,"
    " skipped, session_id, job_id FROM turns WHERE id = :id"
)


async def of(work: Work, turn_id: UUID, *, claims: Claims) -> dict[str, Any] | None:
    """Give how the draft came about, with the text of passages as far as these claims read them now.

    None for a turn that the ledger does not have (any more). The claims must be those of the transaction.
    """
    row = (await work.sql(_ROW, id=turn_id)).mappings().first()
    if row is None:
        return None
    pointers = [dict(each) for each in row["passages"] or []]
    titles = await evidence.readable(work, {UUID(each["document_id"]) for each in pointers}, claims=claims)
    texts = await _texts(work, [each["chunk_id"] for each in pointers], titles)
    seen = [each for each in pointers if UUID(each["document_id"]) in titles]
    gone: dict[str, Any] = {"text": None, "page": None}
    passages = [
        {**each, "title": titles[UUID(each["document_id"])], **texts.get(each["chunk_id"], gone)} for each in seen
    ]
    return {**row, "passages": passages, "unseen": len(pointers) - len(seen)}


async def _texts(work: Work, chunk_ids: list[int], titles: Mapping[UUID, str]) -> dict[int, dict[str, Any]]:
    rows = await work.sql(
        "SELECT id, text, page FROM chunks WHERE id = ANY(:ids) AND document_id = ANY(:documents)",
        ids=chunk_ids,
        documents=list(titles),
    )
    return {row.id: {"text": row.text, "page": row.page} for row in rows}


async def history(work: Work, review_id: UUID) -> list[dict[str, Any]]:
    """Give what was done about a review, the oldest first: who, what and why."""
    rows = await audit.history(work, subject=str(review_id), limit=50)
    names = ("at", "actor", "action", "reason")
    return [{name: row[name] for name in names} for row in reversed(rows)]


async def known_to(work: Work, session_id: UUID | None) -> dict[str, str]:
    """Give the placeholders of a conversation with what they stand for; none without a conversation."""
    rows = await work.sql("SELECT masks FROM sessions WHERE id = :id", id=session_id)
    row = rows.first()
    return sealed.known(work.seals, "sessions", session_id, row.masks) if row else {}
