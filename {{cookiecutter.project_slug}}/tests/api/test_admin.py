"""The operator's hand: kill switch with a reason, reviews, audit, costs."""

import asyncio
from dataclasses import replace
from uuid import UUID

import orjson
import pytest

from app.domain.review import Reviews
from tests.api.asking import LEAVE, URL, ask, parsed, slow
from tests.api.test_jobs import submit


async def flip(client, who, *, enabled, subject="ai", reason="a test"):
    body = {"subject": subject, "enabled": enabled, "reason": reason}
    return await client.post("/v1/admin/flags", json=body, headers=who)


def alone(service, monkeypatch):
    """Let one person clear what they wrote: of those who review, one asked and one is left."""
    known = service.usecases["triage"]
    contract = known.contract.model_copy(update={"reviews": Reviews(second_person="never")})
    monkeypatch.setitem(service.usecases, "triage", replace(known, contract=contract))


@pytest.fixture
async def switched_on_again(client, as_):
    yield
    for subject in ("ai", "handbook"):
        await flip(client, as_("olga.petrov"), enabled=True, subject=subject, reason="after the test")


@pytest.mark.usefixtures("switched_on_again")
@pytest.mark.proves("CTL-1")
async def test_the_kill_switch_refuses_the_next_turn_keeps_the_reason_and_comes_back(client, as_):
    operator = as_("olga.petrov")
    assert (await flip(client, operator, enabled=False, reason="wrong prices in answers")).status_code == 204
    refused = await client.post(URL, json=LEAVE, headers=as_("sam.reyes"))
    assert refused.status_code == 503 and refused.json()["outcome"] == "paused_switch"
    assert refused.headers["content-type"] == "application/problem+json"
    row = (await client.get("/v1/admin/audit", headers=operator)).json()[0]
    assert (row["actor"], row["subject"], row["reason"]) == ("olga.petrov", "ai.enabled", "wrong prices in answers")
    assert (row["before"]["defaultVariant"], row["after"]["defaultVariant"]) == ("on", "off")
    assert (await flip(client, operator, enabled=True)).status_code == 204
    await ask(client, as_("sam.reyes"), LEAVE)


@pytest.mark.usefixtures("switched_on_again")
async def test_one_use_case_can_be_paused_alone(client, as_):
    await flip(client, as_("olga.petrov"), enabled=False, subject="handbook")
    assert (await client.post(URL, json=LEAVE, headers=as_("sam.reyes"))).status_code == 503
    assert (await slow(client, as_("sam.reyes"), words=1)).status_code == 200


@pytest.mark.usefixtures("switched_on_again")
@pytest.mark.proves("CTL-1")
async def test_a_stream_in_flight_stops_when_the_switch_is_thrown(client, as_):
    headers = as_("sam.reyes") | {"Accept": "text/event-stream"}
    asking = client.post("/v1/usecases/slow/turns", json={"question": "80 words"}, headers=headers)
    running = asyncio.create_task(asking)
    await asyncio.sleep(0.5)
    await flip(client, as_("olga.petrov"), enabled=False)
    name, problem = parsed((await running).text)[-1]
    assert name == "error" and problem["outcome"] == "paused_switch"


@pytest.mark.usefixtures("switched_on_again")
async def test_a_job_waits_while_the_ai_is_paused_and_goes_on_afterwards(client, as_, service):
    from uuid import UUID

    operator = as_("olga.petrov")
    url = (await submit(client, operator)).headers["location"]
    job_id = UUID(url.rsplit("/", 1)[1])
    await flip(client, operator, enabled=False)
    await service.jobs.run(job_id)
    waiting = (await client.get(url, headers=operator)).json()
    assert (waiting["status"], waiting["done"], waiting["attempts"]) == ("queued", 0, 0)
    async with service.database.work() as work:
        tried = await work.sql("SELECT count(*) FROM turns WHERE job_id = :id", id=job_id)
    assert tried.scalar_one() == 0, "a waiting job makes no turns"
    await flip(client, operator, enabled=True)
    await service.jobs.run(job_id)
    assert (await client.get(url, headers=operator)).json()["status"] == "succeeded"


