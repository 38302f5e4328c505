"""Simple work goes to another role first, by rules and by a classifier; what it saved stands in the ledger."""

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from app.domain.identity import Principal
from app.domain.turn import Skip, Turn
from app.llm import routing
from app.llm.catalog import Catalog, ModelRef
from app.llm.gateway import Gateway
from app.llm.providers import Providers, Vendor
from app.settings import Settings
from tests.fakes.fixtures import RunningVendor
from tests.llm.conftest import Build
from tests.llm.turns import answer_prompt, turn, usecase
from tests.turn.caching import Asking, served, with_model

Headers = Callable[[str], dict[str, str]]
SHORT = {"to": "cheap", "because": "it is short", "max_chars": 60}
ASKED = {"to": "cheap", "because": "the classifier says so", "classifier": "simple.v1"}
YES, NO = 'say={"simple": true}', 'say={"simple": false}'


def routed(*rules: dict[str, Any], ladder: tuple[str, ...] = ("standard", "extractive"), **changes: Any) -> Turn:
    return turn(usecase=usecase(*ladder, routes=rules), **changes)


@pytest.mark.proves("CST-4")
@pytest.mark.parametrize(
    ("rule", "changes", "holds"),
    [
        ({"max_chars": 10}, {"question": "How much?"}, True),
        ({"max_chars": 10}, {"question": "How much is that?"}, False),
        ({"words": ["Fee", "c++"]}, {"question": "What is the FEE?"}, True),
        ({"words": ["Fee", "c++"]}, {"question": "Do you know C++?"}, True),
        ({"words": ["Fee"]}, {"question": "Where is the coffee?"}, False),
        ({"fields": {"tier": ["plus"]}}, {"fields": {"tier": "plus"}}, True),
        ({"fields": {"tier": ["plus"]}}, {}, False),
        ({"groups": ["sales"]}, {"principal": Principal("ada", groups=("sales",))}, True),
        ({"groups": ["sales"]}, {}, False),
        ({"groups": ["everyone"]}, {}, True),
        ({"max_chars": 99, "words": ["fee"]}, {"question": "How much?"}, False),
    ],
)
async def test_a_rule_holds_when_all_that_it_states_holds(
    rule: dict[str, Any], changes: dict[str, Any], holds: bool
) -> None:
    asked = routed({"to": "cheap", "because": "so", **rule}, **changes)
    assert bool(routing.candidates(asked)) is holds


@pytest.mark.proves("CST-4")
async def test_the_first_rule_that_holds_puts_its_role_before_the_ladder(build: Build, vendor: RunningVendor) -> None:
    asked = routed({**SHORT, "max_chars": 3}, SHORT, {**SHORT, "because": "never reached"})
    draft = await build().answer(asked, answer_prompt())
    assert (draft.rung, draft.model) == ("cheap", "gpt-6-luna")
    route = asked.tape.route
    assert route is not None and (route.to, route.because) == ("cheap", "it is short")
    assert [sent["model"] for sent in vendor.requests] == ["gpt-6-luna"]


@pytest.mark.proves("CST-4", "CST-5")
async def test_what_was_saved_is_the_price_of_the_same_tokens_at_the_first_role(build: Build, catalog: Catalog) -> None:
    asked = routed(SHORT)
    await build().answer(asked, answer_prompt())
    (call,) = asked.tape.calls
    used = {"input_tokens": call.usage.input_tokens, "output_tokens": call.usage.output_tokens}
    dear = catalog.cost_usd(ModelRef("openai", "gpt-6-sol"), **used)
    cheap = catalog.cost_usd(ModelRef("openai", "gpt-6-luna"), **used)
    assert dear and cheap and asked.tape.route
    assert asked.tape.route.saved_usd == dear - cheap > 0


@pytest.mark.proves("CST-4")
async def test_a_routed_role_that_fails_leaves_the_ladder_as_it_was_and_costs_money(
    build: Build, vendor: RunningVendor
) -> None:
    vendor.will(YES, "500", "500", "500")
    asked = routed(ASKED)
    assert (await build().answer(asked, answer_prompt())).rung == "standard"
    assert asked.tape.skipped == [Skip("cheap", "500 from the vendor")]
    assert asked.tape.route and asked.tape.route.saved_usd == -(asked.tape.calls[0].usage.cost_usd or 0)


