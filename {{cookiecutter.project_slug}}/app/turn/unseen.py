"""A use case at the stage `shadow`: whoever asks is answered, but the answer goes to the ledger alone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.domain.outcome import Outcome
from app.domain.rollout import UNSEEN
from app.domain.turn import Turn
from app.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Unseen:
    """Takes the answer out of a turn that nobody is to see before the turn is recorded; its draft stays."""

    record: Callable[[Turn], Awaitable[Turn]]

    async def __call__(self, turn: Turn) -> Turn:
        """Record the turn, as what its asker gets to see."""
        if turn.arm == UNSEEN and turn.error is None:
            error = Forbidden(f"{turn.usecase.name!r} is being tried out: your question was recorded only.")
            reason = f"answered unseen: {turn.outcome.value if turn.outcome else 'not at all'}"
            turn = turn.with_(outcome=Outcome.REFUSED_PERMISSION, answer="", reason=reason, error=error)
        return await self.record(turn)
