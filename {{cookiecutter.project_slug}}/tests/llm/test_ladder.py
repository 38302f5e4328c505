"""The ladder as askers, reviewers and the ledger see it: over HTTP, with a vendor that fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from app.settings import Settings
from tests.api.asking import parsed
from tests.fakes.fixtures import RunningVendor
from tests.turn.caching import Asking, served, with_model

Headers = Callable[[str], dict[str, str]]
LEAVE = "How many days of annual leave do employees have?"
FORMS = "/v1/usecases/forms/turns"
GREEN = 'say={"topic": "green", "days": 2, "note": "x"}'


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asking(settings: Settings, vendor_server: RunningVendor) -> AsyncIterator[Asking]:
    """A service with the fake vendor's models over the sample use cases and their documents."""
    async with served(with_model(settings, vendor_server, model_timeout_s=5.0), samples=True) as running:
        yield running


def planned(vendor: RunningVendor, *plan: str) -> str:
    """Give a question whose calls meet these faults."""
    return f"What now? {vendor.plan(uuid4().hex, *plan)}"


async def waiting(asking: Asking, who: dict[str, str], turn_id: str) -> dict[str, Any]:
    """Give the review that was opened for a turn."""
    rows = (await asking.client.get("/v1/admin/reviews", headers=who)).json()
    (found,) = [row for row in rows if row["turn_id"] == turn_id]
    return dict(found)


@pytest.mark.proves("REL-3")
async def test_output_that_is_invalid_twice_reaches_a_reviewer_as_it_was_said(
    asking: Asking, vendor: RunningVendor, as_: Headers
) -> None:
    told = await asking.ask(as_("sam.reyes"), planned(vendor, "wrong_schema", GREEN), usecase="forms")
    assert (told["outcome"], told["answer"]) == ("escalated_review", "A colleague fills in this form.")
    review = await waiting(asking, as_("hana.lind"), told["turn_id"])
    assert '"topic": "green"' in str(review["draft"])
    row = await asking.row(told)
    assert [call["purpose"] for call in row["calls"]] == ["answer", "reask"]
    assert "'green' is not one of" in row["reason"]


@pytest.mark.proves("REL-3")
async def test_output_that_is_valid_at_the_second_time_is_the_answer(
    asking: Asking, vendor: RunningVendor, as_: Headers
) -> None:
    told = await asking.ask(as_("sam.reyes"), planned(vendor, "wrong_schema"), usecase="forms")
    assert told["outcome"] == "answered_model"
    assert told["data"] == {"topic": "leave", "days": 1, "note": "as asked"}


@pytest.mark.proves("REL-2", "REL-12")
async def test_when_no_rung_answers_a_person_gets_the_question(
    asking: Asking, vendor: RunningVendor, as_: Headers
) -> None:
    told = await asking.ask(as_("sam.reyes"), planned(vendor, "401"), usecase="forms")
    assert (told["outcome"], told["rung"]) == ("escalated_review", "")
    assert told["skipped"] == [{"rung": "standard", "reason": "401 from the vendor"}]
    review = await waiting(asking, as_("hana.lind"), told["turn_id"])
    assert review["why"] == "no rung above could answer: standard: 401 from the vendor"


@pytest.mark.proves("REL-2", "OBS-1")
async def test_each_answer_says_which_rung_gave_it_and_why_the_others_did_not(
    asking: Asking, vendor: RunningVendor, as_: Headers
) -> None:
    vendor.will("401")
    told = await asking.ask(as_("sam.reyes"), LEAVE, usecase="handbook")
    assert (told["outcome"], told["rung"]) == ("answered_extractive", "extractive")
    assert told["skipped"] == [{"rung": "standard", "reason": "401 from the vendor"}]
    assert (await asking.row(told))["skipped"] == told["skipped"]


@pytest.mark.proves("REL-12", "LAT-3")
async def test_a_structured_answer_streams_only_whole_valid_fields(
    asking: Asking, vendor: RunningVendor, as_: Headers
) -> None:
    vendor.state.tokens_per_s = 20
    said = 'say={"topic": "travel", "days": 120, "secret": "x", "note": "write to <EMAIL_1>, please"}'
    body = {"question": "ada@example.org asks: " + planned(vendor, said)}
    response = await asking.client.post(FORMS, json=body, headers=as_("sam.reyes") | {"Accept": "text/event-stream"})
    events = parsed(response.text)
    partial = [data["data"] for name, data in events if name == "partial"]
    whole = {"topic": "travel", "days": 120, "note": "write to ada@example.org, please"}
    final = {"topic": "leave", "days": 1, "note": "as asked"}
    assert partial[0] == {"topic": "travel"} and whole in partial
    assert all(fields.items() <= whole.items() or fields.items() <= final.items() for fields in partial)
    assert events[-1][1]["data"] == final, "an unknown field made it invalid: asked again"
    assert events[-1][0] == "end" and events[-1][1]["outcome"] == "answered_model"


@pytest.mark.proves("REL-2", "LAT-5")
async def test_a_vendor_that_hangs_is_no_500(asking: Asking, vendor: RunningVendor, as_: Headers) -> None:
    vendor.will("hang")
    async with asyncio.timeout(30):
        told = await asking.ask(as_("sam.reyes"), LEAVE, usecase="handbook")
    assert told["outcome"] == "answered_extractive"
    assert told["skipped"] == [{"rung": "standard", "reason": "timeout"}]
