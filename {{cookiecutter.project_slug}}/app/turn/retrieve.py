"""Find passages that the asker may read."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.masking import Masks
from app.domain.turn import Passage, Turn
from app.guard.passages import screened
from app.guard.pii import masked, unmask
from app.retrieval.search import Asked, Searcher
from app.retrieval.sift import Bounds
from app.retrieval.words import subject
from app.turn.evidence import noted


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Passages come from our own database, so the search uses the question as typed; what goes on is masked."""

    searcher: Searcher

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its passages; those that carry instructions to the model are left out."""
        if not turn.usecase.contract.retrieval.enabled:
            return turn
        passages, masks = await looked_up(self.searcher, turn, turn.question, turn.masks)
        return turn.with_(passages=passages, masks=masks)


async def looked_up(
    searcher: Searcher, turn: Turn, question: str, masks: Mapping[str, str]
) -> tuple[tuple[Passage, ...], Masks]:
    """Search within the turn's contract and note how on its tape; give masked passages, and the grown map."""
    retrieval = turn.usecase.contract.retrieval
    question = unmask(question, masks)
    (outside,), masks = await masked((question,), masks)
    asked = Asked(
        question,
        turn.principal,
        turn.usecase.name,
        Bounds(retrieval.passages, retrieval.max_tokens),
        until_s=turn.deadline_s,
        outside=outside,
    )
    found = await searcher.look(asked, tape=turn.tape)
    passages, grown = await screened((each for each in found.passages if each.score >= retrieval.min_score), masks)
    noted(turn, found.retrieval, found=found.passages, kept=passages, subject=subject(outside))
    return passages, grown
