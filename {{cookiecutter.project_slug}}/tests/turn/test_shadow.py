"""Which turns get a shadow, and how they come into the queue; what becomes of them there is in tests/work."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from app.domain.outcome import Outcome
from app.domain.rollout import Candidate
from app.store import shadows as table
from app.turn import shadow
from app.turn.shadow import Shadows, by_contract, by_rollout
from app.turn.share import is_chosen
from app.wiring import contracts
from tests.api.serving import changed
from tests.llm import turns

SHADOWED = {"shadow.role": "cheap", "shadow.share": 1.0}


class Reached:
    """Stands in for a gateway that reaches every model."""

    def has_model(self, usecase):
        return True


def case(**more):
    made = turns.usecase("standard")
    return replace(made, contract=changed(made.contract, {**SHADOWED, **more}))


async def considered(database, turn, *, gateway=None, chosen=by_contract):
    """Record a turn before shadows; say whether it waits for one."""

    async def as_it_is(each):
        return each

    shadows = Shadows(database, gateway or Reached(), chosen=chosen)
    await shadows.beside(_pipeline(as_it_is)).record(turn)
    await shadows.stop()
    async with database.work() as work:
        return await table.waits(work, turn.id)


def _pipeline(step):
    from app.turn.pipeline import Pipeline

    names = ("admit", "screen", "recall", "retrieve", "answer", "check", "unmask", "record", "remember")
    return Pipeline(**dict.fromkeys(names, step))


@pytest.mark.proves("CTL-3")
async def test_a_recorded_turn_of_the_share_waits_for_its_shadow_with_all_that_it_was_asked(service):
    turn = turns.turn(usecase=case(), outcome=Outcome.ANSWERED_MODEL, masks={"<NAME_1>": "Jane Doe"}, fields={"a": "b"})
    assert await considered(service.database, turn)
    async with service.database.work() as work:
        (waiting,) = [each for each in await table.waiting(work, "test", most=1000) if each.turn_id == turn.id]
        await table.done(work, turn.id, None)
        assert not await table.waits(work, turn.id)
    asked = waiting.asked
    assert (waiting.candidate, waiting.user_id) == ("cheap", "ada")
    assert asked.question == turn.screened and asked.passages == turn.passages and asked.fields == {"a": "b"}
    assert asked.masks == {"<NAME_1>": "Jane Doe"}


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": Outcome.ANSWERED_CACHED},
        {"outcome": Outcome.FAILED_CANCELLED},
        {"outcome": Outcome.REFUSED_RATE},
        {"channel": "evaluation"},
        {"channel": "shadow"},
        {"arm": "another-candidate"},
        {"usecase": case(**{"shadow.share": 0.0})},
        {"usecase": turns.usecase("standard")},
    ],
)
async def test_what_cannot_be_compared_or_is_not_of_the_share_has_no_shadow(service, change):
    turn = turns.turn(**{"usecase": case(), "outcome": Outcome.ANSWERED_MODEL, **change})
    assert not await considered(service.database, turn)


async def test_without_a_model_for_the_candidate_nothing_waits(service):
    turn = turns.turn(usecase=case(), outcome=Outcome.ANSWERED_MODEL)
    assert not await considered(service.database, turn, gateway=service.gateway)


async def test_where_enough_wait_already_the_next_one_is_left_out(service, monkeypatch):
    monkeypatch.setattr(shadow, "MOST_WAITING", 0)
    assert not await considered(service.database, turns.turn(usecase=case(), outcome=Outcome.ANSWERED_MODEL))
    monkeypatch.setattr(shadow, "MOST_WAITING", 1000)
    monkeypatch.setattr(shadow, "AT_ONCE", 0)
    assert not await considered(service.database, turns.turn(usecase=case(), outcome=Outcome.ANSWERED_MODEL))


@pytest.mark.proves("CTL-3")
async def test_the_candidate_of_a_rollout_goes_first_and_answers_every_turn_where_no_share_is_stated(service):
    candidate = Candidate(name="v2", prompt_version=1)
    made = turns.usecase("standard", candidates=[candidate.model_dump()])
    turn = turns.turn(usecase=made, outcome=Outcome.ANSWERED_MODEL)
    assert by_contract(turn) is None
    assert by_rollout(lambda _: candidate)(turn) is candidate
    assert by_rollout(lambda _: None)(turn) is None
    some = replace(made, contract=changed(made.contract, {"shadow.role": "cheap", "shadow.share": 0.5}))
    chosen = [by_rollout(lambda _: candidate)(turns.turn(usecase=some, id=uuid4())) for _ in range(60)]
    assert 5 < chosen.count(candidate) < 55 and chosen.count(None) > 0


def test_the_same_turn_always_belongs_to_the_share_or_never():
    ids = [uuid4() for _ in range(4000)]
    chosen = [each for each in ids if is_chosen(each, share=0.25)]
    assert 800 < len(chosen) < 1200
    assert all(is_chosen(each, share=0.25) and is_chosen(each, share=0.5) for each in chosen)
    assert not any(is_chosen(each, share=0.0) for each in ids) and all(is_chosen(each, share=1.0) for each in ids)


@pytest.mark.parametrize(
    ("shadow", "wrong"),
    [
        ({"role": "huge", "share": 0.1}, "shadow.role: there is no role 'huge'; there are: cheap, standard"),
        ({"role": "extractive", "share": 0.1}, "shadow.role: there is no role 'extractive'"),
        ({"share": 0.1}, "shadow.role: whose answers?"),
        ({"candidate": "v9", "share": 0.1}, "shadow.candidate: there is no candidate 'v9'; there are: none"),
        ({"role": "cheap", "judge": "oracle"}, "shadow.judge: there is no role 'oracle'"),
    ],
)
def test_a_shadow_that_cannot_be_stops_the_start_with_a_reason(shadow, wrong):
    case = turns.usecase("standard")
    asked = case.contract.shadow.model_copy(update=shadow)
    case = replace(case, contract=case.contract.model_copy(update={"shadow": asked}))
    rungs = {"standard", "cheap", "extractive", "rules", "cached", "person"}
    assert any(wrong in fault for fault in contracts.faults(case, Path("contract.toml"), rungs))
