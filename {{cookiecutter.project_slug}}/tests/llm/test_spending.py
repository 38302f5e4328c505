"""`cost.per_turn_usd` bounds the sum of a turn's calls: repeats, second requests, classifier and rungs together."""

from decimal import Decimal

import pytest

from app.domain.turn import Call, Usage
from app.llm import spending
from app.llm.catalog import Catalog, ModelRef
from app.llm.rungs import RungSkipped
from tests.fakes.fixtures import RunningVendor
from tests.llm.conftest import Build
from tests.llm.turns import answer_prompt, triage_prompt, turn, usecase

SOL = ModelRef("openai", "gpt-6-sol")


def call(cost: str | None, *, model: str = "gpt-6-sol") -> Call:
    usage = Usage(cost_usd=None if cost is None else Decimal(cost))
    return Call("standard", "openai", model, "r", 1.0, usage)


@pytest.mark.proves("CST-2")
async def test_what_was_spent_and_the_next_call_in_full_must_fit(catalog: Catalog) -> None:
    next_ = catalog.cost_usd(SOL, input_tokens=1000, output_tokens=100)
    assert next_
    asked = turn(usecase=usecase("standard", per_turn_usd=str(next_ * 2)))
    spending.ensure(asked, catalog, SOL, input_tokens=1000, max_tokens=100)
    asked.tape.calls.append(call(str(next_)))
    spending.ensure(asked, catalog, SOL, input_tokens=1000, max_tokens=100)
    asked.tape.calls.append(call("0.000001"))
    with pytest.raises(RungSkipped, match="it could cost more than one turn may"):
        spending.ensure(asked, catalog, SOL, input_tokens=1000, max_tokens=100)


@pytest.mark.proves("CST-2")
async def test_a_call_that_broke_off_counts_as_the_longest_one(catalog: Catalog) -> None:
    asked = turn(usecase=usecase("standard", max_input_tokens=1000))
    asked.tape.calls.append(call(None))
    most = catalog.cost_usd(SOL, input_tokens=1000, output_tokens=700)
    assert spending.spent_usd(asked, catalog) == most
    asked.tape.calls.append(call(None, model="nobody-knows-its-price"))
    assert spending.spent_usd(asked, catalog) == most


@pytest.mark.proves("CST-2")
async def test_repeats_that_may_be_charged_for_stop_at_the_turns_limit(
    build: Build, vendor: RunningVendor, catalog: Catalog
) -> None:
    vendor.will("cut", "cut", "cut")
    worst = catalog.cost_usd(SOL, input_tokens=500, output_tokens=700)
    assert worst
    case = usecase("standard", "extractive", max_input_tokens=500, per_turn_usd=str(worst * 2))
    asked = turn(usecase=case)
    assert (await build().answer(asked, answer_prompt())).rung == "extractive"
    assert len(asked.tape.calls) == 2 and len(vendor.requests) == 2
    assert asked.tape.skipped[0].reason == spending.TOO_DEAR


@pytest.mark.proves("CST-2", "REL-3")
async def test_a_second_request_that_does_not_fit_is_not_made(
    build: Build, vendor: RunningVendor, catalog: Catalog
) -> None:
    vendor.will("wrong_schema")
    first = turn("standard")
    await build().answer(first, triage_prompt())
    paid = first.tape.calls[0].usage.cost_usd
    longest = catalog.cost_usd(SOL, input_tokens=500, output_tokens=700)
    assert paid and longest
    vendor.will("wrong_schema")
    case = usecase("standard", "rules", rules=lambda _: None, per_turn_usd=str(longest))
    asked = turn(usecase=case)
    with pytest.raises(Exception, match="failed_model"):
        await build().answer(asked, triage_prompt())
    assert [call.purpose for call in asked.tape.calls] == ["answer"]
    assert asked.tape.skipped[0].reason == spending.TOO_DEAR
