"""API keys through the door: shown once, within their scope, rotated with an overlap, refused at once when revoked."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.control import remembered
from app.control.keys import Keys
from app.control.people import People
from app.control.roles import Roles
from app.errors import DependencyDown, Unauthenticated
from app.store import audit
from app.store import keys as table
from app.wiring.service import Service
from tests.accounts import Office, bearer, office

pytestmark = pytest.mark.proves("SEC-2", "INT-2")
As = Callable[[str], dict[str, str]]
TURNS = "/v1/usecases/handbook/turns"
LEAVE = {"question": "How many days of annual leave do employees have?"}
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
async def open_office(
    service: Service, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """The service with accounts, over the documents that the shared one has read."""
    async with office(database_url, redis_url, tmp_path_factory.mktemp("accounts")) as opened:
        yield opened


@pytest.fixture
def olga(as_: As) -> dict[str, str]:
    return as_("olga.petrov")


async def row(service: Service, key_id: str) -> table.KeyRow:
    async with service.database.work() as work:
        return await table.get(work, key_id)


async def test_a_key_opens_every_door_as_its_account(open_office: Office, olga: dict[str, str]) -> None:
    made = await open_office.make(olga)
    headers, door = bearer(made["key"]), open_office.door
    me = (await door.get("/v1/me", headers=headers)).json()
    assert me["user_id"] == "service:crm" and set(me["groups"]) == {"sales", "engineering"}
    asked = await door.post(TURNS, json=LEAVE, headers=headers)
    assert asked.status_code == 200 and "25 days" in asked.json()["answer"]
    async with open_office.service.database.work() as work:
        turn = await work.sql("SELECT user_id, unit FROM turns WHERE id = :id", id=asked.json()["turn_id"])
        assert tuple(turn.one()) == ("service:crm", "Sales")
    chat = {"model": "handbook", "messages": [{"role": "user", "content": LEAVE["question"]}]}
    answered = await door.post("/openai/v1/chat/completions", json=chat, headers=headers)
    assert "25 days" in answered.json()["choices"][0]["message"]["content"]
    streamed = await door.post(TURNS, json=LEAVE, headers={**headers, "Accept": "text/event-stream"})
    assert "event: end" in streamed.text
    assert (await door.get("/console", headers=headers)).status_code == 303, "a key opens no page"
    assert (await door.get("/v1/me", headers={"Cookie": f"identity={made['key']}"})).status_code == 401


async def test_a_key_is_shown_once_and_only_its_hash_is_kept(open_office: Office, olga: dict[str, str]) -> None:
    response = await open_office.door.post(
        "/v1/admin/keys", json={"name": "once", "account": "crm", "reason": "to see"}, headers=olga
    )
    key, key_id = response.json()["key"], response.json()["id"]
    assert response.headers["cache-control"] == "no-store" and key.startswith(f"appkey_{key_id}_")
    secret = key.removeprefix(f"appkey_{key_id}_")
    listed = await open_office.door.get("/v1/admin/keys", headers=olga)
    assert key_id in listed.text and secret not in listed.text
    async with open_office.service.database.work() as work:
        kept = (await work.sql("SELECT hash, row_to_json(k)::text FROM api_keys k WHERE id = :id", id=key_id)).one()
        noted = [entry for entry in await audit.history(work, subject=key_id) if entry["action"] == "key.made"]
    assert bytes(kept[0]) == sha256(key.encode()).digest() and secret not in kept[1]
    assert noted[0]["actor"] == "olga.petrov" and noted[0]["reason"] == "to see" and secret not in str(noted)


@pytest.mark.proves("SEC-3")
async def test_a_key_does_no_more_than_it_is_for(open_office: Office, olga: dict[str, str]) -> None:
    door = open_office.door
    only = await open_office.make(olga, permissions=["turns.ask"], groups=["sales"], usecases=["handbook"])
    headers = bearer(only["key"])
    me = (await door.get("/v1/me", headers=headers)).json()
    assert me["permissions"] == ["turns.ask"] and me["groups"] == ["sales"] and "group:engineering" not in me["readers"]
    assert (await door.post(TURNS, json=LEAVE, headers=headers)).status_code == 200
    other = await door.post("/v1/usecases/cached/turns", json=LEAVE, headers=headers)
    assert other.status_code == 403 and "not for 'cached'" in other.json()["detail"]
    chat = {"model": "cached", "messages": [{"role": "user", "content": "hello"}]}
    assert (await door.post("/openai/v1/chat/completions", json=chat, headers=headers)).status_code in (403, 404)
    assert [case["name"] for case in (await door.get("/v1/usecases", headers=headers)).json()] == ["handbook"]
    models = (await door.get("/openai/v1/models", headers=headers)).json()["data"]
    assert [model["id"] for model in models] == ["handbook"]
    sent = {"file": ("a.md", b"# A\n\ntext", "text/markdown")}
    upload = await door.post("/v1/documents", files=sent, data={"usecase": "handbook"}, headers=headers)
    assert upload.status_code == 403


@pytest.mark.proves("SEC-3")
async def test_a_key_of_operators_is_cut_down_as_well(open_office: Office, olga: dict[str, str]) -> None:
    door = open_office.door
    whole = await open_office.make(olga, account="night-watch", name="whole")
    narrow = await open_office.make(olga, account="night-watch", name="narrow", permissions=["audit.read"])
    for made, flags in ((whole, 200), (narrow, 403)):
        assert (await door.get("/v1/admin/flags", headers=bearer(made["key"]))).status_code == flags
        assert (await door.get("/v1/admin/audit", headers=bearer(made["key"]))).status_code == 200
    job = {"items": [LEAVE]}
    assert (await door.post("/v1/usecases/handbook/jobs", json=job, headers=bearer(narrow["key"]))).status_code == 403
    asking = await open_office.make(olga, account="night-watch", name="queues", permissions=["jobs.submit"])
    refused = await door.post("/v1/usecases/handbook/jobs", json=job, headers=bearer(asking["key"]))
    assert refused.status_code == 403, "who may not ask may not have asked for them"


async def test_work_that_a_key_queued_reads_no_more_than_the_key(open_office: Office, olga: dict[str, str]) -> None:
    key = (await open_office.make(olga, account="night-watch"))["key"]
    accepted = await open_office.door.post("/v1/usecases/handbook/jobs", json={"items": [LEAVE]}, headers=bearer(key))
    assert accepted.status_code == 202, accepted.text
    async with open_office.service.database.work() as work:
        job = await work.sql("SELECT user_id, groups FROM jobs WHERE id = :id", id=accepted.json()["job_id"])
        assert tuple(job.one()) == ("service:night-watch", ["operators"])


@pytest.mark.parametrize("person", ["sam.reyes", "hana.lind", "dana.weiss"])
async def test_nobody_else_manages_keys(open_office: Office, as_: As, olga: dict[str, str], person: str) -> None:
    made, door, headers = await open_office.make(olga), open_office.door, as_(person)
    place, reason = f"/v1/admin/keys/{made['id']}", {"reason": "mine now"}
    new = {"name": "x", "account": "crm", **reason}
    for response in (
        await door.post("/v1/admin/keys", json=new, headers=headers),
        await door.get("/v1/admin/keys", headers=headers),
        await door.get("/v1/admin/service-accounts", headers=headers),
        await door.post(f"{place}/rotate", json=reason, headers=headers),
        await door.delete(place, params=reason, headers=headers),
    ):
        assert response.status_code == 403 and "keys.manage" in response.text
    assert (await open_office.me(made["key"])).status_code == 200


async def test_nobody_hands_out_what_they_do_not_hold(open_office: Office, olga: dict[str, str]) -> None:
    wanted = {"name": "x", "account": "referee", "reason": "to get around it"}
    refused = await open_office.door.post("/v1/admin/keys", json=wanted, headers=olga)
    assert refused.status_code == 403 and "people.erase" in refused.json()["detail"]
    harmless = await open_office.make(olga, account="referee", permissions=["turns.ask", "console.open"])
    # The one who rotates is measured by the same.
    narrow = await open_office.make(olga, account="night-watch", permissions=["keys.manage", "turns.ask"])
    place = f"/v1/admin/keys/{harmless['id']}/rotate"
    taken = await open_office.door.post(place, json={"reason": "mine now"}, headers=bearer(narrow["key"]))
    assert taken.status_code == 403 and "console.open" in taken.json()["detail"]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"account": "nobody"}, "crm"),
        ({"permissions": ["turns.everything"]}, "turns.ask"),
        ({"permissions": ["switches.flip"]}, "the account has"),
        ({"groups": ["executives"]}, "sales"),
        ({"usecases": ["moon"]}, "handbook"),
        ({"permissions": []}, "permissions"),
        ({"days": 0}, "days"),
        ({"days": 367}, "days"),
        ({"reason": ""}, "reason"),
        ({"reason": "  "}, "Say why"),
        ({"name": " "}, "Name the key"),
        ({"name": "a\x00b"}, "U+0000"),
        ({"key": "appkey_mine"}, "key"),
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(
    open_office: Office, olga: dict[str, str], wanted: dict[str, Any], said: str
) -> None:
    body = {"name": "a test", "account": "crm", "reason": "to see", **wanted}
    refused = await open_office.door.post("/v1/admin/keys", json=body, headers=olga)
    assert refused.status_code == 422 and said in refused.text


async def test_a_rotated_key_works_beside_the_new_one_until_its_time(open_office: Office, olga: dict[str, str]) -> None:
    old, door, service = await open_office.make(olga, usecases=["handbook"]), open_office.door, open_office.service
    place = f"/v1/admin/keys/{old['id']}/rotate"
    response = await door.post(place, json={"reason": "every quarter", "overlap_hours": 2}, headers=olga)
    new = response.json()
    assert response.status_code == 201 and new["usecases"] == ["handbook"] and new["key"] != old["key"]
    for key in (old["key"], new["key"]):
        assert (await open_office.me(key)).status_code == 200
    kept = await row(service, old["id"])
    assert kept["status"] == "replaced" and kept["replaced_by"] == new["id"]
    assert 0 < (kept["expires_at"] - (await row(service, new["id"]))["created_at"]).total_seconds() <= 2 * 3600
    again = await door.post(place, json={"reason": "twice"}, headers=olga)
    assert again.status_code == 409
    # Its two hours later.
    async with service.database.work() as work:
        await work.sql("UPDATE api_keys SET expires_at = now() WHERE id = :id", id=old["id"])
    service.authenticator.forget()
    assert (await open_office.me(old["key"])).status_code == 401
    assert (await open_office.me(new["key"])).status_code == 200
    now = await door.post(
        f"/v1/admin/keys/{new['id']}/rotate", json={"reason": "at once", "overlap_hours": 0}, headers=olga
    )
    assert (await open_office.me(new["key"])).status_code == 401
    assert (await open_office.me(now.json()["key"])).status_code == 200


async def test_a_rotation_never_makes_a_key_live_longer(open_office: Office, olga: dict[str, str]) -> None:
    old = await open_office.make(olga, days=1)
    place = f"/v1/admin/keys/{old['id']}/rotate"
    await open_office.door.post(place, json={"reason": "early", "overlap_hours": 720}, headers=olga)
    kept = await row(open_office.service, old["id"])
    assert kept["expires_at"].isoformat() == old["expires_at"].replace("Z", "+00:00")


async def test_a_revoked_key_is_refused_at_once(open_office: Office, olga: dict[str, str]) -> None:
    made, door = await open_office.make(olga), open_office.door
    assert (await open_office.me(made["key"])).status_code == 200
    place = f"/v1/admin/keys/{made['id']}"
    assert (await door.delete(place, headers=olga)).status_code == 422, "not without a reason"
    gone = await door.delete(place, params={"reason": "it leaked"}, headers=olga)
    assert gone.status_code == 200 and gone.json()["status"] == "revoked" and gone.json()["revoked_by"] == "olga.petrov"
    assert (await open_office.me(made["key"])).status_code == 401
    assert (await door.delete(place, params={"reason": "again"}, headers=olga)).status_code == 409
    async with open_office.service.database.work() as work:
        noted = (await audit.history(work, subject=made["id"]))[0]
    assert (noted["action"], noted["reason"]) == ("key.revoked", "it leaked")


async def test_every_process_hears_of_it(
    open_office: Office, olga: dict[str, str], database_url: str, redis_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    # So long that only the broadcast can be how it heard.
    monkeypatch.setattr(remembered, "FRESH_S", 3600.0)
    async with office(database_url, redis_url, tmp_path) as other:
        made = await open_office.make(olga)
        assert (await other.me(made["key"])).status_code == 200
        await open_office.door.delete(f"/v1/admin/keys/{made['id']}", params={"reason": "it leaked"}, headers=olga)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if (await other.me(made["key"])).status_code == 401:
                    break
                await asyncio.sleep(0.01)


async def test_without_redis_nobody_goes_by_an_old_key_for_longer_than_it_is_fresh(
    open_office: Office, olga: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, service = await open_office.make(olga), open_office.service
    monkeypatch.setattr(remembered, "FRESH_S", 0.2)
    deaf = Keys(service.database, service.people)
    assert (await deaf.principal(made["key"])).key_id == made["id"]
    async with service.database.work() as work:
        await table.revoke(work, made["id"], by="somebody else")
    await asyncio.sleep(0.25)
    with pytest.raises(Unauthenticated, match="revoked"):
        await deaf.principal(made["key"])


async def test_a_busy_key_costs_neither_a_look_nor_a_write_per_request(
    open_office: Office, olga: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "FRESH_S", 3600.0)
    made, service, looks = await open_office.make(olga), open_office.service, 0
    true = table.found

    async def counted(*words: Any) -> Any:
        nonlocal looks
        looks += 1
        return await true(*words)

    monkeypatch.setattr(table, "found", counted)
    answers = await asyncio.gather(*(open_office.me(made["key"]) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert looks == 1 and (await row(service, made["id"]))["last_used_at"] is None
    await service.authenticator.keys.note_use()
    used = (await row(service, made["id"]))["last_used_at"]
    assert used is not None
    await service.authenticator.keys.note_use()
    assert (await row(service, made["id"]))["last_used_at"] == used


async def test_a_use_that_cannot_be_written_is_written_later(
    open_office: Office, olga: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, service = await open_office.make(olga), open_office.service
    await open_office.me(made["key"])

    def away() -> Any:
        raise DependencyDown("The database does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(service.database, "work", away)
        await service.authenticator.keys.note_use()
    assert (await row(service, made["id"]))["last_used_at"] is None
    await service.authenticator.keys.note_use()
    assert (await row(service, made["id"]))["last_used_at"] is not None


@pytest.mark.parametrize(
    "key",
    [
        "appkey_",
        "appkey_0123456789ab_" + "x" * 43,
        "appkey_0123456789ab_" + "x" * 42,
        "appkey_0123456789AB_" + "x" * 43,
        "appkey_0123456789ab_" + "é" * 43,
        "APPKEY_0123456789ab_" + "x" * 43,
        "appkey_0123456789ab_' OR true --",
    ],
)
async def test_what_is_no_key_of_ours_opens_nothing(open_office: Office, key: str) -> None:
    refused = await open_office.door.get("/v1/me", headers={"Authorization": f"Bearer {key}".encode()})
    assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"


async def test_a_key_with_another_end_opens_nothing(open_office: Office, olga: dict[str, str]) -> None:
    key = (await open_office.make(olga))["key"]
    assert (await open_office.me(key[:-1] + ("A" if key[-1] != "A" else "B"))).status_code == 401


@pytest.mark.parametrize("key_id", ["0123456789ab", "x", "00000000-0000-0000-0000-000000000000", "%00"])
async def test_a_key_that_there_is_not_is_not_found(open_office: Office, olga: dict[str, str], key_id: str) -> None:
    place = f"/v1/admin/keys/{key_id}"
    gone = await open_office.door.delete(place, params={"reason": "x"}, headers=olga)
    turned = await open_office.door.post(f"{place}/rotate", json={"reason": "x"}, headers=olga)
    assert {gone.status_code, turned.status_code} <= {404, 422}
    assert (gone.status_code == 404) is (key_id == "0123456789ab")


async def test_a_key_whose_account_is_gone_opens_nothing(open_office: Office, olga: dict[str, str]) -> None:
    made, service = await open_office.make(olga), open_office.service
    bare = Keys(service.database, People(Roles.read({}), service.database))
    with pytest.raises(Unauthenticated, match=r"not in config/roles\.toml any more"):
        await bare.principal(made["key"])


async def test_a_key_in_use_that_ends_soon_is_told_of_until_it_is_rotated(
    open_office: Office, olga: dict[str, str]
) -> None:
    service = open_office.service

    async def told() -> float:
        await service.housekeeping.often()
        shown = (await open_office.door.get("/metrics")).text
        return float(re.search(r"^api_keys_expiring(?:\{.*\})? (\S+)", shown, re.MULTILINE)[1])  # type: ignore[index]

    before = await told()
    ends, later = [(await open_office.make(olga, days=days))["id"] for days in (10, 60)]
    assert await told() == before, "nobody uses them"
    async with service.database.work() as work:
        await table.used(work, dict.fromkeys((ends, later), time.time()))
    assert await told() == before + 1
    rotated = await open_office.door.post(
        f"/v1/admin/keys/{ends}/rotate", json={"overlap_hours": 1, "reason": "it ends"}, headers=olga
    )
    assert rotated.status_code < 300, rotated.text
    assert await told() == before
