"""What is off, by HTTP: banner, ends, history, undo; and the people, models and tools that a switch concerns."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio

from app.domain.contract import Paused
from app.settings import Settings
from app.wiring.service import Service
from tests.agents import LOOK_UP, REFUND, Desk
from tests.api.asking import LEAVE, URL, parsed
from tests.api.test_jobs import submit
from tests.fakes.fixtures import RunningVendor
from tests.turn.caching import Asking, served, with_model

Headers = dict[str, str]
As = Callable[[str], Headers]
FLAGS = "/v1/admin/flags"
GENEROUS_S = 30.0
WITHOUT = "Some answers come without"


async def flip(client: httpx2.AsyncClient, who: Headers, subject: str, *, on: bool, **more: Any) -> httpx2.Response:
    body = {"subject": subject, "enabled": on, "reason": "a test", **more}
    return await client.post(FLAGS, json=body, headers=who)


@asynccontextmanager
async def off(client: httpx2.AsyncClient, as_: As, subject: str) -> AsyncIterator[None]:
    """Turn something off for the block."""
    answer = await flip(client, as_("olga.petrov"), subject, on=False)
    assert answer.status_code == 204, answer.text
    try:
        yield
    finally:
        await flip(client, as_("olga.petrov"), subject, on=True)


@pytest.mark.proves("CTL-1")
async def test_whoever_it_concerns_reads_what_is_off_and_until_when(client: httpx2.AsyncClient, as_: As) -> None:
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    try:
        assert (await flip(client, as_("olga.petrov"), "unit:Sales", on=False, until=until)).status_code == 204
        told = (await client.get("/v1/status", headers=as_("sam.reyes"))).json()
        assert told["paused"] and told["notices"][0]["text"] == "The AI is paused for the business unit Sales."
        assert datetime.fromisoformat(told["notices"][0]["until"]) == datetime.fromisoformat(until)
        cases = (await client.get("/v1/usecases", headers=as_("sam.reyes"))).json()
        assert all(case["paused"] and case["paused_until"] for case in cases)
        refused = await client.post(URL, json=LEAVE, headers=as_("sam.reyes"))
        assert (refused.status_code, refused.json()["outcome"]) == (503, "paused_switch")
        assert 3000 < int(refused.headers["retry-after"]) <= 3601, "come back when it ends"
        other = (await client.get("/v1/status", headers=as_("hana.lind"))).json()
        assert other == {"paused": False, "notices": []}
        assert (await client.post(URL, json=LEAVE, headers=as_("hana.lind"))).status_code == 200
    finally:
        await flip(client, as_("olga.petrov"), "unit:Sales", on=True)
    assert (await client.get("/v1/status", headers=as_("sam.reyes"))).json() == {"paused": False, "notices": []}


@pytest.mark.proves("CTL-1")
async def test_a_stream_of_a_group_stops_and_that_of_others_goes_on(client: httpx2.AsyncClient, as_: As) -> None:
    def streaming(person: str) -> "asyncio.Task[httpx2.Response]":
        headers = as_(person) | {"Accept": "text/event-stream"}
        body = {"question": "40 words"}
        return asyncio.create_task(client.post("/v1/usecases/slow/turns", json=body, headers=headers))

    sam, hana = streaming("sam.reyes"), streaming("hana.lind")
    await asyncio.sleep(0.5)
    async with off(client, as_, "group:sales"):
        (name, problem), (ended, _) = parsed((await sam).text)[-1], parsed((await hana).text)[-1]
    assert (name, problem["outcome"]) == ("error", "paused_switch")
    assert ended == "end"


@pytest.mark.proves("CTL-1")
async def test_queued_work_of_a_unit_waits_keeps_its_place_and_goes_on(
    client: httpx2.AsyncClient, as_: As, service: Service
) -> None:
    operator = as_("olga.petrov")
    url = (await submit(client, operator)).headers["location"]
    job_id = UUID(url.rsplit("/", 1)[1])
    async with off(client, as_, "unit:Support"):
        await service.jobs.run(job_id)
        waiting = (await client.get(url, headers=operator)).json()
        assert (waiting["status"], waiting["done"], waiting["attempts"]) == ("queued", 0, 0)
    await service.jobs.run(job_id)
    assert (await client.get(url, headers=operator)).json()["status"] == "succeeded"


async def test_history_and_undo_through_the_door(client: httpx2.AsyncClient, as_: As) -> None:
    operator, key = as_("olga.petrov"), "usecase.forms.enabled"
    assert (await flip(client, operator, "forms", on=False)).status_code == 204
    past = (await client.get(f"{FLAGS}/history", params={"key": key}, headers=operator)).json()
    assert (past[0]["actor"], past[0]["reason"], past[0]["after"]["defaultVariant"]) == ("olga.petrov", "a test", "off")
    undo = {"key": key, "version": past[0]["version"], "reason": "it was the wrong one"}
    assert (await client.post(f"{FLAGS}/undo", json=undo, headers=operator)).status_code == 204
    again = await client.post(f"{FLAGS}/undo", json=undo, headers=operator)
    assert again.status_code == 409 and "olga.petrov" in again.json()["detail"]
    row = next(row for row in (await client.get(FLAGS, headers=operator)).json() if row["key"] == key)
    assert (row["definition"]["defaultVariant"], row["version"]) == ("on", past[0]["version"] + 1)


@pytest.mark.proves("CTL-1")
async def test_an_end_holds_for_what_is_off_already(client: httpx2.AsyncClient, as_: As, service: Service) -> None:
    operator, key = as_("olga.petrov"), "usecase.forms.enabled"
    assert (await flip(client, operator, "forms", on=False)).status_code == 204
    end = datetime.now(UTC) + timedelta(seconds=2)
    assert (await flip(client, operator, "forms", on=False, until=end.isoformat())).status_code == 204
    row = next(row for row in (await client.get(FLAGS, headers=operator)).json() if row["key"] == key)
    assert datetime.fromisoformat(row["until"]) == end and row["back"]["defaultVariant"] == "on"
    async with asyncio.timeout(GENEROUS_S):
        while service.flags.why_paused("forms"):  # noqa: ASYNC110 - the clock tells nobody
            await asyncio.sleep(0.1)


async def test_an_end_that_has_come_is_written_down_by_housekeeping(
    client: httpx2.AsyncClient, as_: As, service: Service
) -> None:
    operator, key = as_("olga.petrov"), "usecase.forms.enabled"
    end = datetime.now(UTC) + timedelta(seconds=1)
    assert (await flip(client, operator, "forms", on=False, until=end.isoformat())).status_code == 204
    assert service.flags.why_paused("forms")
    async with asyncio.timeout(GENEROUS_S):
        while service.flags.why_paused("forms"):  # noqa: ASYNC110 - the clock tells nobody
            await asyncio.sleep(0.1)
    await service.housekeeping.often()
    past = (await client.get(f"{FLAGS}/history", params={"key": key, "limit": 1}, headers=operator)).json()
    assert past[0]["actor"] == "the clock" and past[0]["after"]["defaultVariant"] == "on"


async def test_a_flip_is_an_event_for_other_systems(client: httpx2.AsyncClient, as_: As, service: Service) -> None:
    async with off(client, as_, "forms"):
        pass
    async with service.database.work() as work:
        rows = await work.sql(
            "SELECT usecase, data FROM events WHERE kind = 'switch.flipped' AND subject = :subject ORDER BY at DESC",
            subject="switches/usecase.forms.enabled",
        )
        newest = rows.mappings().first()
    assert newest is not None and newest["usecase"] == "forms"
    assert (newest["data"]["before"], newest["data"]["after"]) == ("off", "on")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"definition": {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on"}}, 204),
        ({"definition": {"state": "ENABLED", "variants": {"on": "x"}, "defaultVariant": "on"}}, 422),
        ({"definition": {"variants": {}}}, 422),
        ({"definition": {}, "key": "rollout.handbook"}, 409),
        ({"definition": {"state": "ENABLED", "variants": {"on": True}, "defaultVariant": "on"}, "key": "moon"}, 404),
    ],
)
async def test_a_definition_is_checked_and_a_rollout_has_its_own_way(
    client: httpx2.AsyncClient, as_: As, change: dict[str, Any], status: int
) -> None:
    body = {"key": "usecase.forms.enabled", "reason": "a test", **change}
    answer = await client.put(FLAGS, json=body, headers=as_("olga.petrov"))
    assert answer.status_code == status, answer.text


async def test_what_can_be_turned_off_is_listed_in_words(client: httpx2.AsyncClient, as_: As) -> None:
    told = (await client.get(f"{FLAGS}/subjects", headers=as_("olga.petrov"))).json()
    wanted = {"ai", "handbook", "group:sales", "tool:agent.issue_refund", "tool:look_up_order", "provider:openai"}
    assert wanted <= told.keys() and any(subject.startswith("model:") for subject in told)
    for path in (FLAGS, f"{FLAGS}/subjects", f"{FLAGS}/history?key=ai.enabled"):
        assert (await client.get(path, headers=as_("sam.reyes"))).status_code == 403


# Tools


@pytest.mark.proves("CTL-1")
async def test_a_tool_that_is_off_is_refused_and_the_model_is_told(desk: Desk) -> None:
    async with off(desk.client, desk.as_, "tool:agent.look_up_order"):
        response = await desk.ask(LOOK_UP)
    assert response.status_code == 200, response.text
    (use,) = (await desk.story(response))["tools"]
    assert (use["outcome"], use["error"]) == ("refused", "an operator has turned it off")
    assert any("is turned off" in str(request["messages"]) for request in desk.vendor.requests)
    (again,) = (await desk.story(await desk.ask(LOOK_UP)))["tools"]
    assert again["outcome"] == "ran"


@pytest.mark.proves("CTL-1")
async def test_an_approved_use_of_a_tool_that_is_off_waits_and_runs_afterwards(desk: Desk) -> None:
    from tests.samples.agent import tools

    decided = await desk.decide(await desk.review(await desk.ask(REFUND)))
    async with off(desk.client, desk.as_, "tool:issue_refund"):
        await desk.run(decided)
        assert not tools.TRIES
    await desk.run(decided)
    assert len(tools.TRIES) == 1


# Models


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asking(settings: Settings, vendor_server: RunningVendor) -> AsyncIterator[Asking]:
    """A service with the fake vendor's models over the sample use cases and their documents."""
    async with served(with_model(settings, vendor_server, model_timeout_s=10.0), samples=True) as running:
        yield running


