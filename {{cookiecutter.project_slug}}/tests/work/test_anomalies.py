"""Days that stand out are told, and days that do not are not."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random

import pytest

from app.work.anomalies import anomalies, score

pytestmark = pytest.mark.proves("CST-3")
FIRST = date(2026, 10, 1)
USUAL = (10, 11, 9, 10, 12, 10, 11, 9, 10, 11)


def days(*costs):
    return [(FIRST + timedelta(days=place), Decimal(str(cost))) for place, cost in enumerate(costs)]


def test_a_day_that_costs_far_more_is_told_with_what_is_usual():
    (found,) = anomalies({"mine": days(*USUAL, 60), "other": days(*[10] * 11)})
    assert (found.usecase, found.day, found.cost_usd) == ("mine", FIRST + timedelta(days=10), Decimal(60))
    assert found.usual_usd == Decimal(10) and found.score > 3.5


def test_a_wild_day_does_not_hide_the_next_and_the_newest_comes_first():
    found = anomalies({"mine": days(*USUAL, 90, 80)})
    assert [each.cost_usd for each in found] == [Decimal(80), Decimal(90)]


@pytest.mark.parametrize(
    "costs",
    [
        [*USUAL[1:], 60],  # too few days before it
        [*USUAL, 19],  # less than twice
        [0.01] * 10 + [0.4],  # too little money
        [*(5 * usd for usd in USUAL), 1],  # less is no alarm
    ],
)
def test_what_is_not_unusual_or_not_worth_it_is_not_told(costs):
    assert anomalies({"mine": days(*costs)}) == []


def test_noise_is_rarely_taken_for_an_anomaly():
    luck = Random(5)
    made = {f"u{number}": days(*(luck.lognormvariate(3, 0.3) for _ in range(60))) for number in range(100)}
    assert len(anomalies(made)) <= 25, "of 5000 days of pure noise"


def test_the_score_is_the_modified_z_score_and_knows_days_that_are_all_the_same():
    # MAD of 1..7 around 4 is 2: (10 - 4) / (1.4826 * 2)
    assert score(10, [1, 2, 3, 4, 5, 6, 7]) == pytest.approx(6 / (1.482602 * 2))
    # More than half the same: MAD is 0, the mean absolute deviation is 10 / 7.
    assert score(20, [5, 5, 5, 5, 5, 5, 15]) == pytest.approx(15 / (1.253314 * 10 / 7))
    assert score(5, [5, 5, 5]) == 0 and score(6, [5, 5, 5]) == float("inf") and score(4, [5, 5]) == float("-inf")
