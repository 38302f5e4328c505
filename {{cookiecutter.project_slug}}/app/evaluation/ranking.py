"""Figures of ranked results: recall, reciprocal rank, discounted gain, their intervals, and paired differences.

`places` are those of the right passages, 1 for the first result, 0 for one that did not come back.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.evaluation.suite import wilson

DEPTH = 10
RECALL_DEPTH = 5
# Of the bootstrap (B. Efron, Ann. Statist. 7, 1979): the same numbers on every run.
SEED, DRAWS = 20_260_101, 2000


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over `count` questions with its 95 % interval."""

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Change:
    """The mean of paired differences: `is_worse` and `is_better` where chance does not explain it, one-sided at 5 %."""

    metric: str
    before: float
    after: float
    count: int
    is_worse: bool
    is_better: bool


def recall(places: Sequence[int]) -> float:
    """Give the share of the right passages among the first five."""
    return sum(0 < place <= RECALL_DEPTH for place in places) / len(places)


def reciprocal_rank(places: Sequence[int]) -> float:
    """Give 1 by the place of the first right passage; 0 when none came back."""
    return max((1 / place for place in places if place), default=0.0)


def gain(places: Sequence[int]) -> float:
    """Give nDCG at ten (K. Järvelin and J. Kekäläinen, ACM TOIS 20, 2002), each right passage counting one."""
    # Two that stand in one merged passage share its place, which would be more than the ideal.
    found = sum(1 / math.log2(1 + place) for place in places if 0 < place <= DEPTH)
    return min(1.0, found / sum(1 / math.log2(2 + place) for place in range(len(places))))


METRICS: Mapping[str, Callable[[Sequence[int]], float]] = {
    "recall_at_5": recall,
    "mrr": reciprocal_rank,
    "ndcg_at_10": gain,
}


def figure(metric: str, values: Sequence[float]) -> Figure:
    """Give a mean with its interval: Wilson's for shares of found passages, the bootstrap's for the others."""
    if not values:
        return Figure(0.0, 0.0, 1.0, 0)
    mean = float(np.mean(values))
    if metric in ("recall_at_5", "silence"):
        low, high = wilson(mean * len(values), len(values))
    else:
        low, high = (float(end) for end in np.percentile(_means(values), (2.5, 97.5)))
    return Figure(round(mean, 4), round(low, 4), round(high, 4), len(values))


def change(metric: str, pairs: Sequence[tuple[float, float]]) -> Change:
    """Compare before and after, question by question."""
    before, after = (float(np.mean([pair[side] for pair in pairs])) for side in (0, 1))
    means = _means([second - first for first, second in pairs])
    return Change(
        metric,
        round(before, 4),
        round(after, 4),
        len(pairs),
        is_worse=bool(np.percentile(means, 95) < 0),
        is_better=bool(np.percentile(means, 5) > 0),
    )


def _means(values: Sequence[float]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    numbers = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(SEED).integers(0, len(numbers), size=(DRAWS, len(numbers)))
    means: np.ndarray[tuple[int], np.dtype[np.float64]] = numbers[drawn].mean(axis=1)
    return means