@pytest.mark.proves("CTL-1", "REL-2")
@pytest.mark.parametrize("subject", ["model", "provider"])
async def test_without_its_model_a_use_case_goes_down_the_ladder_and_says_so(
    asking: Asking, vendor: RunningVendor, as_: As, subject: str
) -> None:
    usual = await asking.ask(as_("sam.reyes"), LEAVE["question"], usecase="handbook")
    assert usual["outcome"] == "answered_model" and not usual["degraded"]
    name = f"model:{usual['model']}" if subject == "model" else "provider:openai"
    calls = vendor.state.count
    async with off(asking.client, as_, name):
        told = await asking.ask(as_("sam.reyes"), LEAVE["question"], usecase="handbook")
    assert told["outcome"] == "answered_extractive" and told["degraded"]
    assert [skip["reason"] for skip in told["skipped"]] == [f"{name.replace(':', ' ', 1)} is turned off"]
    assert vendor.state.count == calls, "no call was made, for a vector neither"
    assert (await asking.ask(as_("sam.reyes"), LEAVE["question"], usecase="handbook"))["outcome"] == "answered_model"


@pytest.mark.proves("CTL-1")
@pytest.mark.parametrize(
    ("subject", "operator", "asker"),
    [
        ("model", "The model {} is turned off.", f"{WITHOUT} the model {{}}."),
        ("provider:openai", "Every model of openai is turned off.", f"{WITHOUT} the models of openai."),
        ("provider:anthropic", "Every model of anthropic is turned off.", ""),
        ("tool:look_up_order", "The tool look_up_order is turned off.", f"{WITHOUT} the tool look_up_order."),
        ("tool:agent.issue_refund", "The tool agent.issue_refund is turned off.", f"{WITHOUT} the tool issue_refund."),
        ("unit:Finance", "The AI is paused for the business unit Finance.", ""),
    ],
)  # fmt: skip
async def test_who_turns_switches_reads_of_each_and_an_asker_of_what_their_answers_miss(
    asking: Asking, as_: As, subject: str, operator: str, asker: str
) -> None:
    model = next(iter(asking.service.gateway.refs(asking.service.usecases["handbook"]))).name
    if subject == "model":
        subject = f"model:{model}"

    async def told(person: str) -> list[str]:
        status = (await asking.client.get("/v1/status", headers=as_(person))).json()
        assert not status["paused"]
        return [notice["text"] for notice in status["notices"]]

    async with off(asking.client, as_, subject):
        assert await told("olga.petrov") == [operator.format(model)]
        assert await told("sam.reyes") == ([asker.format(model)] if asker else [])
    assert await told("olga.petrov") == []


