"""Limits through the public doors: JSON, streams, OpenAI, uploads and jobs; addresses before anybody signs in."""

import shutil
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest
from redis.asyncio import Redis

from app.settings import ROOT
from tests.api.asking import LEAVE
from tests.api.serving import Served, serving, until
from tests.conftest import make_settings

pytestmark = pytest.mark.proves("SEC-2")
LIMITS = """
[person]
uploads_per_hour = 2
upload_bytes_per_hour = 5000
[address]
requests_per_minute = 25
failed_sign_ins_per_minute = 4
exempt = []
"""
# Long enough for a test to look at what is under way, and cheap: nobody waits for it.
LONG = {"question": "60 words"}
Made = Callable[..., None]


@pytest.fixture(scope="module")
async def running(
    tmp_path_factory: Any, database_url: str, redis_url: str, service: object, vendor_server: Any
) -> AsyncIterator[Served]:
    """A service with limits of its own, behind a proxy that it trusts."""
    config = tmp_path_factory.mktemp("limits") / "config"
    shutil.copytree(ROOT / "config", config)
    (config / "limits.toml").write_text(LIMITS)
    vendor = {
        "model_provider": "openai",
        "openai_api_key": "fake",
        "openai_base_url": f"{vendor_server.url}/v1",
    }
    settings = make_settings(
        database_url, redis_url, config_dir=config, trusted_proxies="127.0.0.0/8", flags_poll_s=0.2, **vendor
    )
    contracts = {"handbook": {"latency.timeout_s": 30}, "slow": {"latency.timeout_s": 30}}
    async with serving(settings, contracts) as served:
        # On a busy machine Redis is slow, and a service that takes it for away counts for itself.
        served.service.shared._timeout_s = 20.0
        yield served


@pytest.fixture
async def door(running: Served, redis_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The door, asked from an address that nobody else has; nothing is counted yet."""
    redis = Redis.from_url(redis_url)
    async for key in redis.scan_iter("limits:*", count=1000):
        await redis.delete(key)
    await redis.aclose()
    await running.calm()
    async with httpx2.AsyncClient(base_url=running.url, timeout=60, headers=somewhere()) as opened:
        yield opened


@pytest.fixture
def allow(running: Served, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Change what a use case's contract allows."""

    def changed(usecase: str, **limits: int) -> None:
        for name, most in limits.items():
            monkeypatch.setitem(running.service.usecases[usecase].contract.limits.__dict__, name, most)

    return changed


numbers = count(1)


def somewhere() -> dict[str, str]:
    """Give the headers of a proxy for a visitor whom nobody has seen before."""
    return {"X-Forwarded-For": f"198.18.{uuid4().int % 250}.{next(numbers)}"}


async def ask(door: httpx2.AsyncClient, who: dict[str, str], usecase: str = "slow", **more: Any) -> httpx2.Response:
    body = {"question": "1 words"} if usecase == "slow" else LEAVE
    return await door.post(f"/v1/usecases/{usecase}/turns", json=body, headers=who, **more)


async def test_every_answer_says_what_is_left_and_the_refusal_which_limit_it_was(door, as_, allow):
    allow("slow", per_user_per_minute=2)
    first, second, refused = [await ask(door, as_("sam.reyes")) for _ in range(3)]
    assert [response.status_code for response in (first, second, refused)] == [200, 200, 429]
    assert '"asker-requests";q=2;w=60' in first.headers["ratelimit-policy"]
    left = [quota(response, "asker-requests") for response in (first, second, refused)]
    assert [each["r"] for each in left] == [1, 0, 0] and all(0 < each["t"] <= 63 for each in left)
    problem = refused.json()
    assert (problem["type"], problem["outcome"]) == ("/problems/over-rate", "refused_rate")
    assert problem["limit"] == {
        "policy": "asker-requests", "scope": "asker", "unit": "requests", "allowed": 2, "window_s": 60,
        "retry_after_s": int(refused.headers["retry-after"]),
    }  # fmt: skip
    assert problem["violated-policies"] == ["asker-requests"]
    assert "2 requests a minute in 'Slow'" in problem["detail"] and refused.headers["retry-after"] in problem["detail"]
    assert int(refused.headers["retry-after"]) >= left[2]["t"]


def quota(response: httpx2.Response, policy: str) -> dict[str, int]:
    """Read one item of the header RateLimit."""
    items = dict(item.split(";", 1) for item in response.headers["ratelimit"].split(", "))
    return {name: int(value) for name, value in (part.split("=") for part in items[f'"{policy}"'].split(";"))}


async def test_a_stream_says_so_before_its_first_word_and_a_refusal_is_no_stream(door, as_, allow):
    allow("slow", per_user_per_minute=1)
    who = as_("tom.becker") | {"Accept": "text/event-stream"}
    first, refused = await ask(door, who), await ask(door, who)
    assert "event: end" in first.text and quota(first, "asker-requests")["r"] == 0
    assert refused.status_code == 429 and refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"]


async def test_openais_clients_get_their_own_headers_and_their_own_error(door, running, token, allow):
    allow("slow", per_user_per_minute=1)
    allow("slow", tokens_per_user_per_minute=1000)
    client = openai.AsyncOpenAI(
        base_url=f"{running.url}/openai/v1",
        api_key=token("priya.nair"),
        max_retries=0,
        default_headers=dict(door.headers),
    )
    said = [{"role": "user", "content": "1 words"}]
    async with client:
        raw = await client.chat.completions.with_raw_response.create(model="slow", messages=said)
        assert raw.headers["x-ratelimit-limit-requests"] == "1"
        assert raw.headers["x-ratelimit-remaining-requests"] == "0"
        assert raw.headers["x-ratelimit-reset-requests"].endswith("s")
        assert raw.headers["x-ratelimit-limit-tokens"] == "1000" and '"asker-tokens"' in raw.headers["ratelimit"]
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="slow", messages=said)
    assert caught.value.code == "rate_limit_exceeded" and caught.value.type == "rate_limit_error"
    assert int(caught.value.response.headers["retry-after"]) >= 1


