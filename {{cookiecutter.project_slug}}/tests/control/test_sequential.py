"""The bounds hold however often one looks, and close in on what is true."""

import random

import pytest

from app.control.sequential import interval

pytestmark = pytest.mark.proves("CTL-2")
ALPHA = 0.05
LOOKS = [*range(1, 40), *range(40, 400, 12)]


def walks(chance: float, *, seed: int) -> list[float]:
    """Give running sums of values of which the average is `chance`: yes or no, or half of a twice as frequent yes."""
    luck = random.Random(seed)
    size, often = (1.0, chance) if seed % 2 else (0.5, min(1.0, 2 * chance))
    total, sums = 0.0, []
    for _ in range(LOOKS[-1]):
        total += size * (luck.random() < often)
        sums.append(total)
    return sums


@pytest.mark.parametrize("chance", [0.02, 0.3, 0.5])
def test_at_every_look_the_truth_lies_outside_no_more_often_than_promised(chance):
    runs, wrong = 150, 0
    for seed in range(runs):
        sums = walks(chance, seed=seed)
        found = [interval(sums[look - 1], look, alpha=ALPHA) for look in LOOKS]
        wrong += any(not each.low <= chance <= each.high for each in found)
    # With a chance of 0.05 for each run, 18 of 150 or more would happen once in a thousand times.
    assert wrong < 18


def test_a_test_made_for_one_look_would_be_fooled_by_many():
    """The yardstick itself: bounds of plus and minus 1.96 standard errors fail here, so the test above can."""
    wrong = 0
    for seed in range(150):
        sums = walks(0.3, seed=seed)
        means = [(sums[look - 1] / look, look) for look in LOOKS if look > 10]
        wrong += any(abs(mean - 0.3) > 1.96 * (mean * (1 - mean) / look) ** 0.5 for mean, look in means)
    assert wrong >= 18


def test_nothing_is_known_of_no_values_and_much_of_many():
    assert (interval(0, 0, alpha=ALPHA).low, interval(0, 0, alpha=ALPHA).high) == (0, 1)
    few, many = interval(3, 30, alpha=ALPHA), interval(300, 3000, alpha=ALPHA)
    assert few.low < many.low < 0.1 < many.high < few.high
    assert many.high - many.low < 0.06


@pytest.mark.parametrize("total", [0.0, 20.0])
def test_what_never_or_always_happens_is_bounded_on_one_side(total):
    found = interval(total, 20, alpha=ALPHA)
    assert (found.low, found.high) == (0, pytest.approx(0.22, abs=0.05)) if total == 0 else found.high == 1
    assert found.mean == total / 20


def test_a_smaller_chance_of_error_has_wider_bounds():
    sure, bold = interval(10, 100, alpha=0.0001), interval(10, 100, alpha=0.1)
    assert sure.low < bold.low and bold.high < sure.high


def test_a_sum_that_is_rounded_beyond_its_count_does_not_break_it():
    assert interval(5.000000001, 5, alpha=ALPHA).high == 1
    assert interval(-1e-12, 5, alpha=ALPHA).low == 0
