"""Events through the doors: what happens here arrives at a real receiver, in ids, for those who may have it so."""

import re
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.store import audit
from app.store.quoting import WITHHELD
from tests.api.serving import changed
from tests.listening import Listening

pytestmark = pytest.mark.proves("OPS-1")
HOOKS = "/v1/admin/webhooks"
TURNS = "/v1/usecases/handbook/turns"
LEAVE = {"question": "How many days of annual leave do employees have?"}
Door = Any


@pytest.fixture
def olga(as_: Any) -> dict[str, str]:
    return dict(as_("olga.petrov"))


@pytest.fixture
async def quiet(listening: Listening) -> Listening:
    """Nobody else listens."""
    async with listening.service.database.work() as work:
        await work.sql("UPDATE webhooks SET enabled = false")
    await listening.service.telling.audience.refresh()
    return listening


async def made(client: Door, olga: dict[str, str], listening: Listening, *kinds: str, **more: Any) -> dict[str, Any]:
    """Make a receiver through the door; it is turned off by the fixture."""
    body = {"name": f"api {uuid4().hex[:8]}", "url": listening.receiver.url, "kinds": kinds, "reason": "a test", **more}
    response = await client.post(HOOKS, json=body, headers=olga)
    assert response.status_code == 201, response.text
    told: dict[str, Any] = response.json()
    return told


async def change(client: Door, olga: dict[str, str], row: dict[str, Any], **changes: Any) -> Any:
    return await client.patch(f"{HOOKS}/{row['id']}", json={"reason": "a test", **changes}, headers=olga)


async def test_the_secret_is_shown_once(client: Door, olga: dict[str, str], quiet: Listening) -> None:
    row = await made(client, olga, quiet, "job.finished")
    assert row["secret"].startswith("whsec_")
    for path in (HOOKS, f"{HOOKS}/{row['id']}"):
        listed = await client.get(path, headers=olga)
        assert row["id"] in listed.text and row["secret"][6:] not in listed.text
    rotated = await client.post(f"{HOOKS}/{row['id']}/secret", json={"reason": "every quarter"}, headers=olga)
    assert rotated.status_code == 201 and rotated.json()["secret"] != row["secret"]
    assert rotated.json()["former_until"]


async def test_a_flip_of_a_switch_arrives(client: Door, olga: dict[str, str], quiet: Listening) -> None:
    row = await made(client, olga, quiet, "switch.flipped")
    flip = {"subject": "triage", "enabled": False, "reason": "it insulted Sam"}
    assert (await client.post("/v1/admin/flags", json=flip, headers=olga)).status_code < 300
    back = {**flip, "enabled": True, "reason": "repaired"}
    assert (await client.post("/v1/admin/flags", json=back, headers=olga)).status_code < 300
    await quiet.send()
    found = quiet.receiver.of("switch.flipped")
    assert [event["usecase"] for event in found] == ["triage"] * 2
    assert all(event["data"]["by"] == "olga.petrov" and "reason" not in event["data"] for event in found)
    assert all(one.is_signed_with(row["secret"]) for one in quiet.receiver.received)


async def test_a_change_of_a_flag_of_ones_own_arrives_and_is_no_flip(
    client: Door, olga: dict[str, str], quiet: Listening
) -> None:
    await made(client, olga, quiet, "switch.flipped", "flag.changed")
    key, variants = f"greeting.{uuid4().hex[:8]}", {"short": "Hi", "long": "Good morning"}
    definition = {"state": "ENABLED", "variants": variants, "defaultVariant": "short"}
    await quiet.service.flags.define(key, owner="ada", expires_on=date(2099, 1, 1), definition=definition)
    body = {"key": key, "definition": {**definition, "defaultVariant": "long"}, "reason": "people like it"}
    assert (await client.put("/v1/admin/flags", json=body, headers=olga)).status_code == 204
    await quiet.send()
    (event,) = quiet.receiver.of("flag.changed")
    assert event["subject"] == f"flags/{key}" and not quiet.receiver.of("switch.flipped")
    assert event["data"] == {"flag": key, "before": "short", "after": "long", "by": "olga.petrov"}


