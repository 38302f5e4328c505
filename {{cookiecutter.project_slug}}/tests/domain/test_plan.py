"""The stages of a rollout, and the flag that holds them: sticky, growing, and the same after a round through JSON."""

import json

import pytest
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from app.domain.plan import Plan, definition, plan_of, stage_of
from app.domain.rollout import CLOSED, CURRENT, UNSEEN
from app.errors import BadInput

pytestmark = pytest.mark.proves("CTL-2", "CTL-3")
PEOPLE = [f"person-{number}" for number in range(2000)]


def answers(plan: Plan, groups: tuple[str, ...] = (), usecase: str = "desk") -> dict[str, str]:
    """Say what each person is answered by, as flagd evaluates the flag."""
    core = FlagdCore()
    core.set_flags(json.loads(json.dumps({"flags": {"rollout.desk": definition(usecase, plan)}})))
    asked = {person: EvaluationContext(person, {"groups": list(groups)}) for person in PEOPLE}
    return {person: core.resolve_string_value("rollout.desk", CLOSED, asked[person]).value for person in PEOPLE}


def those(plan: Plan, arm: str, usecase: str = "desk") -> set[str]:
    return {person for person, said in answers(plan, usecase=usecase).items() if said == arm}


def test_a_growing_percentage_keeps_everybody_who_was_in_and_comes_near_its_share():
    before: set[str] = set()
    for share in (1, 10, 25, 50, 100):
        now = those(Plan(stage="percent", percent=share, candidate="terse"), "terse")
        assert before <= now
        assert abs(len(now) / len(PEOPLE) - share / 100) < 0.03
        before = now


def test_everybody_else_is_answered_by_the_current_one_and_where_a_use_case_opens_by_nothing():
    assert set(answers(Plan(stage="percent", percent=10, candidate="terse")).values()) == {"terse", CURRENT}
    assert set(answers(Plan(stage="percent", percent=10)).values()) == {CURRENT, CLOSED}


def test_another_candidate_and_another_use_case_begin_with_other_people():
    tenth = {"stage": "percent", "percent": 10}
    first = those(Plan(**tenth, candidate="terse"), "terse")
    assert len(first & those(Plan(**tenth, candidate="wordy"), "wordy")) < len(first) / 2
    assert len(first & those(Plan(**tenth, candidate="terse"), "terse", usecase="shop")) < len(first) / 2


@pytest.mark.parametrize("candidate", ["terse", ""])
def test_beta_groups_are_in_from_the_first_stage_on(candidate):
    chosen = candidate or CURRENT
    beta = Plan(stage="beta", candidate=candidate, beta_groups=("testers", "board"))
    assert set(answers(beta, ("board",)).values()) == {chosen}
    assert chosen not in answers(beta, ("staff",)).values()
    tenth = Plan(stage="percent", percent=10, candidate=candidate, beta_groups=("testers", "board"))
    assert set(answers(tenth, ("testers",)).values()) == {chosen}


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(stage="off", candidate="terse"), CURRENT),
        (Plan(stage="off"), CLOSED),
        (Plan(stage="shadow", candidate="terse"), CURRENT),
        (Plan(stage="shadow"), UNSEEN),
        (Plan(stage="general", candidate="terse"), "terse"),
        (Plan(stage="general"), CURRENT),
    ],
)
def test_at_the_other_stages_all_people_get_the_same(plan, said):
    assert set(answers(plan, ("testers",)).values()) == {said}


def test_the_plan_comes_back_out_of_its_flag():
    plan = Plan(
        stage="off", candidate="terse", beta_groups=("a b", "c,d"), passed=("beta", "percent:1"), halted="Slow."
    )
    assert plan_of(json.loads(json.dumps(definition("desk", plan)))) == plan
    assert plan_of({"variants": {"there": "terse"}, "defaultVariant": "there"}) is None


def test_the_stages_follow_each_other_and_a_breach_leads_back_to_the_last_one_that_was_left():
    plan, seen = Plan(stage="off", candidate="terse", beta_groups=("testers",)).at("beta"), ["beta"]
    while plan.stage != "general":
        plan = plan.advanced()
        seen.append(plan.step)
    assert seen == ["beta", "percent:1", "percent:10", "percent:25", "percent:50", "percent:100", "general"]
    back = plan.returned().returned()
    assert (back.step, back.good) == ("percent:50", "percent:25")
    halted = back.returned(halted="Slow.")
    assert (halted.step, halted.halted) == ("percent:25", "Slow.")
    with pytest.raises(BadInput, match="halted: Slow"):
        halted.advanced()


def test_without_beta_groups_there_is_no_beta_and_what_began_further_on_falls_back_to_nothing():
    assert Plan(stage="shadow", candidate="terse").advanced().step == "percent:1"
    begun = Plan(stage="off", candidate="terse").at("percent:33")
    assert begun.advanced().step == "percent:50"
    assert begun.returned().step == "off"
    with pytest.raises(BadInput, match="off already"):
        begun.returned().returned()
    with pytest.raises(BadInput, match="never rolled out"):
        Plan(stage="general").returned()
    with pytest.raises(BadInput, match="last stage"):
        Plan(stage="general", candidate="terse").advanced()


@pytest.mark.parametrize("step", ["", "percent", "percent:0", "percent:101", "percent:1e1", "general:5", "moon"])
def test_a_stage_that_does_not_exist_is_refused_with_those_that_do(step):
    with pytest.raises(BadInput, match="percent:25"):
        stage_of(step)
