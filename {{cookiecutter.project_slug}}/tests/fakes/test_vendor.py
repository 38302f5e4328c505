"""The fake is verified: vendors' own SDKs understand it, and it runs alone."""

import asyncio
import json
import math
import subprocess
import sys
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import pytest
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


CHAT = "/v1/chat/completions"
TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


async def test_plans_by_name_do_not_mix_however_calls_interleave(vendor: RunningVendor) -> None:
    marks = [vendor.plan("one", "500", "say=first"), vendor.plan("two", "say=second")]
    async with httpx2.AsyncClient(base_url=vendor.url) as client:
        await client.post("/_plans", json={"three": ["429"]})
        words = [*marks, *marks, "[[plan:three]]", "no name"]
        got = await asyncio.gather(*(client.post(CHAT, json=asking(word)) for word in words))
        unknown = await client.post("/_plans", json={"four": ["explode"]})
    assert sorted(reply.status_code for reply in got) == [200, 200, 200, 200, 429, 500]
    said = [reply.json()["choices"][0]["message"]["content"] for reply in got if reply.status_code == 200]
    assert {"first", "second"} <= set(said)
    assert unknown.status_code == 422 and "'explode' is not among ok, malformed" in unknown.json()["error"]


async def test_a_plan_can_be_for_one_model_and_last_for_ever(vendor: RunningVendor) -> None:
    mark = vendor.plan("sick", "400")
    vendor.plan("sick@m", "500*")
    async with httpx2.AsyncClient(base_url=vendor.url) as client:
        lasting = [(await client.post(CHAT, json=asking(mark))).status_code for _ in range(3)]
        others = [(await client.post(CHAT, json={**asking(mark), "model": "n"})).status_code for _ in range(2)]
    assert (lasting, others) == ([500, 500, 500], [400, 200])


async def test_chance_deals_the_same_faults_to_the_same_names_in_any_order(vendor: RunningVendor) -> None:
    dealt = []
    async with httpx2.AsyncClient(base_url=vendor.url) as client:
        for order in (range(60), reversed(range(60))):
            await client.post("/_chaos", json={"share": 0.3, "seed": 7, "faults": ["500", "400"]})
            found = {n: (await client.post(CHAT, json=asking(f"[[plan:c-{n}]]"))).status_code for n in order}
            dealt.append(found)
    assert dealt[0] == dealt[1]
    assert 6 < sum(status != 200 for status in dealt[0].values()) < 32


async def test_a_retry_after_comes_in_seconds_or_as_a_date(vendor: RunningVendor) -> None:
    vendor.will("429:retry-after=2", "429:retry-after=date+5")
    async with httpx2.AsyncClient(base_url=vendor.url) as client:
        seconds, date = [(await client.post(CHAT, json=asking("x"))).headers for _ in range(2)]
    assert seconds["retry-after"] == "2"
    assert parsedate_to_datetime(date["retry-after"]).tzinfo is not None


async def test_vectors_have_length_one_and_texts_of_one_subject_lie_close(vendor: RunningVendor) -> None:
    texts = ["How many days of annual leave do I get?", "days of annual leave", "the price of a gateway"]
    async with AsyncOpenAI(api_key="k", base_url=f"{vendor.url}/v1") as client:
        found = await client.embeddings.create(model="e", input=texts)
        short = await client.embeddings.create(model="e", input=texts[0], dimensions=64, encoding_format="float")
        names = [model.id async for model in client.models.list()]
    leave, same, other = (item.embedding for item in found.data)
    assert len(leave) == 256 and len(short.data[0].embedding) == 64
    assert math.isclose(sum(value * value for value in leave), 1.0, rel_tol=1e-5)
    near, far = (sum(a * b for a, b in zip(leave, one, strict=True)) for one in (same, other))
    assert near > 0.9 > 0.3 > far
    assert found.usage.prompt_tokens > 5 and "fake-embedder" in names


async def test_openai_tools_are_called_whole_and_streamed_and_their_result_is_quoted(vendor: RunningVendor) -> None:
    mark = vendor.plan("t", *['tool=find:{"word": "leave"}'] * 2)
    async with AsyncOpenAI(api_key="k", base_url=f"{vendor.url}/v1") as client:
        ask: Any = client.chat.completions.create
        whole = (await ask(**asking(mark, tools=TOOLS))).choices[0]
        pieces = [piece async for piece in await ask(**asking(mark, tools=TOOLS, stream=True)) if piece.choices]
        messages = [*asking(mark)["messages"], whole.message.model_dump(exclude_none=True)]
        messages.append({"role": "tool", "tool_call_id": whole.message.tool_calls[0].id, "content": "25 days"})
        told = (await ask(model="m", messages=messages, tools=TOOLS)).choices[0].message.content
    called = [call for piece in pieces for call in piece.choices[0].delta.tool_calls or ()]
    for call in (*whole.message.tool_calls, *called):
        assert (call.function.name, json.loads(call.function.arguments)) == ("find", {"word": "leave"})
    assert whole.finish_reason == pieces[-1].choices[0].finish_reason == "tool_calls"
    assert told == "The tool said: 25 days"


