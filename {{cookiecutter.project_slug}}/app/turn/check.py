"""Look at the draft before anybody sees it; put the originals back when it may go out."""

from dataclasses import dataclass

import structlog

from app.domain.outcome import Outcome
from app.domain.turn import Finding, Turn
from app.domain.usecase import UseCase
from app.guard.output import findings
from app.guard.pii import unmask

log = structlog.get_logger(__name__)


def instructions_of(usecase: UseCase) -> str:
    """Give what must stay inside: the instructions of every prompt of the use case."""
    return "\n".join(prompt.system for prompt in usecase.prompts.values())


@dataclass(frozen=True, slots=True)
class Check:
    """The platform's checks first, then the use case's own; what waits for a person goes to the reviewers."""

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its outcome. A draft that a check objects to is never shown."""
        assert turn.draft is not None, "check runs after answer"
        # A stream that was stopped brings its finding along: that draft is torn, there is no more to find in it.
        found = turn.findings or _found(turn)
        sentences = turn.usecase.contract.sentences
        if found:
            checks = [finding.check for finding in found]
            log.warning("draft.refused", turn_id=str(turn.id), usecase=turn.usecase.name, checks=checks)
            return turn.with_(
                findings=found, outcome=Outcome.REFUSED_CHECK, answer=sentences.unsafe, reason=found[0].detail
            )
        if turn.usecase.contract.risk.mode == "advise":
            return turn.with_(outcome=Outcome.ESCALATED_REVIEW, answer=sentences.waiting, reason="a person decides")
        if turn.draft.actions:
            uses = ", ".join(use.tool for use in turn.draft.actions)
            reason = f"a person approves what would be done: {uses}"
            return turn.with_(outcome=Outcome.ESCALATED_REVIEW, answer=sentences.waiting, reason=reason)
        return turn.with_(outcome=turn.draft.outcome)


def _found(turn: Turn) -> tuple[Finding, ...]:
    assert turn.draft is not None, "check runs after answer"
    found = findings(turn.draft, passages=turn.passages, masks=turn.masks, instructions=instructions_of(turn.usecase))
    own = [check(turn, turn.draft) for check in turn.usecase.checks]
    return found + tuple(finding for finding in own if finding is not None)


@dataclass(frozen=True, slots=True)
class Unmask:
    """Personal data goes back into what the asker reads; the ledger keeps the masked draft."""

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its answer as the asker reads it."""
        if turn.draft is None or turn.outcome is None or turn.outcome.family != "answered":
            return turn
        return turn.with_(answer=unmask(turn.draft.text, turn.masks))
