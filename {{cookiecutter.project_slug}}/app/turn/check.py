"""Look at the draft before anybody sees it; put the originals back when it may go out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from app.domain.outcome import Outcome
from app.domain.turn import Finding, Turn
from app.domain.usecase import UseCase
from app.guard.exits import Exits
from app.guard.output import findings, texts
from app.guard.pii import unmask

log = structlog.get_logger(__name__)
# Says whether an answer is unsafe; None when it could not be asked.
Judge = Callable[[Turn], Awaitable[bool | None]]


def instructions_of(usecase: UseCase) -> str:
    """Give what must stay inside: the instructions of every prompt of the use case."""
    return "\n".join(prompt.system for prompt in usecase.prompts.values())


@dataclass(frozen=True, slots=True)
class Check:
    """The platform's checks first, then the use case's own; what waits for a person goes to the reviewers."""

    exits: Exits = field(default_factory=Exits)
    judge: Judge | None = None

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its outcome. A draft that a check objects to is never shown."""
        assert turn.draft is not None, "check runs after answer"
        # A stream that was stopped brings its finding along: that draft is torn, there is no more to find in it.
        found = turn.findings or self._found(turn) or await self._judged(turn)
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
        if turn.usecase.contract.reviews.doubts(turn.draft.confidence):
            return turn.with_(outcome=Outcome.ESCALATED_REVIEW, answer=sentences.waiting, reason=_doubt(turn))
        return turn.with_(outcome=turn.draft.outcome)

    def _found(self, turn: Turn) -> tuple[Finding, ...]:
        found = _found(turn)
        assert turn.draft is not None, "check runs after answer"
        exit_ = self.exits.of(turn, masks=turn.masks, instructions=instructions_of(turn.usecase))
        last = exit_.finding("\n".join((turn.draft.text, *texts(turn.draft.data))))
        return found if last is None or last in found else (*found, last)

    async def _judged(self, turn: Turn) -> tuple[Finding, ...]:
        """Ask the use case's classifier, if it has one, about an answer that everything else let pass."""
        if self.judge is None or not turn.usecase.contract.output.classifier:
            return ()
        verdict = await self.judge(turn)
        if verdict is None:
            # Nobody says that it is safe: then it does not leave.
            return (Finding("unjudged", "the classifier of [output] could not be asked"),)
        return (Finding("unsafe", "the classifier of [output] calls the answer unsafe"),) if verdict else ()


def _doubt(turn: Turn) -> str:
    sure, least = turn.draft.confidence if turn.draft else None, turn.usecase.contract.reviews.confidence_below
    if sure is None:
        return f"nobody measured the answer's confidence, and the contract asks for {least:g}"
    return f"low confidence: {sure:.2f}, below {least:g} of the contract"


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
