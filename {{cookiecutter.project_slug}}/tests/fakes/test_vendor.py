"""The fake is verified: vendors' own SDKs understand it, and it runs alone."""

import subprocess
import sys

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from app.settings import ROOT
from tests.fakes.fixtures import RunningVendor


async def test_openais_own_client_understands_it(vendor: RunningVendor) -> None:
    async with AsyncOpenAI(api_key="k", base_url=f"{vendor.url}/v1") as client:
        whole = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hello"}])
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        chunks = [chunk async for chunk in stream]
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage or chunks[-1].usage is not None


async def test_anthropics_own_client_understands_it(vendor: RunningVendor) -> None:
    async with AsyncAnthropic(api_key="k", base_url=vendor.url) as client:
        whole = await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])
        async with client.messages.stream(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]
        ) as stream:
            streamed = await stream.get_final_message()
    assert [block.model_dump()["text"] for block in streamed.content] == [
        block.model_dump()["text"] for block in whole.content
    ]
    assert streamed.usage.output_tokens == whole.usage.output_tokens > 0


async def test_faults_are_used_up_in_order_and_calls_are_counted(vendor: RunningVendor) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    async with httpx2.AsyncClient(base_url=vendor.url) as client:
        await client.post("/_faults", json={"plan": ["429:retry-after=7", "500", "ok"]})
        replies = [await client.post("/v1/chat/completions", json=body) for _ in range(4)]
        seen = (await client.get("/_calls")).json()
        await client.delete("/_calls")
        assert (await client.get("/_calls")).json()["count"] == 0
    assert [reply.status_code for reply in replies] == [429, 500, 200, 200]
    assert replies[0].headers["retry-after"] == "7"
    assert (seen["count"], seen["plan"], seen["requests"][0]) == (4, [], body)


def test_it_runs_alone_and_says_where() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.vendor", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx2.Client(transport=httpx2.HTTPTransport(retries=5)) as client:
            assert client.get(f"{url}/_calls", timeout=10).json()["count"] == 0
    finally:
        process.terminate()
        process.wait(timeout=10)
