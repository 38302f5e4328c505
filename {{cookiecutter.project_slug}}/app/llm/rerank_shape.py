"""The two shapes of `/rerank`: `documents`, as Cohere, Jina, Voyage and vLLM speak, and `texts`, as TEI does."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Literal

from app.llm.chat import Fields, count
from app.llm.faults import UnexpectedModelBehavior

Shape = Literal["documents", "texts"]
PATH = "/rerank"


@dataclass(frozen=True, slots=True)
class Judged:
    """What came back: a score from 0 to 1 for each text, in order, the tokens that were read, and billed searches."""

    scores: Sequence[float]
    input_tokens: int
    searches: int


def body(shape: Shape, model: str, *, question: str, texts: Sequence[str]) -> Fields:
    """Give the request."""
    if shape == "texts":
        return {"query": question, "texts": list(texts), "truncate": True}
    return {"model": model, "query": question, "documents": list(texts), "top_n": len(texts)}


def read(answer: Any, *, texts: int) -> Judged:
    """Read an answer to so many texts; texts that it leaves out score 0. Raises UnexpectedModelBehavior."""
    listed: Any = answer.get("results", answer.get("data")) if isinstance(answer, dict) else answer
    scores = [0.0] * texts
    try:
        for each in listed:
            place = int(each["index"])
            if not 0 <= place < texts:
                raise ValueError("no such text")
            scores[place] = float(each["relevance_score"] if "relevance_score" in each else each["score"])
    except (TypeError, KeyError, ValueError) as error:
        raise UnexpectedModelBehavior("no scores in the answer") from error
    tokens = count(answer, "usage", "total_tokens") or count(answer, "meta", "billed_units", "input_tokens")
    return Judged(_from_0_to_1(scores), tokens, count(answer, "meta", "billed_units", "search_units"))


def _from_0_to_1(scores: list[float]) -> list[float]:
    # Some servers give the model's own numbers, which the logistic function brings between 0 and 1.
    if all(0 <= score <= 1 for score in scores):
        return scores
    return [1 / (1 + exp(-max(-500.0, min(500.0, score)))) for score in scores]
