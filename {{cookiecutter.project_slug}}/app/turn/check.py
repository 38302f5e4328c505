"""Look at the draft before anybody sees it; put the originals back when it may go out."""

from dataclasses import dataclass

from app.domain.outcome import Outcome
from app.domain.turn import Turn
from app.guard.output import findings
from app.guard.pii import unmask
from app.turn.kit import prompt_of


@dataclass(frozen=True, slots=True)
class Check:
    """The platform's checks first, then the use case's own; what waits for a person goes to the reviewers."""

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its outcome. A draft that a check objects to is never shown."""
        assert turn.draft is not None, "check runs after answer"
        found = findings(turn.draft, passages=turn.passages, masks=turn.masks, instructions=prompt_of(turn).system)
        own = [check(turn, turn.draft) for check in turn.usecase.checks]
        found += tuple(finding for finding in own if finding is not None)
        sentences = turn.usecase.contract.sentences
        if found:
            return turn.with_(
                findings=found, outcome=Outcome.REFUSED_CHECK, answer=sentences.unsafe, reason=found[0].detail
            )
        if turn.usecase.contract.risk.mode == "advise":
            return turn.with_(outcome=Outcome.ESCALATED_REVIEW, answer=sentences.waiting, reason="a person decides")
        return turn.with_(outcome=turn.draft.outcome)


@dataclass(frozen=True, slots=True)
class Unmask:
    """Personal data goes back into what the asker reads; the ledger keeps the masked draft."""

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its answer as the asker reads it."""
        if turn.draft is None or turn.outcome is None or turn.outcome.family != "answered":
            return turn
        return turn.with_(answer=unmask(turn.draft.text, turn.masks))
