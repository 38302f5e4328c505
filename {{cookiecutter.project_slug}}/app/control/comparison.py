"""Is an arm of a rollout worse than it may be? Each guard metric by intervals that hold at every look."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.control.sequential import Interval, interval
from app.domain.contract import Contract
from app.domain.rollout import PERCENTAGES, Guard

# What a guard compares; the cost's values are shares of a bound, the others are yes or no.
METRICS = ("errors", "slow", "cost", "refusals", "check_failures", "thumbs_down")
# `beta` and each percentage: a candidate passes so many comparisons at most.
GUARDED_STEPS = 1 + len(PERCENTAGES)
# The contract promises latency.p95_ms: so large a share may take longer.
SLOW_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Tally:
    """What the turns of an arm, or of one person there, add up to; `rated` are those that somebody gave a thumb.

    `sums` holds a number per metric: how many turns, and for `cost` the sum of shares of `cap_usd`.
    """

    arm: str
    turns: int = 0
    rated: int = 0
    sums: Mapping[str, float] = field(default_factory=dict)
    cap_usd: float = 0.0
    cost_usd: float = 0.0
    p95_ms: float = 0.0
    people: int = 0

    def count(self, metric: str) -> int:
        """Give how many values a metric has."""
        return self.rated if metric == "thumbs_down" else self.turns


@dataclass(frozen=True, slots=True)
class Judged:
    """One metric of a candidate: its interval, that of what it is compared with, and the most that it may be.

    It is too high once even the lowest value that it can have is above the `limit`. The cost is in US dollars per turn,
    the others are shares of turns.
    """

    metric: str
    current: Interval
    candidate: Interval
    limit: float
    turns: int
    scale: float = 1.0

    @property
    def is_breach(self) -> bool:
        """Say whether the candidate is worse than it may be."""
        return self.candidate.low > self.limit

    @property
    def told(self) -> str:
        """Give the finding in words."""
        unit = "${:.5f} a turn" if self.metric == "cost" else "{:.1%} of the turns"
        names = {"errors": "errors", "slow": "slow turns", "cost": "cost", "refusals": "refusals"}
        named = names.get(self.metric, self.metric.replace("_", " "))
        found, most = (unit.format(value * self.scale) for value in (self.candidate.mean, self.limit))
        return f"{named}: {found} after {self.turns} turns, where {most} would still do"


def judge(contract: Contract, candidate: Tally, current: Tally | None, persons: Sequence[Tally] = ()) -> list[Judged]:
    """Compare each guard metric; without a `current` arm, those that the contract promises something about.

    Of `persons`, what each one's turns in the candidate's arm add up to, those few who weigh most are left out as well.
    """
    guard = contract.rollout.guard
    allowed = dict(_allowed(guard))
    alpha = guard.alpha / (2 * max(len(allowed), 1) * GUARDED_STEPS)
    judged = []
    for metric, increase in allowed.items():
        reference = _reference(metric, contract, current, alpha=alpha)
        if reference:
            found = _found(metric, candidate, persons, guard.least_people - 1, alpha=alpha)
            judged.append(_judged(metric, increase, candidate, reference, found))
    return judged


def _allowed(guard: Guard) -> Iterator[tuple[str, float]]:
    for metric in METRICS:
        increase: float = getattr(guard, metric)
        # A share that may grow by all of itself needs no comparison, and leaves its part of alpha to the others.
        if metric == "cost" or increase < 1:
            yield metric, increase


def _reference(metric: str, contract: Contract, current: Tally | None, *, alpha: float) -> Interval | None:
    if current:
        return interval(current.sums.get(metric, 0), current.count(metric), alpha=alpha)
    promised = _promised(contract).get(metric)
    return None if promised is None else Interval(promised, promised, promised)


def _promised(contract: Contract) -> dict[str, float]:
    promised = {"errors": 1 - contract.availability.slo}
    # Nothing is promised of the turns that take longer than another limit.
    is_other = contract.rollout.guard.slow_ms not in (0, contract.latency.p95_ms)
    return promised if is_other else {**promised, "slow": SLOW_SHARE}


def _found(metric: str, candidate: Tally, persons: Sequence[Tally], without: int, *, alpha: float) -> Interval:
    total, count = candidate.sums.get(metric, 0), candidate.count(metric)
    found = interval(total, count, alpha=alpha)
    if not persons:
        return found
    heaviest = sorted(persons, key=lambda person: person.sums[metric], reverse=True)[:without]
    total -= sum(person.sums[metric] for person in heaviest)
    count -= sum(person.count(metric) for person in heaviest)
    return replace(found, low=min(found.low, interval(total, count, alpha=alpha).low))


def _judged(metric: str, increase: float, candidate: Tally, reference: Interval, found: Interval) -> Judged:
    # Whatever the current one may truly be, the candidate has to be above it by more than what is allowed.
    limit = reference.high * (1 + increase) if metric == "cost" else reference.high + increase
    scale = candidate.cap_usd if metric == "cost" else 1.0
    return Judged(metric, reference, found, limit, candidate.count(metric), scale)
