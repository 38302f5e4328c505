"""Find passages that the asker may read."""

from dataclasses import dataclass

from app.domain.turn import Turn
from app.guard.passages import screened
from app.retrieval.search import Searcher


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Passages come from our own database, so the search uses the question as typed; what goes on is masked."""

    searcher: Searcher

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its passages; those that carry instructions to the model are left out."""
        retrieval = turn.usecase.contract.retrieval
        if not retrieval.enabled:
            return turn
        found = await self.searcher.search(
            turn.question, principal=turn.principal, usecase=turn.usecase.name, limit=retrieval.passages
        )
        passages, masks = screened((passage for passage in found if passage.score >= retrieval.min_score), turn.masks)
        return turn.with_(passages=passages, masks=masks)