async def test_tokens_count_once_the_turn_has_used_them(door, as_, allow):
    allow("handbook", tokens_per_user_per_minute=10)
    first = await ask(door, as_("maya.okafor"), "handbook")
    assert first.status_code == 200, first.text
    used = first.json()["usage"]
    assert used["input_tokens"] + used["output_tokens"] > 10
    refused = await ask(door, as_("maya.okafor"), "handbook")
    assert refused.status_code == 429 and refused.json()["limit"]["policy"] == "asker-tokens"
    other = await ask(door, as_("sam.reyes"), "handbook")
    assert other.status_code == 200


async def test_so_many_at_a_time_also_when_one_hangs_up(door, running, as_, allow):
    allow("slow", concurrent_per_user=1)
    who, limits = as_("erin.holt"), running.service.limiting.limits
    url, stream = "/v1/usecases/slow/turns", who | {"Accept": "text/event-stream"}
    async with door.stream("POST", url, json=LONG, headers=stream) as growing:
        assert (
            growing.status_code == 200
            and '"asker-turns";q=1;qu="concurrent-requests"' in growing.headers["ratelimit-policy"]
        )
        refused = await ask(door, who)
        assert refused.status_code == 429 and refused.json()["limit"]["policy"] == "asker-turns"
        assert (await ask(door, as_("sam.reyes"))).status_code == 200
    # Left in the middle: the place is free once the turn has noticed.
    await until(lambda: not limits._passes)
    assert (await ask(door, who)).status_code == 200


async def test_uploads_are_counted_by_number_and_by_bytes(door, as_):
    async def send(person: str, size: int) -> httpx2.Response:
        file = {"file": ("note.md", b"x" * size, "text/markdown")}
        return await door.post("/v1/documents", data={"usecase": "handbook"}, files=file, headers=as_(person))

    first, second, third = [await send("hana.lind", 10) for _ in range(3)]
    assert (first.status_code, second.status_code, third.status_code) == (202, 202, 429)
    assert quota(first, "person-uploads")["r"] == 1 and quota(second, "person-upload-bytes")["r"] == 4980
    assert '"person-upload-bytes";q=5000;qu="content-bytes";w=3600' in first.headers["ratelimit-policy"]
    assert third.json()["limit"]["policy"] == "person-uploads" and int(third.headers["retry-after"]) > 60
    large = await send("sam.reyes", 5001)
    assert large.status_code == 429 and large.json()["limit"]["unit"] == "upload-bytes"


async def test_queueing_a_job_is_a_request_and_its_turns_are_not(door, running, as_, allow):
    allow("slow", per_user_per_minute=2)
    who, items = as_("olga.petrov"), [{"question": "1 words"}] * 5
    first, second, refused = [
        await door.post("/v1/usecases/slow/jobs", json={"items": items}, headers=who) for _ in range(3)
    ]
    assert (first.status_code, second.status_code, refused.status_code) == (202, 202, 429)
    assert quota(first, "asker-requests")["r"] == 1 and refused.headers["retry-after"]
    job_id = first.json()["job_id"]
    await running.service.jobs.run(job_id)
    done = (await door.get(f"/v1/jobs/{job_id}", headers=who)).json()
    assert {item["outcome"].split("_")[0] for item in done["items"]} == {"answered"} and len(done["items"]) == 5