async def test_anthropic_tools_are_called_whole_and_streamed_and_their_result_is_quoted(vendor: RunningVendor) -> None:
    mark = vendor.plan("t", *['tool=find:{"word": "leave"}'] * 2)
    more: Any = {"model": "m", "max_tokens": 9, "tools": [{"name": "find", "input_schema": {"type": "object"}}]}
    asked: Any = {"role": "user", "content": mark}
    async with AsyncAnthropic(api_key="k", base_url=vendor.url) as client:
        whole = await client.messages.create(messages=[asked], **more)
        async with client.messages.stream(messages=[asked], **more) as stream:
            streamed = await stream.get_final_message()
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "25 days"}
        said: Any = [asked, {"role": "assistant", "content": whole.content}, {"role": "user", "content": [result]}]
        told = await client.messages.create(messages=said, **more)
    for answer in (whole, streamed):
        assert answer.stop_reason == "tool_use"
        assert [(block.name, block.input) for block in answer.content] == [("find", {"word": "leave"})]
    assert told.content[0].text == "The tool said: 25 days"


async def test_what_was_read_before_is_cached_and_anthropic_wants_a_mark(vendor: RunningVendor) -> None:
    stable = "The same words at the start of each prompt. " * 20
    body = {**asking("Why?"), "max_tokens": 9}
    async with httpx2.AsyncClient(base_url=vendor.url) as client:
        openai = [(await client.post(CHAT, json=asking(stable + word))).json()["usage"] for word in ("a", "b")]
        plain = [(await client.post("/v1/messages", json={**body, "system": stable})).json() for _ in range(2)]
        system = [{"type": "text", "text": stable, "cache_control": {"type": "ephemeral"}}]
        marked = [(await client.post("/v1/messages", json={**body, "model": "n", "system": system})).json()["usage"]
                  for _ in range(2)]  # fmt: skip
    assert [usage["prompt_tokens_details"]["cached_tokens"] for usage in openai] == [0, 192]
    assert all(reply["usage"]["cache_read_input_tokens"] == 0 for reply in plain)
    assert [usage["cache_read_input_tokens"] for usage in marked] == [0, 192]
    assert [usage["cache_creation_input_tokens"] for usage in marked] == [192, 0]


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_the_bill_holds_what_was_accepted_and_says_whose_count_never_arrived(
    is_streamed: bool, vendor: RunningVendor
) -> None:
    mark = vendor.plan("b", "ok", "429", "cut", "malformed", "500", "refusal", "malformed_event", "trails_off")
    async with httpx2.AsyncClient(base_url=vendor.url) as client:
        for _ in range(8):
            try:
                await client.post(CHAT, json=asking(mark, stream=is_streamed))
            except httpx2.RemoteProtocolError:
                continue
    calls = vendor.bill("b")["calls"]
    assert [(call["fault"], call["delivered"]) for call in calls] == [
        ("ok", True), ("cut", False), ("malformed", False), ("refusal", True), ("malformed_event", False),
        ("trails_off", False),
    ]  # fmt: skip
    assert vendor.bill()["refused"] == {"429": 1, "500": 1}
    assert vendor.bill()["total"]["calls"] == 6 and vendor.bill()["total"]["undelivered"] == 4
    assert all(call["input"] > 0 for call in calls)


@pytest.mark.parametrize("plan", ["hang", "stall", "drip=5"])
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_it_notices_who_leaves(plan: str, is_streamed: bool, vendor: RunningVendor) -> None:
    mark = vendor.plan("leaving", plan)
    async with httpx2.AsyncClient(base_url=vendor.url, timeout=0.3) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.post(CHAT, json=asking(mark, stream=is_streamed))
    for _ in range(500):
        if vendor.state.disconnects:
            break
        await asyncio.sleep(0.01)
    assert vendor.state.disconnects == 1
    assert [call["delivered"] for call in vendor.bill("leaving")["calls"]] == [False]


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