async def test_an_answer_arrives_in_ids_and_costs_nothing_while_nobody_listens(
    client: Door, as_: Any, olga: dict[str, str], quiet: Listening
) -> None:
    sam = as_("sam.reyes")
    unheard = (await client.post(TURNS, json=LEAVE, headers=sam)).json()
    await made(client, olga, quiet, "answer.given")
    heard = (await client.post(TURNS, json=LEAVE, headers=sam)).json()
    await quiet.send()
    (event,) = quiet.receiver.of("answer.given")
    assert event["subject"] == f"turns/{heard['turn_id']}" and event["usecase"] == "handbook"
    assert event["data"]["user_id"] == "sam.reyes" and event["data"]["outcome"] == heard["outcome"]
    assert "annual" not in quiet.receiver.received[-1].body.decode()
    async with quiet.service.database.work() as work:
        rows = await work.sql("SELECT count(*) FROM events WHERE subject = :it", it=f"turns/{unheard['turn_id']}")
        assert rows.scalar_one() == 0


async def test_an_answer_arrives_through_the_stream_and_with_an_idempotency_key(
    client: Door, as_: Any, olga: dict[str, str], quiet: Listening
) -> None:
    await made(client, olga, quiet, "answer.given", usecases=["handbook"])
    sam = as_("sam.reyes")
    await client.post(TURNS, json=LEAVE, headers={**sam, "Accept": "text/event-stream"})
    key = {**sam, "Idempotency-Key": uuid4().hex}
    for _ in range(2):
        await client.post(TURNS, json=LEAVE, headers=key)
    refused = await client.post(TURNS, json={"question": "Who won the moon race of 2391?"}, headers=sam)
    assert not refused.json()["outcome"].startswith("answered")
    await quiet.send()
    assert len(quiet.receiver.of("answer.given")) == 2, "a repeated request is not another answer, a refusal is none"


async def test_words_arrive_masked_for_who_may_have_them(
    client: Door, as_: Any, olga: dict[str, str], quiet: Listening
) -> None:
    await made(client, olga, quiet, "answer.given", words=True)
    asked = {"question": "I am at sam.private@example.org. How many days of annual leave do employees have?"}
    told = (await client.post(TURNS, json=asked, headers=as_("sam.reyes"))).json()
    await quiet.send()
    (event,) = quiet.receiver.of("answer.given")
    assert "annual leave" in event["data"]["question"] and "25 days" in event["data"]["answer"]
    assert "sam.private" not in quiet.receiver.received[-1].body.decode()
    assert event["data"]["turn_id"] == told["turn_id"]


async def test_what_the_maker_may_not_read_is_withheld(
    client: Door, as_: Any, olga: dict[str, str], quiet: Listening
) -> None:
    await made(client, olga, quiet, "answer.given", words=True)
    text = b"# Bonus\n\nThe bonus of the zebra project is 4711 crowns for everybody who took part."
    files = {"file": ("bonus.md", text, "text/markdown")}
    sam = as_("sam.reyes")
    sent = await client.post("/v1/documents", files=files, data={"usecase": "handbook"}, headers=sam)
    assert sent.status_code == 202, sent.text
    await quiet.service.jobs.run(UUID(sent.json()["job_id"]))
    question = {"question": "How many crowns is the bonus of the zebra project?"}
    told = (await client.post(TURNS, json=question, headers=sam)).json()
    assert "4711" in told["answer"], told
    await quiet.send()
    event = quiet.receiver.of("answer.given")[-1]
    assert event["data"]["answer"] == WITHHELD and "zebra" in event["data"]["question"]
    assert "4711" not in quiet.receiver.received[-1].body.decode()
    done = (await client.get(f"/v1/jobs/{sent.json()['job_id']}", headers=sam)).json()
    gone = await client.delete(f"/v1/documents/{done['result']['document_id']}", headers=sam)
    await quiet.service.jobs.run(UUID(gone.json()["job_id"]))


