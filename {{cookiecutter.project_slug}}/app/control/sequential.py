"""Bounds on an average that hold at every look: whoever looks after each turn is fooled no more often than promised.

The bets of Robbins (1970), "Statistical methods related to the law of the iterated logarithm", Ann. Math. Stat. 41: for
a true average m, prod (p/m)^x ((1-p)/(1-m))^(1-x) over values x of [0, 1] is expected to stay at 1 for each p (exactly
for 0 and 1, at most for what lies between, as a^x b^(1-x) bends upwards), so the mixture of it over p ~ Beta(1/2, 1/2)
exceeds 1/alpha at any time with a chance of alpha at most (Ville's inequality). Those m for which it does not are the
interval: a confidence sequence, as in Howard, Ramdas, McAuliffe and Sekhon (2021), Ann. Stat. 49. It needs the sum and
the count alone, however the values came.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import lgamma, log

_PRIOR = 0.5
_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Interval:
    """An average with the bounds between which the true one lies, at every look."""

    mean: float
    low: float
    high: float


def interval(total: float, count: int, *, alpha: float) -> Interval:
    """Bound the average of `count` values of [0, 1] that add up to `total`; wrong at any look with a chance of `alpha`.

    Nothing is known of no values: 0 to 1.
    """
    if count == 0:
        return Interval(0.0, 0.0, 1.0)
    mean = min(max(total / count, 0.0), 1.0)
    missed = count - mean * count
    wealth = _log_beta(_PRIOR + mean * count, _PRIOR + missed) - _log_beta(_PRIOR, _PRIOR)
    # So far may the likelihood of an average fall below that of the mixture.
    least = wealth - log(1 / alpha)

    def fits(guess: float) -> bool:
        return _weighed(mean * count, guess) + _weighed(missed, 1 - guess) >= least

    low = 0.0 if fits(0.0) else _edge(fits, outside=0.0, inside=mean)
    high = 1.0 if fits(1.0) else _edge(fits, outside=1.0, inside=mean)
    return Interval(mean, low, high)


def _edge(fits: Callable[[float], bool], *, outside: float, inside: float) -> float:
    for _ in range(_ROUNDS):
        middle = (outside + inside) / 2
        outside, inside = (outside, middle) if fits(middle) else (middle, inside)
    return outside


def _weighed(amount: float, chance: float) -> float:
    if amount <= 0:
        return 0.0
    return amount * log(chance) if chance > 0 else float("-inf")


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
