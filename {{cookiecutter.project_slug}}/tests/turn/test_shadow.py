"""Shadow runs, through the HTTP door: unseen, recorded, paid for, stopped with everything else."""

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest

from app.domain.outcome import Outcome
from app.domain.turn import StopTurn
from app.errors import OverBudget
from app.turn.shadow import Shadows, is_chosen
from app.wiring import contracts
from tests.api.serving import PATIENCE_S, serving, until
from tests.conftest import make_settings
from tests.llm import turns

LEAVE = "How many days of annual leave do employees have?"
URL = "/v1/usecases/handbook/turns"
SHADOWED = {"shadow.role": "cheap", "shadow.share": 1.0, "latency.timeout_s": 30}
CONTRACTS = {
    "handbook": {**SHADOWED, "cost.per_user_day_usd": "1000", "cost.per_month_usd": "1000"},
    "triage": {**SHADOWED, "limits.per_user_per_minute": 1000},
}
MODELS = {"standard": "gpt-6-sol", "cheap": "gpt-6-luna"}


@pytest.fixture
async def shadowed(serving_shadows):
    await serving_shadows.calm()
    return serving_shadows


@pytest.fixture(scope="module")
async def serving_shadows(service, database_url, redis_url, vendor_server):
    """The service with a model, and a shadow behind every turn."""
    known = {"model_provider": "openai", "openai_api_key": "fake", "openai_base_url": f"{vendor_server.url}/v1"}
    async with serving(make_settings(database_url, redis_url, **known), CONTRACTS) as running:
        yield running


@pytest.fixture
async def http(shadowed, as_):
    async with httpx2.AsyncClient(base_url=shadowed.url, timeout=60, headers=as_("olga.petrov")) as opened:
        yield opened