async def test_what_all_people_use_together_is_told_only_to_who_is_refused(door, as_, allow):
    allow("slow", per_minute=1)
    first, refused = await ask(door, as_("sam.reyes")), await ask(door, as_("tom.becker"))
    assert "usecase-" not in first.headers["ratelimit"]
    assert refused.status_code == 429 and refused.json()["limit"]["policy"] == "usecase-requests"


async def test_an_address_is_counted_before_anybody_is_asked_who_they_are(door, as_):
    answers = [await door.get("/v1/usecases") for _ in range(25)]
    assert {answer.status_code for answer in answers} == {401}
    refused = await ask(door, as_("sam.reyes"))
    assert refused.status_code == 429 and refused.json()["limit"]["policy"] == "address-requests"
    assert refused.headers["retry-after"] and refused.headers["x-request-id"]
    elsewhere = await door.get("/v1/usecases", headers=as_("sam.reyes") | somewhere())
    assert elsewhere.status_code == 200 and quota(elsewhere, "address-requests")["r"] == 24
    assert (await door.get("/health/live")).status_code == 200, "load balancers are never kept out"


@pytest.mark.parametrize("how", ["token", "cookie", "page"])
async def test_guessing_is_slowed_down_also_for_the_right_guess(door, as_, how):
    for _ in range(4):
        if how == "token":
            wrong = await door.get("/v1/me", headers={"Authorization": f"Bearer {uuid4().hex}"})
        elif how == "cookie":
            wrong = await door.get("/v1/usecases", headers={"Cookie": f"identity={uuid4().hex}"})
        else:
            wrong = await door.get("/console", headers={"Cookie": f"identity={uuid4().hex}"})
        assert wrong.status_code in (401, 303, 404)
    right = await door.get("/v1/usecases", headers=as_("sam.reyes"))
    assert right.status_code == 429 and "sign-ins failed" in right.json()["detail"]
    assert (await door.get("/v1/usecases", headers=as_("sam.reyes") | somewhere())).status_code == 200


async def test_a_visitor_cannot_write_an_address_of_their_choice(running, as_):
    # Only the last hop is the proxy's own word.
    here = somewhere()["X-Forwarded-For"]
    async with httpx2.AsyncClient(base_url=running.url, timeout=60) as opened:
        answers = [
            await opened.get("/v1/usecases", headers={"X-Forwarded-For": f"203.0.113.{number}, {here}"})
            for number in range(26)
        ]
    assert [answer.status_code for answer in answers[-2:]] == [401, 429]


async def test_whoever_is_restricted_is_told_so_at_every_door(door, running, as_, token):
    restrictions = running.service.limiting.restrictions
    made = await restrictions.restrict("user:sam.reyes", minutes=5, by="olga.petrov", because="a script")
    try:
        asked = await ask(door, as_("sam.reyes"))
        streamed = await ask(door, as_("sam.reyes") | {"Accept": "text/event-stream"})
        body = {"model": "slow", "messages": [{"role": "user", "content": "1 words"}]}
        chatted = await door.post("/openai/v1/chat/completions", json=body, headers=as_("sam.reyes"))
        file = {"file": ("note.md", b"x", "text/markdown")}
        sent = await door.post("/v1/documents", data={"usecase": "handbook"}, files=file, headers=as_("sam.reyes"))
        for refused in (asked, streamed, chatted, sent):
            assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 200
        assert asked.json()["type"] == "/problems/restricted" and asked.json()["restriction"]["what"] == "ask"
        assert chatted.json()["error"]["type"] == "rate_limit_error"
        assert (await door.get("/v1/usecases", headers=as_("sam.reyes"))).status_code == 200, "their data stays theirs"
        assert (await ask(door, as_("maya.okafor"))).status_code == 200
    finally:
        await restrictions.lift(made.id, by="olga.petrov", because="over")
    assert (await ask(door, as_("sam.reyes"))).status_code == 200


async def test_a_queued_job_of_somebody_restricted_asks_nothing(door, running, as_):
    who = as_("olga.petrov")
    queued = await door.post("/v1/usecases/slow/jobs", json={"items": [{"question": "1 words"}]}, headers=who)
    restrictions = running.service.limiting.restrictions
    made = await restrictions.restrict("user:olga.petrov", minutes=5, by="hana.lind", because="a script")
    try:
        await running.service.jobs.run(queued.json()["job_id"])
    finally:
        await restrictions.lift(made.id, by="hana.lind", because="over")
    done = (await door.get(f"/v1/jobs/{queued.json()['job_id']}", headers=who)).json()
    assert [item["outcome"] for item in done["items"]] == ["refused_rate"]
