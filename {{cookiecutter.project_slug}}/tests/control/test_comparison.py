"""What the guard makes of sums: each metric is found when it is too high, and left alone when it is not."""

import random

import pytest

from app.control.comparison import METRICS, Tally, judge
from app.domain.rollout import Guard
from tests.api.serving import changed
from tests.llm.turns import usecase

pytestmark = pytest.mark.proves("CTL-2")


def contract(**guard):
    return changed(usecase("standard").contract, {"rollout.guard": guard})


def tally(arm, turns, cap_usd=0.02, rated=None, **sums):
    rated = turns if rated is None else rated
    return Tally(arm, turns, rated, {metric: sums.get(metric, 0.0) for metric in METRICS}, cap_usd)


def too_high(found):
    return {one.metric for one in found if one.is_breach}


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_that_is_far_too_high_is_a_breach_and_the_others_are_not(metric):
    current = tally("current", 500, cost=125)
    bad = tally("terse", 50, **{"cost": 12.5, metric: 45})
    assert too_high(judge(contract(), bad, current)) == {metric}


def test_as_good_as_the_current_one_is_no_breach_and_neither_is_what_the_contract_allows():
    current = tally("current", 2000, errors=20, slow=100, cost=500, refusals=200, check_failures=20, thumbs_down=100)
    same = tally("terse", 200, errors=2, slow=10, cost=50, refusals=20, check_failures=2, thumbs_down=10)
    allowed = tally("terse", 200, errors=6, slow=20, cost=75, refusals=40, check_failures=12, thumbs_down=30)
    assert too_high(judge(contract(), same, current)) == too_high(judge(contract(), allowed, current)) == set()


def test_a_few_turns_prove_nothing_and_a_few_more_do():
    current = tally("current", 500)
    assert too_high(judge(contract(), tally("terse", 1, errors=1), current)) == set()
    assert too_high(judge(contract(), tally("terse", 8, errors=8), current)) == {"errors"}


def test_a_current_one_that_hardly_answered_anybody_halts_nothing():
    assert too_high(judge(contract(), tally("terse", 60, errors=12), tally("current", 1))) == set()


def test_thumbs_are_counted_among_those_who_gave_one():
    current = tally("current", 500, rated=200, thumbs_down=10)
    assert too_high(judge(contract(), tally("terse", 400, rated=40, thumbs_down=30), current)) == {"thumbs_down"}
    assert too_high(judge(contract(), tally("terse", 400, rated=2, thumbs_down=2), current)) == set()


def test_a_comparison_that_is_turned_off_is_not_made():
    current, bad = tally("current", 500), tally("terse", 50, errors=50, slow=50)
    assert too_high(judge(contract(errors=1), bad, current)) == {"slow"}


def test_a_use_case_that_opens_is_held_against_its_own_contract():
    found = judge(contract(), tally("current", 60, errors=30, cost=60), None)
    assert {one.metric for one in found} == {"errors", "slow"} and too_high(found) == {"errors"}
    assert too_high(judge(contract(), tally("current", 400, slow=20), None)) == set()


def test_nothing_is_promised_of_turns_that_take_longer_than_another_limit():
    opening = tally("current", 400, slow=80)
    assert too_high(judge(contract(), opening, None)) == {"slow"}
    assert [one.metric for one in judge(contract(slow_ms=500), opening, None)] == ["errors"]


@pytest.mark.parametrize("metric", METRICS)
def test_a_breach_has_to_stand_without_those_few_who_weigh_most(metric):
    current, bad = tally("current", 500, cost=125), tally("terse", 100, **{"cost": 25, metric: 80})
    few = [tally("terse", 40, **{metric: 40}), tally("terse", 40, **{metric: 40}), tally("terse", 20)]
    many = [tally("terse", 2, **{metric: 2})] * 40 + [tally("terse", 2)] * 10
    assert too_high(judge(contract(), bad, current, few)) == set()
    assert too_high(judge(contract(), bad, current, many)) == {metric}
    assert too_high(judge(contract(least_people=1), bad, current, few)) == {metric}


def test_the_finding_is_told_in_words_and_dollars():
    current, dear = tally("current", 500, cost=125), tally("terse", 60, cost=60)
    (breach,) = [one for one in judge(contract(), dear, current) if one.is_breach]
    assert breach.told.startswith("cost: $0.02000 a turn after 60 turns, where $0.0")
    errors = judge(contract(), tally("terse", 60, errors=30), current)[0]
    assert "errors: 50.0% of the turns after 60 turns" in errors.told


def test_a_good_candidate_is_hardly_ever_halted_though_the_guard_looks_after_every_turn():
    """60 rollouts of 200 turns per arm, all six metrics, a look every tenth turn: alpha of them, three, may halt."""
    luck, halted = random.Random(6), 0
    chances = {"errors": 0.01, "slow": 0.05, "refusals": 0.1, "check_failures": 0.02, "thumbs_down": 0.1}
    # No increase is allowed at all: so each arm is at the very edge of a breach.
    strict = contract(**dict.fromkeys(METRICS, 0.0), alpha=0.05)
    for _ in range(60):
        sums = {arm: dict.fromkeys(METRICS, 0.0) for arm in ("terse", "current")}
        for turn in range(1, 201):
            for arm in sums:
                for metric, chance in chances.items():
                    sums[arm][metric] += luck.random() < chance
                sums[arm]["cost"] += 0.25 * luck.random() * 2
            if turn % 10 == 0 and too_high(
                judge(strict, tally("terse", turn, **sums["terse"]), tally("current", turn, **sums["current"]))
            ):
                halted += 1
                break
    assert halted <= 3


def test_a_guard_that_wants_more_turns_than_it_watches_is_refused():
    with pytest.raises(ValueError, match="least_turns, 50, is more than most_turns, 20"):
        Guard(least_turns=50, most_turns=20)