async def shadow_of(shadowed, turn_id):
    """Wait for the shadow's row."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with shadowed.service.database.work() as work:
                row = (await work.sql("SELECT id FROM turns WHERE shadow_of = :id", id=UUID(turn_id))).first()
            if row is not None:
                return await shadowed.story(row.id)
            await asyncio.sleep(0.05)


async def ask(http, question, url=URL):
    response = await http.post(url, json={"question": question})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.proves("OBS-1")
async def test_another_role_answers_the_same_masked_question_from_the_same_passages_unseen(http, vendor, shadowed):
    body = await ask(http, f"I am jane.doe@example.org. {LEAVE}")
    row = await shadow_of(shadowed, body["turn_id"])
    seen = await shadowed.story(body["turn_id"])
    assert (body["model"], row["model"]) == (MODELS["standard"], MODELS["cheap"])
    assert row["channel"] == "shadow" and row["outcome"] == "answered_model" and row["rung"] == "cheap"
    assert row["question"] == seen["question"] == f"I am <EMAIL_1>. {LEAVE}"
    assert row["passages"] == seen["passages"] and row["citations"] and row["answer"]
    assert row["session_id"] is None and row["calls"][0]["model"] == MODELS["cheap"] and row["cost_usd"] > 0
    assert [request["model"] for request in vendor.requests] == [MODELS["standard"], MODELS["cheap"]]
    assert "jane.doe" not in str(vendor.requests)
    said = (await http.get(f"/v1/sessions/{body['session_id']}")).json()["messages"]
    assert len(said) == 2
    told = await http.get(f"/v1/turns/{row['id']}")
    assert told.status_code == 200 and told.json()["shadow_of"] == body["turn_id"]


async def test_a_shadow_that_fails_does_not_touch_the_turn(http, vendor, shadowed):
    name = uuid4().hex
    vendor.plan(f"{name}@{MODELS['cheap']}", "400*")
    body = await ask(http, f"{LEAVE} [[plan:{name}]]")
    assert body["outcome"] == "answered_model" and body["skipped"] == []
    row = await shadow_of(shadowed, body["turn_id"])
    assert row["outcome"] == "failed_model" and [skip["rung"] for skip in row["skipped"]] == ["cheap"]
    assert (await shadowed.story(body["turn_id"]))["outcome"] == "answered_model"


async def test_a_shadow_opens_no_review_and_keeps_no_second_answer(http, vendor, shadowed):
    body = await ask(http, "An invoice is wrong.", url="/v1/usecases/triage/turns")
    row = await shadow_of(shadowed, body["turn_id"])
    assert (body["outcome"], row["outcome"]) == ("escalated_review", "escalated_review")
    async with shadowed.service.database.work() as work:
        of = "SELECT turn_id FROM reviews WHERE turn_id = ANY(:ids)"
        found = (await work.sql(of, ids=[UUID(body["turn_id"]), row["id"]])).scalars().all()
    assert [str(turn_id) for turn_id in found] == [body["turn_id"]]


@pytest.mark.proves("CTL-1")
async def test_the_kill_switch_stops_shadows_too(http, vendor, shadowed):
    name = uuid4().hex
    vendor.plan(f"{name}@{MODELS['cheap']}", "hang=60")
    body = await ask(http, f"{LEAVE} [[plan:{name}]]")  # answered while its shadow hangs
    flags = shadowed.service.flags
    await until(lambda: vendor.state.begun.get(name) == 2)
    await flags.flip("handbook", enabled=False, by="olga.petrov", because="a test")
    try:
        row = await shadow_of(shadowed, body["turn_id"])
    finally:
        await flags.flip("handbook", enabled=True, by="olga.petrov", because="a test")
    assert row["outcome"] == "paused_switch" and row["channel"] == "shadow"
    await until(lambda: vendor.state.disconnects == 1)


@pytest.mark.proves("CST-3")
async def test_what_a_shadow_costs_counts_against_the_same_budget(http, vendor, shadowed):
    async def spent():
        async with shadowed.service.database.work() as work:
            of = "SELECT spent, reserved FROM budgets WHERE kind = 'usecase' AND name = 'handbook'"
            return (await work.sql(of + " ORDER BY period DESC LIMIT 1")).one()

    await shadow_of(shadowed, (await ask(http, LEAVE))["turn_id"])
    before = await spent()
    body = await ask(http, LEAVE)
    row = await shadow_of(shadowed, body["turn_id"])
    seen = await shadowed.story(body["turn_id"])
    after = await spent()
    assert after.spent - before.spent == seen["cost_usd"] + row["cost_usd"] > seen["cost_usd"]
    assert after.reserved == before.reserved


async def test_a_stream_ends_before_its_shadow_begins_and_the_openai_door_has_them_too(http, vendor, shadowed):
    body = {"model": "handbook", "messages": [{"role": "user", "content": LEAVE}]}
    answer = (await http.post("/openai/v1/chat/completions", json=body)).json()
    assert (await shadow_of(shadowed, answer["x_turn_id"]))["channel"] == "shadow"
    streamed = await http.post(URL, json={"question": LEAVE}, headers={"Accept": "text/event-stream"})
    assert "answered_model" in streamed.text and MODELS["cheap"] not in streamed.text
    end = orjson.loads(streamed.text.strip().rpartition("data: ")[2])
    assert (await shadow_of(shadowed, end["turn_id"]))["outcome"] == "answered_model"


def test_the_same_turn_always_belongs_to_the_share_or_never():
    ids = [uuid4() for _ in range(4000)]
    chosen = [each for each in ids if is_chosen(each, share=0.25)]
    assert 800 < len(chosen) < 1200
    assert all(is_chosen(each, share=0.25) and is_chosen(each, share=0.5) for each in chosen)
    assert not any(is_chosen(each, share=0.0) for each in ids) and all(is_chosen(each, share=1.0) for each in ids)


class Endless:
    """Stands in for a pipeline whose shadows never end."""

    def __init__(self, pipeline):
        self.pipeline, self.begun, self.recorded = pipeline, 0, []

    async def step(self, turn):
        self.begun += 1
        await asyncio.Event().wait()

    async def record(self, turn):
        self.recorded.append(turn)
        return turn


async def test_only_so_many_run_at_once_and_the_end_of_the_service_ends_them_with_a_row_each(shadowed):
    endless = Endless(shadowed.service.pipeline)
    pipeline = replace(shadowed.service.pipeline, admit=endless.step, record=endless.record)
    shadows = Shadows(pipeline, shadowed.service.gateway, at_once=2)
    beside = shadows.beside(replace(pipeline, record=_recorded))
    for _ in range(5):
        case = shadowed.service.usecases["handbook"]
        await beside.record(turns.turn(usecase=case, outcome=Outcome.ANSWERED_MODEL))
    await until(lambda: endless.begun == 2)
    await shadows.stop()
    assert [turn.outcome for turn in endless.recorded] == [Outcome.FAILED_CANCELLED] * 2
    assert {turn.channel for turn in endless.recorded} == {"shadow"}


async def _recorded(turn):
    return turn


async def test_a_shadow_is_admitted_like_any_turn(shadowed):
    endless = Endless(shadowed.service.pipeline)

    async def refuse(turn):
        raise StopTurn(Outcome.REFUSED_BUDGET, error=OverBudget())

    pipeline = replace(shadowed.service.pipeline, admit=refuse, record=endless.record)
    shadows = Shadows(pipeline, shadowed.service.gateway)
    beside = shadows.beside(replace(pipeline, record=_recorded))
    await beside.record(turns.turn(usecase=shadowed.service.usecases["handbook"], outcome=Outcome.ANSWERED_MODEL))
    await until(lambda: endless.recorded)
    await shadows.stop()
    assert endless.recorded[0].outcome is Outcome.REFUSED_BUDGET and not endless.recorded[0].tape.calls


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED_CACHED, Outcome.FAILED_CANCELLED, Outcome.REFUSED_RATE])
async def test_what_cannot_be_compared_has_no_shadow(shadowed, outcome):
    endless = Endless(shadowed.service.pipeline)
    pipeline = replace(shadowed.service.pipeline, admit=endless.step, record=endless.record)
    shadows = Shadows(pipeline, shadowed.service.gateway)
    beside = shadows.beside(replace(pipeline, record=_recorded))
    await beside.record(turns.turn(usecase=shadowed.service.usecases["handbook"], outcome=outcome))
    await asyncio.sleep(0)
    await shadows.stop()
    assert endless.begun == 0


@pytest.mark.parametrize(
    ("shadow", "wrong"),
    [
        ({"role": "huge", "share": 0.1}, "shadow.role: there is no role 'huge'; there are: cheap, standard"),
        ({"role": "extractive", "share": 0.1}, "shadow.role: there is no role 'extractive'"),
        ({"share": 0.1}, "shadow.role: whose answers?"),
    ],
)
def test_a_shadow_that_cannot_be_stops_the_start_with_a_reason(shadow, wrong):
    case = turns.usecase("standard")
    asked = case.contract.shadow.model_copy(update=shadow)
    case = replace(case, contract=case.contract.model_copy(update={"shadow": asked}))
    rungs = {"standard", "cheap", "extractive", "rules", "cached", "person"}
    assert any(wrong in fault for fault in contracts.faults(case, Path("contract.toml"), rungs))
