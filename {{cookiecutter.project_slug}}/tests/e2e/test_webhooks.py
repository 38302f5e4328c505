"""Events on their whole way: real processes tell a real receiver, also one that was away for a while."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from ops.drills.stack import Stack
from tests.fakes.receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stack")]
WAIT_S = 90.0
LEAVE = {"question": "How many days of annual leave do employees have?"}


async def until(found: Callable[[], Any], *, otherwise: str) -> Any:
    """Wait until something is found."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if told := found():
            return told
        await asyncio.sleep(0.1)
    raise AssertionError(otherwise)


@pytest.mark.proves("OPS-1", "REL-9")
async def test_answers_and_jobs_arrive_although_the_receiver_was_away(
    stack: Stack, token: Callable[[str], str]
) -> None:
    headers = {"Authorization": f"Bearer {token('olga.petrov')}"}
    async with Receiver() as receiver, httpx2.AsyncClient(base_url=stack.url, headers=headers, timeout=60) as olga:
        body = {"name": f"e2e {uuid4().hex[:8]}", "url": receiver.url, "reason": "a test"}
        receiver.will(503, "cut")
        row = (await olga.post("/v1/admin/webhooks", json={**body, "kinds": ["job.finished", "answer.given"]})).json()
        submitted = await olga.post("/v1/usecases/handbook/jobs", json={"items": [LEAVE]})
        job_id = submitted.json()["job_id"]
        jobs = lambda: [event for event in receiver.of("job.finished") if event["data"]["job_id"] == job_id]  # noqa: E731
        await until(jobs, otherwise="the end of the job was told to nobody")

        async def asked() -> str:
            return str((await olga.post("/v1/usecases/handbook/turns", json=LEAVE)).json()["turn_id"])

        # Each process knows within seconds that somebody listens now.
        turns, end = [await asked()], time.monotonic() + WAIT_S
        while not any(event["data"]["turn_id"] in turns for event in receiver.of("answer.given")):
            assert time.monotonic() < end, "answers were told to nobody"
            await asyncio.sleep(1)
            turns.append(await asked())
        assert all(one.is_signed_with(row["secret"]) for one in receiver.received)
        sent = {one.headers["webhook-id"] for one in receiver.received}
        assert len(receiver.received) >= len(sent) + 1, "what was refused came again under its id"
        off = {"enabled": False, "reason": "the test is over"}
        assert (await olga.patch(f"/v1/admin/webhooks/{row['id']}", json=off)).status_code == 200
