"""Shadow runs through the door and the queue: unseen, compared, paid for apart, stopped with everything else."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest

from app.domain.outcome import Outcome
from app.domain.turn import Passage
from app.store import shadows as table
from app.store.shadows import Asked
from app.turn.shadow import Shadows
from tests.api.serving import serving, until
from tests.conftest import make_settings
from tests.llm import turns
from tests.work.shadowing import (
    CONTRACTS,
    LEAVE,
    MODELS,
    PLENTY,
    SHADOWED,
    URL,
    adapt,
    ask,
    run_of,
    shadows_of,
    work_off,
)


@pytest.fixture(scope="module")
async def serving_shadows(service, database_url, redis_url, vendor_server):
    known = {"model_provider": "openai", "openai_api_key": "fake", "openai_base_url": f"{vendor_server.url}/v1"}
    async with serving(make_settings(database_url, redis_url, **known), CONTRACTS) as running:
        yield running


@pytest.fixture
async def shadowed(serving_shadows, vendor):
    await serving_shadows.calm()
    yield serving_shadows
    await serving_shadows.service.shadows.stop()
    async with serving_shadows.service.database.work() as work:
        await work.sql("DELETE FROM shadow_waiting")


@pytest.fixture
async def http(shadowed, as_):
    async with httpx2.AsyncClient(base_url=shadowed.url, timeout=60, headers=as_("olga.petrov")) as opened:
        yield opened


@pytest.mark.proves("CTL-3", "OBS-1")
async def test_another_role_answers_the_same_masked_question_from_the_same_passages_unseen(http, vendor, shadowed):
    body = await ask(http, f"I am jane.doe@example.org. {LEAVE}")
    (row,) = await shadows_of(shadowed, body["turn_id"])
    seen = await shadowed.story(body["turn_id"])
    assert (body["model"], row["model"]) == (MODELS["standard"], MODELS["cheap"])
    assert row["channel"] == "shadow" and row["outcome"] == "answered_model" and row["rung"] == "cheap"
    assert row["question"] == seen["question"] == f"I am <EMAIL_1>. {LEAVE}"
    assert row["passages"] == seen["passages"] and row["citations"] and row["answer"] and row["retrieval"]
    assert row["session_id"] is None and row["calls"][0]["model"] == MODELS["cheap"] and row["cost_usd"] > 0
    assert [request["model"] for request in vendor.requests] == [MODELS["standard"], MODELS["cheap"]]
    assert "jane.doe" not in str(vendor.requests)
    said = (await http.get(f"/v1/sessions/{body['session_id']}")).json()["messages"]
    assert len(said) == 2
    told = await http.get(f"/v1/turns/{row['id']}")
    assert told.status_code == 200 and told.json()["shadow_of"] == body["turn_id"]
    mine = (await http.get("/v1/jobs")).json()
    assert all(job["kind"] != "shadow" for job in mine), "the queue's own jobs are in nobody's list"


async def test_the_turn_waits_for_no_worker_and_the_row_that_waits_goes_with_the_run(http, shadowed):
    body = await ask(http, LEAVE)
    assert body["outcome"] == "answered_model"
    await shadowed.service.shadows.stop()
    async with shadowed.service.database.work() as work:
        assert await table.waits(work, UUID(body["turn_id"]))
    run = await run_of(shadowed, body["turn_id"])
    assert (run.candidate, run.agrees, run.preference) == ("cheap", True, None)
    assert run.shadow_ms > 0 and run.seen_ms > 0 and run.seen_usd > run.shadow_usd > 0
    async with shadowed.service.database.work() as work:
        assert not await table.waits(work, UUID(body["turn_id"]))
        of = "SELECT user_id, input FROM jobs WHERE kind = 'shadow' ORDER BY created_at DESC LIMIT 1"
        job = (await work.sql(of)).one()
    assert job.user_id == "shadow" and set(job.input) == {"trace"}, "the job's row names nobody and holds no words"


async def test_the_same_role_costs_the_same_though_the_turn_paid_for_its_screening_too(
    http, vendor, shadowed, monkeypatch
):
    guarded = adapt(shadowed, "guarded", {**SHADOWED, **PLENTY, "shadow.role": "standard"})
    monkeypatch.setitem(shadowed.service.usecases, "guarded", guarded)
    mark = uuid4().hex
    vendor.plan(f"{mark}@{MODELS['cheap']}", 'say={"injection": false}')
    question = f"How do I enter developer mode on the tablet? [[plan:{mark}]]"
    body = await ask(http, question, url="/v1/usecases/guarded/turns")
    run, story = await run_of(shadowed, body["turn_id"]), await shadowed.story(body["turn_id"])
    paid = {call["purpose"]: call["cost_usd"] for call in story["calls"]}
    assert paid["screen"] > 0 and run.seen_usd == paid["answer"] < story["cost_usd"]
    # What the vendor has read before is cheaper the second time.
    assert Decimal("0.75") < run.shadow_usd / run.seen_usd < Decimal("1.05")


async def test_a_shadow_that_fails_does_not_touch_the_turn(http, vendor, shadowed):
    name = uuid4().hex
    vendor.plan(f"{name}@{MODELS['cheap']}", "400*")
    body = await ask(http, f"{LEAVE} [[plan:{name}]]")
    assert body["outcome"] == "answered_model" and body["skipped"] == []
    (row,) = await shadows_of(shadowed, body["turn_id"])
    assert row["outcome"] == "failed_model" and [skip["rung"] for skip in row["skipped"]] == ["cheap"]
    assert (await shadowed.story(body["turn_id"]))["outcome"] == "answered_model"
    run = await run_of(shadowed, body["turn_id"])
    assert (run.agrees, run.shadow_outcome) == (False, "failed_model")


async def test_a_shadow_opens_no_review_and_keeps_no_second_answer(http, vendor, shadowed):
    body = await ask(http, "An invoice is wrong.", url="/v1/usecases/triage/turns")
    (row,) = await shadows_of(shadowed, body["turn_id"])
    assert (body["outcome"], row["outcome"]) == ("escalated_review", "escalated_review")
    async with shadowed.service.database.work() as work:
        of = "SELECT turn_id FROM reviews WHERE turn_id = ANY(:ids)"
        found = (await work.sql(of, ids=[UUID(body["turn_id"]), row["id"]])).scalars().all()
    assert [str(turn_id) for turn_id in found] == [body["turn_id"]]


@pytest.mark.proves("CTL-1")
async def test_the_kill_switch_stops_shadows_too_and_they_go_on_afterwards(http, vendor, shadowed):
    name = uuid4().hex
    vendor.plan(f"{name}@{MODELS['cheap']}", "hang=60")
    body = await ask(http, f"{LEAVE} [[plan:{name}]]")
    running = asyncio.create_task(shadows_of(shadowed, body["turn_id"]))
    await until(lambda: vendor.state.begun.get(name) == 2)
    flags = shadowed.service.flags
    await flags.flip("handbook", enabled=False, by="olga.petrov", because="a test")
    try:
        (row,) = await running
        assert row["outcome"] == "paused_switch" and row["channel"] == "shadow"
        await until(lambda: vendor.state.disconnects == 1)
        async with shadowed.service.database.work() as work:
            assert await table.waits(work, UUID(body["turn_id"])), "it keeps its place"
            of = "SELECT status FROM jobs WHERE kind = 'shadow' ORDER BY created_at DESC LIMIT 1"
            assert (await work.sql(of)).scalar_one() == "queued"
    finally:
        await flags.flip("handbook", enabled=True, by="olga.petrov", because="a test")
    async with shadowed.service.database.work() as work:
        job_id = (await work.sql("SELECT id FROM jobs WHERE kind = 'shadow' AND status = 'queued'")).scalars().one()
    await shadowed.service.jobs.run(job_id)
    assert (await run_of(shadowed, body["turn_id"])).shadow_outcome == "answered_model"


async def budgets_of(shadowed):
    async with shadowed.service.database.work() as work:
        of = "SELECT kind, spent, reserved FROM budgets WHERE name = 'handbook' AND kind IN ('usecase', 'shadow')"
        return {row.kind: row for row in await work.sql(of)}


@pytest.mark.proves("CTL-3", "CST-3")
async def test_what_a_shadow_costs_is_paid_from_its_own_budget_alone(http, vendor, shadowed):
    await run_of(shadowed, (await ask(http, LEAVE))["turn_id"])
    before = await budgets_of(shadowed)
    body = await ask(http, LEAVE)
    run = await run_of(shadowed, body["turn_id"])
    after = await budgets_of(shadowed)
    assert after["usecase"].spent - before["usecase"].spent == run.seen_usd
    assert after["shadow"].spent - before["shadow"].spent == run.shadow_usd > 0
    assert not after["shadow"].reserved and not after["usecase"].reserved


@pytest.mark.proves("CTL-3")
async def test_a_shadow_budget_that_is_used_up_lets_nothing_wait_and_people_notice_nothing(http, shadowed, monkeypatch):
    monkeypatch.setitem(
        shadowed.service.usecases, "handbook", adapt(shadowed, "handbook", {"shadow.per_month_usd": "0.00000001"})
    )
    bodies = [await ask(http, LEAVE) for _ in range(2)]
    assert {body["outcome"] for body in bodies} == {"answered_model"}
    await shadowed.service.shadows.stop()
    await work_off(shadowed)
    async with shadowed.service.database.work() as work:
        assert not [body for body in bodies if await table.waits(work, UUID(body["turn_id"]))]
        of = "SELECT outcome, cost_usd FROM turns WHERE shadow_of = ANY(:ids)"
        rows = (await work.sql(of, ids=[UUID(body["turn_id"]) for body in bodies])).all()
    assert {row.outcome for row in rows} == {"refused_budget"} and not any(row.cost_usd for row in rows)


@pytest.mark.proves("EVL-7")
async def test_a_judge_is_asked_in_both_orders_and_pays_from_the_shadows_budget(http, vendor, shadowed, monkeypatch):
    judged = adapt(shadowed, "handbook", {"shadow.judge": "standard"})
    monkeypatch.setitem(shadowed.service.usecases, "handbook", judged)
    name, said = uuid4().hex, ["say=" + orjson.dumps({"better": each}).decode() for each in ("second", "first")]
    vendor.plan(f"{name}@{MODELS['standard']}", "ok", *said)
    vendor.plan(f"{name}@{MODELS['cheap']}", "say=It is 25 days a year. [1]")
    body = await ask(http, f"{LEAVE} [[plan:{name}]]")
    run = await run_of(shadowed, body["turn_id"])
    assert run.preference == "better" and run.judge_usd > 0
    asked = [str(request) for request in vendor.requests if "You compare two answers" in str(request)]
    assert len(asked) == 2 and asked[0] != asked[1]
    candidate, judge = await shadows_of(shadowed, body["turn_id"], least=2)
    assert (candidate["rung"], judge["rung"], judge["answer"]) == ("cheap", "standard", "better")
    assert judge["channel"] == "shadow" and judge["cost_usd"] == run.judge_usd


async def test_a_judge_that_follows_the_place_of_an_answer_says_nothing(http, vendor, shadowed, monkeypatch):
    judged = adapt(shadowed, "handbook", {"shadow.judge": "standard"})
    monkeypatch.setitem(shadowed.service.usecases, "handbook", judged)
    run = await run_of(shadowed, (await ask(http, LEAVE))["turn_id"])  # the fake takes the first of an enum
    assert run.preference == "same"


async def test_a_stream_ends_before_its_shadow_begins_and_the_openai_door_has_them_too(http, vendor, shadowed):
    body = {"model": "handbook", "messages": [{"role": "user", "content": LEAVE}]}
    answer = (await http.post("/openai/v1/chat/completions", json=body)).json()
    assert (await run_of(shadowed, answer["x_turn_id"])).shadow_outcome == "answered_model"
    streamed = await http.post(URL, json={"question": LEAVE}, headers={"Accept": "text/event-stream"})
    assert "answered_model" in streamed.text and MODELS["cheap"] not in streamed.text
    end = orjson.loads(streamed.text.strip().rpartition("data: ")[2])
    assert (await run_of(shadowed, end["turn_id"])).shadow_outcome == "answered_model"


async def test_whoever_may_not_read_a_passage_any_more_has_it_given_to_no_candidate(shadowed, vendor):
    gone = Passage(1, uuid4(), "Secret", "secret.md", "The secret is out.", 1.0)
    turn = turns.turn(usecase=shadowed.service.usecases["handbook"])
    asked = Asked("What is it?", {}, (), (gone,), (), {}, (), "")
    assert await table.put(shadowed.service.database, turn, "cheap", asked, most=100)
    await work_off(shadowed)
    async with shadowed.service.database.work() as work:
        assert not await table.waits(work, turn.id)
        assert (await work.sql("SELECT count(*) FROM turns WHERE shadow_of = :id", id=turn.id)).scalar_one() == 0
    assert not vendor.requests


async def test_what_waits_for_a_day_or_for_a_candidate_that_is_gone_is_dropped(shadowed, vendor):
    old, strange = (turns.turn(usecase=shadowed.service.usecases["handbook"]) for _ in range(2))
    asked = Asked(LEAVE, {}, (), (), (), {}, (), "")
    await table.put(shadowed.service.database, old, "cheap", asked, most=100)
    await table.put(shadowed.service.database, strange, "another", asked, most=100)
    async with shadowed.service.database.work() as work:
        await work.sql("UPDATE shadow_waiting SET at = now() - interval '25 hours' WHERE turn_id = :id", id=old.id)
    await work_off(shadowed)
    async with shadowed.service.database.work() as work:
        assert not await table.waits(work, old.id) and not await table.waits(work, strange.id)
    assert not vendor.requests


async def test_one_job_at_a_time_works_on_a_use_case(shadowed):
    turn = turns.turn(usecase=shadowed.service.usecases["handbook"])
    await table.put(shadowed.service.database, turn, "cheap", Asked(LEAVE, {}, (), (), (), {}, (), ""), most=100)
    looks = await asyncio.gather(*(shadowed.service.trying.shadows.look() for _ in range(4)))
    begun = [job_id for found in looks for job_id in found]
    assert len(begun) == 1
    await shadowed.service.jobs.run(begun[0])


async def test_a_service_that_stops_has_everything_in_the_queue(shadowed):
    shadows = Shadows(shadowed.service.database, shadowed.service.gateway)
    kept = []

    async def record(turn):
        kept.append(turn)
        return turn

    beside = shadows.beside(replace(shadowed.service.pipeline, record=record))
    case = shadowed.service.usecases["handbook"]
    for _ in range(5):
        await beside.record(turns.turn(usecase=case, outcome=Outcome.ANSWERED_MODEL))
    await shadows.stop()
    async with shadowed.service.database.work() as work:
        assert all([await table.waits(work, turn.id) for turn in kept])


@pytest.mark.proves("EVL-7", "CTL-3")
async def test_the_report_sets_both_side_by_side_at_the_door_and_on_the_page(http, vendor, shadowed, as_, token):
    name = uuid4().hex
    vendor.plan(f"{name}@{MODELS['cheap']}", "say=You get 99 days. [1]")
    bodies = [await ask(http, LEAVE), await ask(http, f"{LEAVE} [[plan:{name}]]")]
    for body in bodies:
        await run_of(shadowed, body["turn_id"])
    trials = (await http.get("/v1/admin/shadows", params={"usecase": "handbook"})).json()
    trial = next(each for each in trials if each["candidate"] == "cheap")
    sides = trial["sides"]
    assert (trial["candidate"], trial["is_running"], trial["share"]) == ("cheap", True, 1.0)
    assert sides["pairs"] >= 2 and 0 < sides["agreement"]["share"] < 1 and sides["cost_usd"]["ratio"] < 1
    pairs = (await http.get("/v1/admin/shadows/handbook/cheap")).json()
    first = next(pair for pair in pairs if pair["turn_id"] == bodies[1]["turn_id"])
    assert not first["agrees"] and "99 days" in first["other"] and "25 days" in first["seen"]
    assert (await http.get("/v1/admin/shadows", headers=as_("sam.reyes"))).status_code == 403
    browser = {"Cookie": f"identity={token('olga.petrov')}"}
    page = await http.get("/console/shadows", headers={**browser, "Authorization": ""})
    assert page.status_code == 200 and "handbook: cheap" in page.text and "in times of now" in page.text
    page = await http.get("/console/shadows/handbook/cheap", headers={**browser, "Authorization": ""})
    assert page.status_code == 200 and "99 days" in page.text and "they differ" in page.text
    gone = await http.get("/console/shadows/handbook/nobody", headers={**browser, "Authorization": ""})
    assert gone.status_code == 404
