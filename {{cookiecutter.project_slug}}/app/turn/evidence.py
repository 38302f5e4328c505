"""What a turn's searches looked at, put on its tape: masked, with what the turn itself left out."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from app.domain.turn import Considered, Passage, Retrieval, Turn
from app.telemetry import metrics

# In place of a plan: no search found these passages.
CACHED = "cached"
# Nobody waits for these searches: an operator's looks run as evaluations.
UNCOUNTED = ("shadow", "evaluation")


def noted(turn: Turn, search: Retrieval, *, found: Iterable[Passage], kept: Iterable[Passage], subject: str) -> None:
    """Put a search on the turn's tape: of what it `found`, only what is `kept` went on to the answer.

    `subject` is what was looked for, masked: the ledger holds no personal data.
    """
    went_on = {passage.chunk_id for passage in kept}
    left_out = {passage.chunk_id: _why(passage) for passage in found if passage.chunk_id not in went_on}
    considered = tuple(
        replace(each, kept=False, because=left_out[each.chunk_id]) if each.kept and each.chunk_id in left_out else each
        for each in search.considered
    )
    turn.tape.retrievals.append(replace(search, subject=subject, considered=considered))
    if turn.channel not in UNCOUNTED:
        metrics.record_search(turn.usecase.name, search)


def _why(passage: Passage) -> str:
    return "it carries instructions to a model" if passage.suspicious else "its score is below retrieval.min_score"


def given_again(turn: Turn, passages: Iterable[Passage], *, of: UUID) -> None:
    """Put the passages of an answer that was given before on the tape: no search was made, but rights were checked."""
    because = f"stands behind the answer of turn {of}"
    considered = tuple(
        Considered(passage.chunk_id, passage.document_id, {"answer": passage.score}, kept=True, because=because)
        for passage in passages
    )
    turn.tape.retrievals.append(Retrieval(turn.screened, filter_of(turn), CACHED, "", 0, considered))


def filter_of(turn: Turn) -> dict[str, object]:
    """Give the claims by which this turn's documents are filtered, as the ledger keeps them."""
    claims = turn.principal.claims
    return {"names": list(claims.names), "clearance": claims.clearance, "regions": list(claims.regions)}
