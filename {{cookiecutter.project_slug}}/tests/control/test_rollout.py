"""A candidate's use case: what is changed, and what stays below it."""

import pytest

from app.control.rollout import challenger
from app.domain.rollout import Candidate
from app.wiring import contracts
from tests.api.serving import changed
from tests.llm.turns import usecase

pytestmark = pytest.mark.proves("CTL-2")
RUNGS = ("standard", "cheap", "extractive", "rules", "cached", "person")


def test_a_candidates_model_goes_first_and_what_answered_before_stays_below_it():
    case = usecase("standard", "cheap", "extractive")
    made = challenger(case, Candidate(name="small", role="cheap"))
    assert made.contract.models.ladder == ("cheap", "standard", "extractive")
    assert made.contract.prompt == case.contract.prompt and made.name == case.name
    assert case.contract.models.ladder == ("standard", "cheap", "extractive")


def test_a_candidates_prompt_takes_the_place_of_the_current_one():
    case = usecase("standard")
    made = challenger(case, Candidate(name="terse", prompt_version=7))
    assert (made.contract.prompt.name, made.contract.prompt.version) == (case.contract.prompt.name, 7)
    assert made.contract.models == case.contract.models


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ({"name": "small"}, "changes nothing"),
        ({"name": "current", "role": "cheap"}, "uses this name itself"),
        ({"name": "Zwei Wörter", "role": "cheap"}, "should match pattern"),
        ({"name": "small", "prompt_version": 0}, "greater than 0"),
    ],
)
def test_a_candidate_that_makes_no_sense_is_refused(written, wrong):
    with pytest.raises(ValueError, match=wrong):
        Candidate(**written)


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ([{"name": "small", "role": "moon"}], "there is no role 'moon'; there are: cheap, standard"),
        ([{"name": "small", "prompt_version": 9}], "there is no prompts/"),
        ([{"name": "same", "role": "standard"}], "it is what answers now"),
        ([{"name": "small", "role": "cheap"}] * 2, "stands there twice"),
    ],
)
def test_the_service_does_not_start_with_a_candidate_that_cannot_answer(written, wrong, tmp_path):
    case = usecase("standard")
    case = type(case)(case.name, case.folder, changed(case.contract, {"candidates": written}), prompts=case.prompts)
    found = contracts.faults(case, tmp_path / "contract.toml", RUNGS)
    assert any(wrong in fault and "candidates, number" in fault for fault in found), found


def test_beta_without_groups_is_refused():
    with pytest.raises(ValueError, match="needs beta_groups"):
        changed(usecase("standard").contract, {"rollout.stage": "beta"})
