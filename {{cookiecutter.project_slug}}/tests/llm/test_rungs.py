"""The rungs below a model: each answers, or says in plain words why not; what breaks on one is no end of the turn."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from app.domain.outcome import Outcome
from app.domain.turn import Draft, Remembered, Skip, StopTurn, Turn
from app.errors import DependencyDown
from app.llm import extractive
from app.llm.asking import NO_MODEL
from app.llm.catalog import Catalog
from app.llm.gateway import Gateway
from app.llm.providers import Providers, Vendor
from tests.fakes.fixtures import RunningVendor
from tests.llm.conftest import Build, Shown
from tests.llm.turns import LEAVE, WAITING, answer_prompt, triage_prompt, turn, usecase


def stale(minutes: float = 10) -> Remembered:
    draft = Draft(
        text="You had 24 days. [1]", rung="standard", outcome=Outcome.ANSWERED_MODEL, model="m", revision="abc"
    )
    return Remembered(draft, (LEAVE,), uuid4(), datetime.now(UTC) - timedelta(minutes=minutes), Decimal("0.01"))


@pytest.fixture
def keyless(catalog: Catalog) -> Gateway:
    return Gateway(catalog, Providers(Vendor()))


@pytest.mark.proves("REL-2")
async def test_an_old_answer_stands_in_for_the_model_marked_with_its_age(
    build: Build, vendor: RunningVendor, shown: Shown
) -> None:
    vendor.will("500", "500", "500")
    asked = turn("standard", "cached", "extractive", stale=stale(minutes=10), listener=shown)
    draft = await build().answer(asked, answer_prompt())
    assert (draft.rung, draft.outcome, draft.text) == ("cached", Outcome.ANSWERED_CACHED, "You had 24 days. [1]")
    assert draft.age_s is not None and 600 <= draft.age_s < 700
    assert (draft.model, draft.revision) == ("m", "abc"), "who gave it, back then"
    assert asked.tape.skipped == [Skip("standard", "500 from the vendor")]
    assert shown.text == draft.text


@pytest.mark.proves("REL-2")
async def test_without_an_old_answer_the_rung_is_skipped(keyless: Gateway) -> None:
    asked = turn("standard", "cached", "extractive")
    assert (await keyless.answer(asked, answer_prompt())).rung == "extractive"
    assert asked.tape.skipped[1] == Skip("cached", "nothing like it was answered before")


async def test_an_old_answer_to_the_turn_is_none_to_another_prompt_of_its_workflow(keyless: Gateway) -> None:
    asked = turn(usecase=usecase("standard", "cached", "rules", rules=knows), stale=stale())
    assert (await keyless.answer(asked, triage_prompt())).rung == "rules"


def knows(asked: Turn) -> Draft:
    return Draft(text="By rule.", rung="", outcome=Outcome.ANSWERED_RULES)


@pytest.mark.proves("REL-2")
@pytest.mark.parametrize("prompt", [answer_prompt(), triage_prompt()], ids=["grounded", "ungrounded"])
async def test_the_last_rung_is_a_person(prompt: Any, build: Build, vendor: RunningVendor) -> None:
    vendor.will("500", "500", "500")
    asked = turn("standard", "person")
    with pytest.raises(StopTurn) as stopped:
        await build().answer(asked, prompt)
    assert (stopped.value.outcome, stopped.value.answer) == (Outcome.ESCALATED_REVIEW, WAITING)
    assert stopped.value.error is None
    assert stopped.value.reason == "no rung above could answer: standard: 500 from the vendor"


async def test_a_ladder_of_a_person_alone_asks_nobody_else(keyless: Gateway) -> None:
    with pytest.raises(StopTurn) as stopped:
        await keyless.answer(turn("person"), answer_prompt())
    assert (stopped.value.outcome, stopped.value.reason) == (Outcome.ESCALATED_REVIEW, "a person answers")


@pytest.mark.proves("REL-2")
@pytest.mark.parametrize("broken", [ZeroDivisionError("42 secrets"), TimeoutError(), DependencyDown("away")])
async def test_whatever_breaks_on_a_rung_the_next_one_answers(
    broken: Exception, keyless: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> None:
        raise broken

    monkeypatch.setattr(extractive, "answer", breaks)
    asked = turn(usecase=usecase("standard", "extractive", "rules", rules=knows))
    assert (await keyless.answer(asked, answer_prompt())).text == "By rule."
    reason = f"the extractive rung failed: {type(broken).__name__}"
    assert asked.tape.skipped == [Skip("standard", NO_MODEL), Skip("extractive", reason)]


async def test_a_prompt_that_is_too_long_for_the_contract_is_no_end_of_the_turn(
    build: Build, vendor: RunningVendor
) -> None:
    asked = turn(usecase=usecase("standard", "extractive", max_input_tokens=20))
    assert (await build().answer(asked, answer_prompt())).rung == "extractive"
    assert not vendor.requests
    assert asked.tape.skipped[0].reason == "the question and its passages are longer than models.max_input_tokens"


async def test_rules_may_end_the_turn_on_purpose(keyless: Gateway) -> None:
    def stops(asked: Turn) -> Draft:
        raise StopTurn(Outcome.ESCALATED_REVIEW, reason="only people decide this")

    with pytest.raises(StopTurn, match="escalated_review"):
        await keyless.answer(turn(usecase=usecase("rules", rules=stops)), triage_prompt())


async def test_rules_that_do_not_know_say_so(keyless: Gateway) -> None:
    asked = turn(usecase=usecase("rules", "extractive", rules=lambda _: None))
    assert (await keyless.answer(asked, answer_prompt())).rung == "extractive"
    assert asked.tape.skipped == [Skip("rules", "the rules do not know")]


async def test_an_old_answer_from_a_clock_ahead_of_ours_has_no_negative_age(keyless: Gateway) -> None:
    ahead = replace(stale(), said_at=datetime.now(UTC) + timedelta(seconds=30))
    assert (await keyless.answer(turn("cached", stale=ahead), answer_prompt())).age_s == 0
