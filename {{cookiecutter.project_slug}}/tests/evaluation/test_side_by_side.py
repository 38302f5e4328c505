"""Two versions side by side: what the figures say, and when they say nothing."""

from decimal import Decimal
from uuid import uuid4

import pytest

from app.evaluation.side_by_side import LEAST, Pair, of_runs, side_by_side
from app.store.shadows import Run


def pairs(count=40, **more):
    made = []
    for place in range(count):
        wave = 1 + place % 7 / 10
        known = {"agrees": True, "overlap": 0.9, "seen_ms": 100 * wave, "other_ms": 100 * wave}
        known |= {"seen_usd": 0.01 * wave, "other_usd": 0.01 * wave, "seen_ok": True, "other_ok": True}
        made.append(Pair(**{**known, **{name: value(place) for name, value in more.items()}}))
    return made


def test_without_a_pair_nothing_is_known():
    sides = side_by_side([])
    assert sides.pairs == 0 and sides.agreement.of == 0
    assert (sides.quality, sides.latency_ms.verdict, sides.cost_usd.verdict) == ("unknown",) * 3


def test_the_same_answers_are_neither_better_nor_worse():
    sides = side_by_side(pairs(preference=lambda place: ("better", "worse", "same")[place % 3]))
    assert (sides.quality, sides.latency_ms.verdict, sides.cost_usd.verdict) == ("same",) * 3
    assert sides.agreement.share == 1.0 and sides.agreement.low > 0.9
    assert sides.latency_ms.ratio == 1.0 and sides.latency_ms.low <= 1 <= sides.latency_ms.high


@pytest.mark.proves("EVL-7")
def test_a_candidate_that_is_slower_dearer_and_liked_less_is_told_so():
    sides = side_by_side(
        pairs(
            other_ms=lambda place: 250.0 + place,
            other_usd=lambda place: 0.02,
            preference=lambda place: "better" if place % 10 == 0 else "worse",
        )
    )
    assert (sides.quality, sides.latency_ms.verdict, sides.cost_usd.verdict) == ("worse",) * 3
    assert sides.latency_ms.low > 1.5 and sides.cost_usd.low > 1
    assert sides.preferences == {"better": 4, "same": 0, "worse": 36}


def test_a_cheaper_and_quicker_one_is_better_and_ties_of_the_judge_count_for_nobody():
    sides = side_by_side(
        pairs(
            other_ms=lambda place: 50.0,
            other_usd=lambda place: 0.001,
            preference=lambda place: "better" if place < LEAST else "same",
        )
    )
    assert (sides.quality, sides.latency_ms.verdict, sides.cost_usd.verdict) == ("better",) * 3
    assert (sides.preferred.share, sides.preferred.of) == (1.0, LEAST)


def test_few_pairs_give_figures_and_no_verdict():
    sides = side_by_side(pairs(LEAST - 1, other_ms=lambda place: 900.0))
    assert sides.latency_ms.ratio > 5 and sides.latency_ms.verdict == "unknown"


def test_what_failed_or_has_no_price_is_in_no_time_and_no_cost():
    sides = side_by_side(
        pairs(other_ok=lambda place: place % 2 == 0, seen_usd=lambda place: None, agrees=lambda place: False)
    )
    assert sides.answered == (40, 20) and sides.latency_ms.of == 20
    assert sides.cost_usd.of == 0 and sides.cost_usd.verdict == "unknown"
    free = side_by_side(pairs(seen_usd=lambda place: 0.0))
    assert free.cost_usd.of == 0, "what costs nothing cannot be compared by times"


def test_runs_of_the_queue_are_pairs():
    run = Run(
        shadow_id=uuid4(),
        turn_id=uuid4(),
        usecase="x",
        candidate="cheap",
        seen_revision="a",
        shadow_revision="b",
        seen_outcome="answered_model",
        shadow_outcome="failed_model",
        agrees=False,
        overlap=0.0,
        preference=None,
        seen_ms=10.0,
        shadow_ms=5.0,
        seen_usd=Decimal("0.1"),
        shadow_usd=None,
        judge_usd=None,
    )
    sides = of_runs([run])
    assert sides.answered == (1, 0) and sides.latency_ms.of == 0
    assert sides.as_json()["verdicts"] == {"quality": "unknown", "latency": "unknown", "cost": "unknown"}
