"""Fifty ask the same at once, at two real processes: the model is asked once, and a death in between is survived."""

import asyncio
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from app.settings import ROOT
from ops.drills.stack import Stack
from ops.local.parts import app
from ops.local.processes import free_port
from tests.conftest import SECRET

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stampede")]
AT_ONCE = 50
PATIENCE_S = 60.0


@dataclass
class Pair:
    """Two API processes over one database and one Redis."""

    stack: Stack
    urls: list[str]

    async def ask(self, number, headers, question):
        async with httpx2.AsyncClient(base_url=self.urls[number % 2], timeout=PATIENCE_S) as client:
            return await client.post("/v1/usecases/cached/turns", json={"question": question}, headers=headers)


@pytest.fixture(scope="module")
def pair(vendor_server):
    with tempfile.TemporaryDirectory(prefix="pair-", ignore_cleanup_errors=True) as folder:
        changes = {
            "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
            "APP_SECRET_KEY": SECRET,
            "APP_MODEL_PROVIDER": "openai",
            "OPENAI_API_KEY": "k",
            "OPENAI_BASE_URL": f"{vendor_server.url}/v1",
        }
        stack, second = Stack(Path(folder), changes, parts=("api", "worker-documents")), None
        try:
            stack.start()
            assert stack.run("ingest").returncode == 0
            port = free_port()
            with (Path(folder) / "second.log").open("ab") as log:
                env = {**stack.env, "APP_PORT": str(port)}
                second = subprocess.Popen(app("serve"), env=env, stdout=log, stderr=log, start_new_session=True)
            urls = [stack.url, f"http://127.0.0.1:{port}"]
            wait_ready(urls[1])
            yield Pair(stack, urls)
        finally:
            if second:
                os.killpg(second.pid, 15)
                second.wait(timeout=PATIENCE_S)
            stack.stop()


def wait_ready(url):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            if httpx2.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} is not ready")


@pytest.fixture
def question():
    return f"How many days of annual leave do employees have in year {uuid4().int % 10**9}?"


@pytest.mark.proves("LAT-4", "CST-5")
async def test_fifty_at_two_processes_cost_one_call(pair, vendor, token, question):
    vendor.state.latency_s = 2.0
    headers = {"Authorization": f"Bearer {token('sam.reyes')}"}
    answers = await asyncio.gather(*(pair.ask(number, headers, question) for number in range(AT_ONCE)))

    assert [answer.status_code for answer in answers] == [200] * AT_ONCE
    assert len(vendor.requests) == 1
    bodies = [answer.json() for answer in answers]
    assert sorted(body["outcome"] for body in bodies) == ["answered_cached"] * (AT_ONCE - 1) + ["answered_model"]
    assert len({body["answer"] for body in bodies}) == 1 and all(body["citations"] for body in bodies)


@pytest.mark.proves("LAT-4")
async def test_when_the_process_that_answers_is_killed_the_other_one_answers(pair, vendor, token, question):
    vendor.will("hang=30")
    headers = {"Authorization": f"Bearer {token('sam.reyes')}"}
    leading = asyncio.create_task(pair.ask(0, headers, question))
    for _ in range(3000):
        if vendor.requests:
            break
        await asyncio.sleep(0.02)
    following = [asyncio.create_task(pair.ask(1, headers, question)) for _ in range(10)]
    await asyncio.sleep(0.5)
    pair.stack.kill("api")
    answers = [answer.json() for answer in await asyncio.gather(*following)]

    with pytest.raises(httpx2.HTTPError):
        await leading
    assert sorted(answer["outcome"] for answer in answers) == ["answered_cached"] * 9 + ["answered_model"]
    assert len(vendor.requests) == 2
