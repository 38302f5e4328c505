"""How near two questions must be to count as the same: measured on the cases whose answers are known to differ."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from app.evaluation.cases import Case
from app.turn.likeness import normal

# Above the nearest wrong pair, as the next one may be a little nearer.
MARGIN = 0.01
STEPS = tuple(round(0.5 + step / 50, 2) for step in range(25))


@dataclass(frozen=True, slots=True)
class Wording:
    """One way to ask a case's question."""

    case: Case
    question: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two wordings, how near they are (cosine), and whether they ask the same."""

    one: str
    other: str
    cosine: float
    is_same: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What a threshold lets through: the share of wrong pairs, and of pairs that mean the same."""

    threshold: float
    wrong: float
    same: float


@dataclass(frozen=True, slots=True)
class Measured:
    """All pairs of a use case, measured with one embedding model."""

    usecase: str
    embeddings: str
    pairs: Sequence[Pair]

    @property
    def highest_wrong(self) -> Pair | None:
        """Give the nearest two questions that have different answers."""
        return max((pair for pair in self.pairs if not pair.is_same), key=lambda pair: pair.cosine, default=None)

    @property
    def recommended(self) -> float | None:
        """Give the lowest threshold, in hundredths, that keeps every wrong pair out by MARGIN.

        None where there is none below 1, where it would find nothing, or where nothing was there to measure.
        """
        wrong = self.highest_wrong
        if wrong is None:
            return None
        threshold = math.ceil(round((wrong.cosine + MARGIN) * 100, 6)) / 100
        return threshold if threshold < 1 and self.step(threshold).same > 0 else None

    @property
    def curve(self) -> list[Step]:
        """Give what each threshold lets through."""
        return [self.step(threshold) for threshold in STEPS]

    def step(self, threshold: float) -> Step:
        """Give what one threshold lets through."""
        return Step(threshold, self._share(threshold, is_same=False), self._share(threshold, is_same=True))

    def count(self, *, is_same: bool) -> int:
        """Count the pairs of one kind."""
        return sum(pair.is_same is is_same for pair in self.pairs)

    def as_json(self) -> dict[str, Any]:
        """Give everything but the pairs as JSON; of these the nearest wrong one."""
        wrong = self.highest_wrong
        return {
            "usecase": self.usecase,
            "embeddings": self.embeddings,
            "wrong_pairs": self.count(is_same=False),
            "same_pairs": self.count(is_same=True),
            "highest_wrong": asdict(wrong) if wrong else None,
            "recommended": self.recommended,
            "curve": [asdict(step) for step in self.curve],
        }

    def _share(self, threshold: float, *, is_same: bool) -> float:
        cosines = [pair.cosine for pair in self.pairs if pair.is_same is is_same]
        return sum(cosine >= threshold for cosine in cosines) / len(cosines) if cosines else 0.0


def wordings(cases: Sequence[Case], paraphrases: Mapping[str, Sequence[str]]) -> list[Wording]:
    """Give every way to ask every case."""
    return [Wording(case, question) for case in cases for question in (case.question, *paraphrases.get(case.id, ()))]


def measure(usecase: str, said: Sequence[Wording], vectors: Sequence[Sequence[float]], *, embeddings: str) -> Measured:
    """Compare all wordings, two by two; two that the exact cache keeps together or apart tell nothing."""
    rows = np.asarray(vectors, dtype=np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosines = rows @ rows.T
    pairs = []
    for (at, one), (place, other) in combinations(enumerate(said), 2):
        is_same = one.case.id == other.case.id
        if (is_same or _differ(one.case, other.case)) and normal(one.question) != normal(other.question):
            pairs.append(Pair(one.question, other.question, round(float(cosines[at, place]), 4), is_same))
    return Measured(usecase, embeddings, pairs)


def _differ(one: Case, other: Case) -> bool:
    # Other fields stand in the key: such questions are never compared.
    return one.fields == other.fields and one.expect != other.expect
