"""Days that cost far more than the days before them.

A day stands out when its modified z-score among the days before is above 3.5: 0.6745 (x - median) / MAD, after Iglewicz
and Hoaglin, "How to Detect and Handle Outliers" (1993), as in the NIST/SEMATECH e-Handbook, 1.3.5.17. Of logarithms,
because spending varies by factors; medians, because one wild day must not hide the next. Where more than half of the
days cost the same, MAD is 0 and the mean absolute deviation takes its place, with 1.253314 for 1.4826, as they propose.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import log
from statistics import mean, median

MOST_SCORE = 3.5
# Fewer days before it say nothing about what is usual; more have another season.
LEAST_DAYS, MOST_DAYS = 10, 28
# Added before the logarithm is taken: a day without spending has one, too.
FLOOR_USD = 0.05
# Nobody is told of a day that cost less, or less than twice the usual one.
LEAST_USD = Decimal("0.5")
TIMES = 2


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A day on which a use case cost far more than usual, in US dollars; `score` is in robust standard deviations."""

    day: date
    usecase: str
    cost_usd: Decimal
    usual_usd: Decimal
    score: float


def anomalies(costs: Mapping[str, Sequence[tuple[date, Decimal]]]) -> list[Anomaly]:
    """Find them in the days of each use case, which are given without gaps, the oldest first; the newest come first."""
    found = [each for usecase, days in costs.items() for each in _unusual(usecase, days)]
    return sorted(found, key=lambda each: (each.day, each.cost_usd), reverse=True)


def _unusual(usecase: str, days: Sequence[tuple[date, Decimal]]) -> Iterator[Anomaly]:
    for place in range(LEAST_DAYS, len(days)):
        day, cost = days[place]
        before = [float(usd) for _, usd in days[max(0, place - MOST_DAYS) : place]]
        usual = median(before)
        found = score(log(float(cost) + FLOOR_USD), [log(usd + FLOOR_USD) for usd in before])
        if cost >= LEAST_USD and float(cost) >= TIMES * usual and found > MOST_SCORE:
            yield Anomaly(day, usecase, cost, Decimal(str(round(usual, 6))), round(found, 1))


def score(value: float, before: Sequence[float]) -> float:
    """Give how far a value lies above those before it; infinite where all of them are the same and it is not."""
    middle = median(before)
    distances = [abs(each - middle) for each in before]
    spread = 1.482602 * median(distances) or 1.253314 * mean(distances)
    if not spread:
        return 0.0 if value == middle else float("inf") if value > middle else float("-inf")
    return (value - middle) / spread
