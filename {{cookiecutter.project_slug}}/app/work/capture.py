"""Keeps what people say the right answer is, so that a person can make it a case of the evaluation."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from app.domain.masking import Masks
from app.guard.pii import PLAIN, remasked
from app.store import audit, captured
from app.store.captured import Kind, Proposal
from app.store.db import Work

log = structlog.get_logger(__name__)
MOST_CHARS = 8000


async def propose(
    work: Work, turn_id: UUID, *, kind: Kind, expected: str | Mapping[str, Any] | None, by: str
) -> UUID | None:
    """Propose a case in the transaction at hand; gives its id, None where there is nothing to keep.

    `expected` is the right answer, a mapping for a structured one; of a `complaint` it is what the person complains
    about, and whoever accepts the case says what is right. A reviewer's (`review`) is accepted with the decision.
    It is masked by patterns here; names that the service knows are masked by housekeeping, within seconds.
    """
    data = dict(expected) if isinstance(expected, Mapping) else None
    text = "" if data is not None else str(expected or "").strip()[:MOST_CHARS]
    if not text and not data:
        return None
    text, data = await remasked((text, data), Masks(rules=PLAIN))
    is_remark = kind == "complaint"
    proposal = Proposal(
        turn_id,
        kind,
        by,
        expected="" if is_remark else text,
        data=data,
        remark=text if is_remark else "",
        status="accepted" if kind == "review" else "proposed",
    )
    id = await captured.add(work, proposal)
    if id is not None:
        log.info("case.captured", case_id=str(id), turn_id=str(turn_id), kind=kind)
    return id


async def take_back(work: Work, turn_id: UUID, *, by: str, because: str) -> None:
    """Have the cases that reviewers of a turn accepted with a decision wait again, as that decision does."""
    before, after = {"status": "accepted"}, {"status": "proposed", "edited": False}
    for id in await captured.take_back(work, turn_id):
        await audit.note(
            work, actor=by, action="case.proposed", subject=str(id), reason=because, before=before, after=after
        )
