"""What every request and response passes."""

import asyncio

import httpx2
import pytest
from structlog.testing import capture_logs

from app.api.gate import Gate
from app.api.middleware import Envelope


@pytest.mark.proves("REL-8")
@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_body_that_is_too_large_is_a_problem_like_any_other(client, as_, is_declared):
    body = b'{"question": "' + b"x" * 10_000_001 + b'"}'

    async def pieces():
        for start in range(0, len(body), 1_000_000):
            yield body[start : start + 1_000_000]

    headers = as_("sam.reyes") | {"Content-Type": "application/json"}
    response = await client.post(
        "/v1/usecases/handbook/turns", content=body if is_declared else pieces(), headers=headers
    )
    assert response.status_code == 413, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"]


@pytest.mark.proves("REL-8")
async def test_an_error_that_nobody_foresaw_is_a_problem_with_its_id_and_every_header_and_says_nothing_of_itself():
    async def breaks(scope, receive, send):
        if scope["path"] == "/late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError("the secret of sam.reyes")

    transport = httpx2.ASGITransport(app=Envelope(breaks, gate=Gate(), turns_at_once=1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as door:
        with capture_logs() as logs:
            answer = await door.get("/v1/me")
        assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["content-security-policy"] and "secret" not in answer.text
        assert [(log["event"], log["error"]) for log in logs] == [("request.broke", "ZeroDivisionError")]
        # What has begun cannot be taken back: the server hangs up.
        with pytest.raises(ZeroDivisionError):
            await door.get("/late")


@pytest.mark.proves("REL-8")
async def test_more_turns_than_a_process_can_answer_are_told_to_come_back_and_the_rest_stays_open():
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(scope, receive, send):
        if scope["path"].endswith("/turns"):
            begun.set()
            await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    transport = httpx2.ASGITransport(app=Envelope(slow, gate=Gate(), turns_at_once=1))
    signed = {"Authorization": "Bearer a"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=signed) as door:
        first = asyncio.create_task(door.post("/v1/usecases/handbook/turns", json={}))
        await asyncio.wait_for(begun.wait(), 20)
        refused = await asyncio.wait_for(door.post("/v1/usecases/handbook/turns", json={}), 20)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/overloaded")
        assert refused.headers["retry-after"] == "1"
        assert (await door.post("/openai/v1/chat/completions", json={})).status_code == 503
        assert (await door.get("/v1/turns/some-id")).status_code == 200
        assert (await door.post("/console/switches", json={})).status_code == 200
        go.set()
        assert (await first).status_code == 200
        assert (await door.post("/v1/usecases/handbook/turns", json={})).status_code == 200
