"""Figures of ranked results, against numbers worked out by hand."""

import math

import pytest

from app.evaluation.ranking import change, figure, gain, recall, reciprocal_rank


@pytest.mark.parametrize(
    ("places", "of_five", "reciprocal", "gained"),
    [
        ([1], 1.0, 1.0, 1.0),
        ([5], 1.0, 0.2, 1 / math.log2(6)),
        ([6], 0.0, 1 / 6, 1 / math.log2(7)),
        ([0], 0.0, 0.0, 0.0),
        ([2, 0], 0.5, 0.5, (1 / math.log2(3)) / (1 + 1 / math.log2(3))),
        ([1, 2], 1.0, 1.0, 1.0),
        # Both stand in one merged passage.
        ([1, 1], 1.0, 1.0, 1.0),
    ],
)
def test_recall_reciprocal_rank_and_gain_are_those_of_the_books(places, of_five, reciprocal, gained):
    assert recall(places) == of_five
    assert reciprocal_rank(places) == pytest.approx(reciprocal)
    assert gain(places) == pytest.approx(gained)


@pytest.mark.proves("EVL-9")
def test_a_figure_has_an_interval_that_is_the_same_on_every_run():
    values = [1.0] * 30 + [0.5] * 5 + [0.0] * 5
    first, second = figure("mrr", values), figure("mrr", values)
    assert first == second and first.low < first.mean < first.high and first.count == 40
    assert figure("recall_at_5", [1.0] * 10).low < 1, "ten of ten is not certainly all"
    assert figure("mrr", []).count == 0


@pytest.mark.proves("EVL-9")
@pytest.mark.parametrize(
    ("worse", "better", "verdict"),
    [
        (0, 0, (False, False)),
        (1, 0, (False, False)),
        (10, 0, (True, False)),
        (5, 5, (False, False)),
        (0, 9, (False, True)),
    ],
)
def test_a_change_counts_when_chance_does_not_explain_it(worse, better, verdict):
    pairs = [(1.0, 0.0)] * worse + [(0.0, 1.0)] * better + [(1.0, 1.0)] * (100 - worse - better)
    found = change("mrr", pairs)
    assert (found.is_worse, found.is_better) == verdict
