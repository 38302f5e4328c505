"""Find passages that the asker may read."""

from dataclasses import dataclass, replace

from app.domain.turn import Turn
from app.guard.pii import mask
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
        masks, passages = dict(turn.masks), []
        for passage in found:
            if passage.suspicious or passage.score < retrieval.min_score:
                continue
            text, masks = mask(passage.text, masks)
            passages.append(replace(passage, text=text))
        return turn.with_(passages=tuple(passages), masks=masks)