@pytest.mark.proves("CST-4")
@pytest.mark.parametrize(("verdict", "rung"), [(YES, "cheap"), (NO, "standard")])
async def test_a_classifier_is_asked_of_the_cheap_role_itself(
    verdict: str, rung: str, build: Build, vendor: RunningVendor
) -> None:
    vendor.will(verdict)
    asked = routed(ASKED)
    assert (await build().answer(asked, answer_prompt())).rung == rung
    assert [(call.purpose, call.rung) for call in asked.tape.calls] == [("route", "cheap"), ("answer", rung)]
    assert asked.tape.calls[0].usage.cost_usd


@pytest.mark.proves("CST-4", "REL-2")
@pytest.mark.parametrize("fault", ["wrong_schema", "say=maybe", "empty", "401", "refusal"])
async def test_a_classifier_that_fails_means_no_route(fault: str, build: Build, vendor: RunningVendor) -> None:
    vendor.will(fault)
    asked = routed(ASKED)
    assert (await build().answer(asked, answer_prompt())).rung == "standard"
    assert asked.tape.route is None and not asked.tape.skipped


@pytest.mark.proves("LAT-5")
async def test_a_classifier_that_hangs_leaves_time_for_the_answer(build: Build, vendor: RunningVendor) -> None:
    vendor.will("hang")
    asked = routed(ASKED, seconds=6.0)
    assert (await build().answer(asked, answer_prompt())).rung == "standard"
    assert [call.error for call in asked.tape.calls] == ["timeout", ""]


async def test_a_workflow_that_asks_twice_is_routed_once(build: Build, vendor: RunningVendor) -> None:
    vendor.will(NO)
    gateway, asked = build(), routed(ASKED)
    for _ in range(2):
        await gateway.answer(asked, answer_prompt())
    assert [call.purpose for call in asked.tape.calls] == ["route", "answer", "answer"]


async def test_without_a_key_nothing_is_routed(catalog: Catalog) -> None:
    asked = routed(SHORT)
    assert (await Gateway(catalog, Providers(Vendor())).answer(asked, answer_prompt())).rung == "extractive"
    assert asked.tape.route is None


async def test_a_model_without_a_price_saves_an_unknown_amount(build: Build) -> None:
    asked = routed(SHORT)
    await build("openai_compatible").answer(asked, answer_prompt())
    assert asked.tape.route is not None and asked.tape.route.saved_usd is None


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asking(settings: Settings, vendor_server: RunningVendor) -> AsyncIterator[Asking]:
    """A service with the fake vendor's models over the sample use cases."""
    async with served(with_model(settings, vendor_server)) as running:
        yield running


@pytest.mark.proves("CST-4", "CST-5", "OBS-1")
async def test_the_decision_and_the_money_stand_in_the_ledger(asking: Asking, as_: Headers) -> None:
    told = await asking.ask(as_("sam.reyes"), "A simple question: what now?", usecase="forms")
    assert (told["outcome"], told["rung"], told["route"]) == ("answered_model", "cheap", "cheap")
    row = await asking.row(told)
    assert (row["route"]["to"], row["route"]["because"]) == ("cheap", "the asker said so")
    assert Decimal(row["route"]["saved_usd"]) > 0
    assert row["revision"] == row["calls"][0]["revision"] != ""


@pytest.mark.proves("CST-4")
@pytest.mark.parametrize(("verdict", "rung"), [(YES, "cheap"), (NO, "standard")])
async def test_the_classifier_decides_through_the_door(
    verdict: str, rung: str, asking: Asking, vendor: RunningVendor, as_: Headers
) -> None:
    mark = vendor.plan(f"route-{uuid4().hex}", verdict)
    told = await asking.ask(as_("sam.reyes"), f"What now? {mark}", usecase="forms", fields={"kind": "short"})
    row = await asking.row(told)
    assert told["rung"] == rung
    assert [(call["purpose"], call["rung"]) for call in row["calls"]] == [("route", "cheap"), ("answer", rung)]
