"""What of a turn goes before a person: what waits for one, what was stopped, and a share of the answers afterwards."""

from uuid import UUID

from app.domain.incident import KINDS
from app.domain.outcome import Outcome
from app.domain.review import Kind
from app.domain.turn import Finding, Turn
from app.store import reviews
from app.store.db import Work
from app.turn.actions import proposed
from app.turn.share import is_chosen


def alarming(turn: Turn) -> tuple[Finding, ...]:
    """Give the findings that somebody must look into: not of our own evaluations, nor of what nobody was to see."""
    if turn.channel in ("evaluation", "shadow"):
        return ()
    return tuple(finding for finding in turn.findings if finding.check in KINDS)


def kind_of(turn: Turn) -> Kind | None:
    """Say as what a turn goes before a person; None where it does not."""
    if turn.channel in ("evaluation", "shadow") or turn.outcome is None:
        return None
    if turn.outcome is Outcome.ESCALATED_REVIEW:
        return _waiting(turn)
    if turn.draft is not None and alarming(turn):
        return "incident"
    is_sampled = is_chosen(turn.id, share=turn.usecase.contract.reviews.sample_share)
    return "sample" if turn.outcome.family == "answered" and is_sampled else None


def _waiting(turn: Turn) -> Kind:
    contract, draft = turn.usecase.contract, turn.draft
    if draft is None:
        return "escalation"
    if draft.actions:
        return "action"
    if contract.risk.mode == "advise":
        return "advise"
    return "confidence" if contract.reviews.doubts(draft.confidence) else "escalation"


async def open_review(work: Work, turn: Turn) -> UUID | None:
    """Put the turn before the reviewers where it has to be; gives the review."""
    kind = kind_of(turn)
    if kind is None:
        return None
    # Without a draft the reviewer sees what the model said, useless as it was.
    text = turn.draft.text if turn.draft else turn.tape.raw
    review_id = await reviews.open_(
        work,
        reviews.Opening(
            turn_id=turn.id,
            usecase=turn.usecase.name,
            asker=turn.principal.user_id,
            question=turn.screened,
            why=_why(turn, kind),
            text=text,
            data=turn.draft.data if turn.draft else None,
            masks=turn.masks,
            terms=turn.usecase.contract.reviews.terms(kind),
        ),
    )
    if kind == "action":
        await reviews.propose(work, review_id, proposed(turn))
    return review_id


def _why(turn: Turn, kind: Kind) -> str:
    if kind == "sample":
        return "one of the answers that are looked at afterwards"
    if kind == "incident":
        first = alarming(turn)[0]
        return f"incident, {first.check}: {first.detail}"
    return turn.reason