@pytest.mark.proves("CTL-1")
async def test_a_stream_of_a_model_that_is_turned_off_ends_with_the_next_rungs_answer(
    asking: Asking, vendor: RunningVendor, as_: As
) -> None:
    vendor.state.tokens_per_s = 4.0
    headers = as_("sam.reyes") | {"Accept": "text/event-stream"}
    running = asyncio.create_task(asking.client.post(URL, json=LEAVE, headers=headers))
    async with asyncio.timeout(GENEROUS_S):
        while not vendor.state.bill.open:  # noqa: ASYNC110 - the vendor runs in another thread
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    async with off(asking.client, as_, "provider:openai"):
        name, told = parsed((await running).text)[-1]
    assert (name, told["outcome"], told["degraded"]) == ("end", "answered_extractive", True)
    row = await asking.row(told)
    assert "turned off" in row["calls"][0]["error"] and row["calls"][0]["price"] == "unpriced"


@pytest.fixture
def without_model(asking: Asking) -> Iterator[None]:
    """Let the contract of the handbook answer without a model while it is paused."""
    cases: Any = asking.service.usecases
    known = cases["handbook"]
    contract = known.contract.model_copy(update={"paused": Paused(answer="no_model")})
    cases["handbook"] = replace(known, contract=contract)
    yield
    cases["handbook"] = known


@pytest.mark.usefixtures("without_model")
@pytest.mark.proves("CTL-1", "REL-2")
@pytest.mark.parametrize("subject", ["ai", "handbook", "unit:Sales"])
async def test_by_contract_a_pause_lets_the_rung_without_a_model_answer(
    asking: Asking, vendor: RunningVendor, as_: As, subject: str
) -> None:
    calls = vendor.state.count
    async with off(asking.client, as_, subject):
        told = await asking.ask(as_("sam.reyes"), LEAVE["question"], usecase="handbook")
        assert (told["outcome"], told["degraded"]) == ("answered_extractive", True)
        assert told["skipped"][0]["reason"] == "the AI is paused"
        refused = await asking.client.post(URL, json={"question": "Xylophone quux?"}, headers=as_("sam.reyes"))
    assert vendor.state.count == calls, "nothing of it reached a model"
    assert refused.json()["outcome"] in ("paused_switch", "refused_no_evidence")
