"""Two versions side by side, answer by answer: how often they agree, which is preferred, how fast and dear they are."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from app.evaluation.ranking import DRAWS, SEED
from app.evaluation.suite import wilson
from app.store.shadows import Run

# From so many pairs on, a report says which is better; below, that more are needed.
LEAST = 20
Verdict = Literal["better", "same", "worse", "unknown"]


@dataclass(frozen=True, slots=True)
class Pair:
    """One question, answered by both; `preference` is the judge's of the candidate's answer, None without one.

    Latencies in milliseconds; costs in US dollars, None where no price is known.
    """

    agrees: bool
    overlap: float
    seen_ms: float
    other_ms: float
    seen_usd: float | None
    other_usd: float | None
    seen_ok: bool
    other_ok: bool
    preference: str | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A share of `of` pairs with its 95 % interval (Wilson)."""

    share: float
    low: float
    high: float
    of: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of both, and how many times the current one's the candidate's is, with a 95 % interval.

    The interval is the bootstrap's over pairs (B. Efron, Ann. Statist. 7, 1979).
    """

    seen: float
    other: float
    ratio: float
    low: float
    high: float
    of: int

    @property
    def verdict(self) -> Verdict:
        """Say whether the candidate is better (less), worse (more), or no different as far as chance explains."""
        if self.of < LEAST:
            return "unknown"
        return "better" if self.high < 1 else "worse" if self.low > 1 else "same"


@dataclass(frozen=True, slots=True)
class SideBySide:
    """What a report says of a candidate; `preferred` is its share of the pairs in which the judge saw a difference.

    `answered` and `slow_ms` (the 95th percentile) are the current one's and the candidate's.
    """

    pairs: int
    agreement: Share
    overlap: float
    answered: tuple[int, int]
    preferences: dict[str, int]
    preferred: Share
    latency_ms: Measure
    slow_ms: tuple[float, float]
    cost_usd: Measure

    @property
    def quality(self) -> Verdict:
        """Say what the judge's preferences come to."""
        if self.preferred.of < LEAST:
            return "unknown"
        return "better" if self.preferred.low > 0.5 else "worse" if self.preferred.high < 0.5 else "same"

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON, the verdicts too."""
        verdicts = {"quality": self.quality, "latency": self.latency_ms.verdict, "cost": self.cost_usd.verdict}
        return {**asdict(self), "verdicts": verdicts}


def side_by_side(pairs: Sequence[Pair]) -> SideBySide:
    """Sum up pairs; without any, every figure is 0 and nothing is known."""
    both = [pair for pair in pairs if pair.seen_ok and pair.other_ok]
    said = Counter(pair.preference for pair in pairs if pair.preference)
    decided = said["better"] + said["worse"]
    times = [(pair.seen_ms, pair.other_ms) for pair in both]
    priced = [(a, b) for pair in both if (a := pair.seen_usd) is not None and (b := pair.other_usd) is not None]
    slow = [float(np.percentile([time[side] for time in times], 95)) if times else 0.0 for side in (0, 1)]
    return SideBySide(
        pairs=len(pairs),
        agreement=share(sum(pair.agrees for pair in pairs), len(pairs)),
        overlap=float(np.mean([pair.overlap for pair in pairs])) if pairs else 0.0,
        answered=(sum(pair.seen_ok for pair in pairs), sum(pair.other_ok for pair in pairs)),
        preferences={name: said[name] for name in ("better", "same", "worse")},
        preferred=share(said["better"], decided),
        latency_ms=_measure(times, np.median),
        slow_ms=(slow[0], slow[1]),
        cost_usd=_measure(priced, np.mean),
    )


def share(count: int, of: int) -> Share:
    """Give a share with its interval."""
    low, high = wilson(count, of)
    return Share(count / of if of else 0.0, low, high, of)


def of_runs(runs: Sequence[Run]) -> SideBySide:
    """Sum up shadow runs."""
    return side_by_side([_pair(run) for run in runs])


def _pair(run: Run) -> Pair:
    return Pair(
        agrees=run.agrees,
        overlap=run.overlap,
        seen_ms=run.seen_ms,
        other_ms=run.shadow_ms,
        seen_usd=_number(run.seen_usd),
        other_usd=_number(run.shadow_usd),
        seen_ok=not run.seen_outcome.startswith("failed"),
        other_ok=not run.shadow_outcome.startswith("failed"),
        preference=run.preference,
    )


def _number(usd: Any) -> float | None:
    return None if usd is None else float(usd)


def _measure(pairs: Sequence[tuple[float, float]], middle: Callable[..., Any]) -> Measure:
    """Compare two figures of the same questions: questions are drawn again, each with both its values."""
    if not pairs:
        return Measure(0.0, 0.0, 1.0, 1.0, 1.0, 0)
    values = np.asarray(pairs, dtype=np.float64)
    seen, other = (float(middle(values[:, side])) for side in (0, 1))
    if seen <= 0:  # what costs nothing cannot be compared by times
        return Measure(seen, other, 1.0, 1.0, 1.0, 0)
    drawn = np.random.default_rng(SEED).integers(0, len(values), size=(DRAWS, len(values)))
    means = [middle(values[drawn, side], axis=1) for side in (0, 1)]
    ratios = means[1] / np.maximum(means[0], 1e-12)
    low, high = (float(end) for end in np.percentile(ratios, (2.5, 97.5)))
    return Measure(seen, other, other / seen, low, high, len(pairs))