async def test_the_end_of_a_job_arrives(client: Door, as_: Any, olga: dict[str, str], quiet: Listening) -> None:
    await made(client, olga, quiet, "job.finished")
    body = {"items": [LEAVE, LEAVE]}
    job_id = (await client.post("/v1/usecases/handbook/jobs", json=body, headers=olga)).json()["job_id"]
    await quiet.service.jobs.run(UUID(job_id))
    cancelled = (await client.post("/v1/usecases/handbook/jobs", json=body, headers=olga)).json()["job_id"]
    assert (await client.delete(f"/v1/jobs/{cancelled}", headers=olga)).status_code == 200
    await quiet.send()
    found = {event["data"]["job_id"]: event["data"] for event in quiet.receiver.of("job.finished")}
    assert {name: found[job_id][name] for name in ("kind", "status", "done", "total", "user_id")} == {
        "kind": "turns",
        "status": "succeeded",
        "done": 2,
        "total": 2,
        "user_id": "olga.petrov",
    }
    assert found[cancelled]["status"] == "cancelled"


async def test_a_change_asks_why_stands_in_the_audit_and_is_undone(
    client: Door, olga: dict[str, str], quiet: Listening
) -> None:
    row = await made(client, olga, quiet, "job.finished", url=quiet.receiver.url + "?password=hunter2secret")
    assert (await change(client, olga, row, enabled=False, reason="")).status_code == 422
    off = await change(client, olga, row, enabled=False, reason="too loud")
    assert off.json()["enabled"] is False and "olga.petrov" in off.json()["why_off"]
    assert (await client.post(f"{HOOKS}/{row['id']}/test", headers=olga)).status_code == 422
    on = await change(client, olga, row, enabled=True, kinds=["switch.flipped"], usecases=["handbook"])
    assert (on.json()["enabled"], on.json()["kinds"], on.json()["usecases"]) == (True, ["switch.flipped"], ["handbook"])
    every = await change(client, olga, row, usecases=[])
    assert every.json()["usecases"] is None and every.json()["kinds"] == ["switch.flipped"]
    async with quiet.service.database.work() as work:
        noted = await audit.history(work, subject=row["id"])
    assert [entry["action"] for entry in noted] == ["webhook.changed"] * 3 + ["webhook.made"]
    first = noted[2]
    assert (first["before"]["enabled"], first["after"]["enabled"], first["reason"]) == (True, False, "too loud")
    assert "hunter2secret" not in str(noted) and noted[-1]["after"]["host"].startswith("127.0.0.1:")


async def test_what_was_given_up_is_listed_and_sent_again(client: Door, olga: dict[str, str], quiet: Listening) -> None:
    row = await made(client, olga, quiet, "job.finished")
    tried = (await client.post(f"{HOOKS}/{row['id']}/test", headers=olga)).json()["event_id"]
    async with quiet.service.database.work() as work:
        await work.sql("UPDATE deliveries SET status = 'dead', ended_at = now() WHERE event_id = :id", id=UUID(tried))
    listed = (await client.get(f"{HOOKS}/{row['id']}/deliveries?status=dead", headers=olga)).json()
    assert [one["event_id"] for one in listed] == [tried]
    replay = f"{HOOKS}/{row['id']}/replay"
    assert (await client.post(replay, json={"reason": "  "}, headers=olga)).status_code == 422
    unknown = {"reason": "again", "event_id": str(uuid4())}
    assert (await client.post(replay, json=unknown, headers=olga)).status_code == 404
    again = await client.post(replay, json={"reason": "again", "event_id": tried}, headers=olga)
    assert again.status_code == 202 and again.json() == {"deliveries": 1}
    await quiet.send()
    assert [event["id"] for event in quiet.receiver.events] == [tried]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "ftp://example.org/"}, "no https address"),
        ({"url": "https://sam:secret@example.org/"}, "without a password"),
        ({"url": "http://169.254.169.254/latest"}, "never allowed"),
        ({"url": "https://①69.254.169.254/latest"}, "never allowed"),
        ({"kinds": ["tea.made"]}, "there are: answer.given"),
        ({"kinds": ["webhook.tested"]}, "there are"),
        ({"usecases": ["nobody"]}, "leave it out for all of"),
        ({"reason": ""}, "reason"),
    ],
)
async def test_what_cannot_be_a_receiver_is_refused_with_what_is_allowed(
    client: Door, olga: dict[str, str], changes: dict[str, Any], said: str
) -> None:
    body = {"name": "strange", "url": "https://example.org/", "kinds": ["job.finished"], "reason": "a test", **changes}
    response = await client.post(HOOKS, json=body, headers=olga)
    assert response.status_code == 422 and said in response.text