@pytest.mark.parametrize("reason", ["", "   "])
async def test_a_switch_without_a_reason_is_refused(client, as_, reason):
    assert (await flip(client, as_("olga.petrov"), enabled=False, reason=reason)).status_code == 422
    await ask(client, as_("sam.reyes"), LEAVE)


async def test_an_unknown_switch_is_told_which_there_are(client, as_):
    response = await flip(client, as_("olga.petrov"), enabled=False, subject="coffee")
    assert response.status_code == 422
    there = response.json()["detail"].partition("there are: ")[2].rstrip(".").split(", ")
    assert {"ai", "handbook", "slow", "triage"} <= set(there)


async def test_only_operators_flip(client, as_):
    assert (await flip(client, as_("sam.reyes"), enabled=False)).status_code == 403


async def test_a_reviewer_decides_with_a_reason_and_never_on_what_they_asked_for(client, as_, service, monkeypatch):
    alone(service, monkeypatch)
    url = (await submit(client, as_("olga.petrov"), {"items": [{"question": "An invoice for review"}]})).headers[
        "location"
    ]
    await service.jobs.run(UUID(url.rsplit("/", 1)[1]))
    waiting = (await client.get("/v1/admin/reviews", headers=as_("hana.lind"))).json()
    review = next(row for row in waiting if "for review" in row["question"])
    target = f"/v1/admin/reviews/{review['id']}"
    own = await client.post(target, json={"approve": True, "reason": "looks right"}, headers=as_("olga.petrov"))
    assert own.status_code == 403
    edited = {"approve": True, "reason": "it is urgent", "data": {**review["data"], "urgency": "high"}}
    assert (await client.post(target, json=edited, headers=as_("hana.lind"))).json()["status"] == "approved"
    assert (await client.post(target, json=edited, headers=as_("hana.lind"))).status_code == 409
    item = (await client.get(url, headers=as_("olga.petrov"))).json()["items"][0]
    assert (item["review"], item["data"]["urgency"]) == ("approved", "high")


async def test_costs_need_their_permission(client, as_):
    for path in ("costs", "forecast"):
        assert (await client.get(f"/v1/admin/{path}", headers=as_("sam.reyes"))).status_code == 403


@pytest.mark.proves("OBS-3", "CST-3")
@pytest.mark.parametrize(("by", "key"), [("usecase", "handbook"), ("user", "sam.reyes"), ("unit", "Sales")])
async def test_costs_are_told_by_use_case_person_and_unit(client, as_, by, key):
    await ask(client, as_("sam.reyes"), LEAVE)
    answer = await client.get("/v1/admin/costs", params={"by": by, "hours": 1}, headers=as_("olga.petrov"))
    row = next(row for row in answer.json() if row[by] == key)
    assert row["turns"] > 0 and {"p95_ms", "cost_usd", "saved_usd", "unpriced", "failed"} <= row.keys()


async def test_costs_by_something_else_are_refused_with_what_is_allowed(client, as_):
    answer = await client.get("/v1/admin/costs?by=shoe-size", headers=as_("olga.petrov"))
    assert answer.status_code == 422 and "'unit'" in answer.json()["detail"]


@pytest.mark.proves("CST-1")
async def test_the_forecast_is_one_request_and_the_same_as_the_commands(client, as_, service):
    from app.cli.costs import _json

    answer = await client.get("/v1/admin/forecast", headers=as_("olga.petrov"))
    told, printed = answer.json(), orjson.loads(_json(await service.forecaster.make()))
    assert answer.status_code == 200 and {one["usecase"] for one in told["usecases"]} == set(service.usecases)
    assert {**told, "at": ""} == {**printed, "at": ""}
