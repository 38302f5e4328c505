"""A use case as its candidate would answer it, and how a candidate is named."""

from dataclasses import replace

import pytest

from app.domain.rollout import Candidate
from app.errors import BadInput
from app.turn.candidate import alone, named, of_role, shadowed, spoken
from tests.api.serving import changed
from tests.llm import turns

V2 = Candidate(name="v2", prompt_version=2)
BOTH = Candidate(name="both", role="cheap", prompt_version=1)


def case(**more):
    made = turns.usecase("standard", "extractive", candidates=[V2.model_dump(), BOTH.model_dump()])
    return replace(made, contract=changed(made.contract, more))


def test_a_candidate_has_the_ladder_to_itself_and_no_cache_route_or_shadow():
    made = alone(case(**{"cache.fresh_s": 60, "shadow.role": "cheap", "shadow.share": 1.0}), of_role("cheap"))
    contract = made.contract
    assert contract.models.ladder == ("cheap",) and contract.prompt.version == 1
    assert not contract.cache.fresh_s and not contract.routes and not contract.shadow.role


def test_a_candidate_without_a_role_keeps_the_first_model_and_brings_its_prompt():
    made = case()
    made = replace(made, prompts={**made.prompts, "answer.v2": made.prompts["answer.v1"]})
    contract = alone(made, V2).contract
    assert (contract.models.ladder, contract.prompt.version) == (("standard",), 2)
    with pytest.raises(BadInput, match=r"no prompts/answer\.v2\.md"):
        alone(case(), V2)
    with pytest.raises(BadInput, match="names no model"):
        alone(turns.usecase("extractive"), Candidate(name="v1", prompt_version=1))


def test_candidates_are_named_or_spoken():
    contract = case().contract
    assert named(contract, "v2") == V2 and named(contract, "cheap") is None
    assert spoken(contract, "v2") == V2
    assert (spoken(contract, "role=cheap").role, spoken(contract, "role=cheap").prompt_version) == ("cheap", None)
    both = spoken(contract, "role=cheap,prompt=2")
    assert (both.name, both.role, both.prompt_version) == ("role=cheap,prompt=2", "cheap", 2)
    with pytest.raises(BadInput, match="the contract has: v2, both"):
        spoken(contract, "v9")
    with pytest.raises(BadInput):
        spoken(contract, "")


def test_the_contract_says_who_answers_unseen():
    assert shadowed(case().contract) is None
    assert shadowed(case(**{"shadow.candidate": "both"}).contract) == BOTH
    role = shadowed(case(**{"shadow.role": "cheap"}).contract)
    assert role is not None and (role.name, role.role) == ("cheap", "cheap")