async def test_a_name_is_taken_once(client: Door, olga: dict[str, str], quiet: Listening) -> None:
    row = await made(client, olga, quiet, "job.finished")
    body = {"name": row["name"], "url": "https://example.org/", "kinds": ["job.finished"], "reason": "a test"}
    assert (await client.post(HOOKS, json=body, headers=olga)).status_code == 409


async def test_nobody_else_sees_or_changes_receivers(client: Door, as_: Any, olga: dict[str, str]) -> None:
    sam, id = as_("sam.reyes"), uuid4()
    body = {"name": "mine", "url": "https://example.org/", "kinds": ["job.finished"], "reason": "a test"}
    ways = [
        await client.get(HOOKS, headers=sam),
        await client.post(HOOKS, json=body, headers=sam),
        await client.patch(f"{HOOKS}/{id}", json={"reason": "a", "enabled": True}, headers=sam),
        await client.post(f"{HOOKS}/{id}/replay", json={"reason": "a"}, headers=sam),
        await client.get("/v1/admin/dead-letters", headers=sam),
    ]
    assert [way.status_code for way in ways] == [403] * len(ways)
    assert (await client.get(f"{HOOKS}/{id}", headers=olga)).status_code == 404


async def test_a_warning_about_shadows_goes_to_those_who_listen_to_the_use_case(
    client: Door, olga: dict[str, str], quiet: Listening
) -> None:
    theirs = await made(client, olga, quiet, "budget.warned", usecases=["triage"])
    ours = await made(client, olga, quiet, "budget.warned", usecases=["handbook"])
    service, name = quiet.service, "handbook"
    case = service.usecases[name]
    case = replace(case, contract=changed(case.contract, {"shadow.share": 0.5, "shadow.per_month_usd": 1}))
    month = "date_trunc('month', now() AT TIME ZONE 'UTC')::date"
    async with service.database.work() as work:
        await work.sql(
            f"INSERT INTO budgets (kind, name, period, spent) VALUES ('shadow', :name, {month}, 2)", name=name
        )
    try:
        await replace(service.housekeeping.keeper, usecases={name: case}).look()
    finally:
        async with service.database.work() as work:
            await work.sql("DELETE FROM budgets WHERE kind = 'shadow' AND name = :name", name=name)
    await quiet.send()
    (event,) = quiet.receiver.events
    assert (event["usecase"], event["data"]["budget"], event["data"]["name"]) == (name, "shadow", name)
    heard = [await client.get(f"{HOOKS}/{row['id']}/deliveries", headers=olga) for row in (ours, theirs)]
    assert [len(answer.json()) for answer in heard] == [1, 0]


@pytest.mark.proves("REL-9")
async def test_a_failed_job_is_put_back_through_the_door(client: Door, olga: dict[str, str], quiet: Listening) -> None:
    job_id = (await client.post("/v1/usecases/handbook/jobs", json={"items": [LEAVE]}, headers=olga)).json()["job_id"]
    async with quiet.service.database.work() as work:
        failed = "UPDATE jobs SET status = 'failed', error = 'away', finished_at = now() WHERE id = CAST(:id AS uuid)"
        await work.sql(failed, id=job_id)
    listed = (await client.get("/v1/admin/dead-letters", headers=olga)).json()
    assert next(one for one in listed if one["id"] == job_id)["error"] == "away"
    path = f"/v1/admin/dead-letters/{job_id}/replay"
    assert (await client.post(path, json={"reason": ""}, headers=olga)).status_code == 422
    again = await client.post(path, json={"reason": "it is back"}, headers=olga)
    assert again.status_code == 202 and again.json()["status"] == "queued"
    assert (await client.post(path, json={"reason": "twice"}, headers=olga)).status_code == 409
    await quiet.service.jobs.run(UUID(job_id))
    done = (await client.get(f"/v1/jobs/{job_id}", headers=olga)).json()
    assert done["status"] == "succeeded" and re.search("25 days", done["items"][0]["answer"])
