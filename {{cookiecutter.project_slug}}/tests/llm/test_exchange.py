"""What goes to a vendor and comes back: every part bounded in time, left at once, and read from its cache."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.domain.turn import Skip
from app.llm.prompts import Prompt
from app.llm.resilience import CallLimits
from tests.fakes.fixtures import RunningVendor
from tests.llm.asks import GENEROUS_S, LADDER, ONCE, ask, until
from tests.llm.conftest import PROVIDERS, Build, Shown
from tests.llm.turns import answer_prompt, turn


@pytest.mark.proves("LAT-5")
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_silence_in_the_middle_of_a_stream_is_a_timeout(
    provider: str, build: Build, vendor: RunningVendor, shown: Shown
) -> None:
    vendor.will("stall")
    gateway = build(provider, limits=CallLimits(idle_s=0.3))
    asked = await ask(gateway, shown=shown, seconds=60)
    assert asked.tape.skipped == [Skip("standard", "timeout")]
    # By its silence, not by the time limit of the whole call (20 s).
    assert asked.tape.calls[0].latency_ms < 15_000
    assert asked.tape.calls[0].first_token_ms is not None
    assert asked.tape.calls[0].usage.cost_usd is None


async def test_a_slow_listener_is_not_the_vendors_silence(build: Build, vendor: RunningVendor) -> None:
    vendor.will("drip=0.05")  # so that it does not come all at once

    async def slow(delta: object) -> None:
        await asyncio.sleep(0.25)

    asked = turn(*LADDER, listener=slow)
    gateway = build(limits=CallLimits(first_token_s=5, idle_s=0.2))
    assert (await gateway.answer(asked, answer_prompt())).rung == "standard"


@pytest.mark.proves("LAT-5")
async def test_the_whole_call_has_a_limit_however_steadily_it_streams(
    build: Build, vendor: RunningVendor, shown: Shown
) -> None:
    vendor.state.tokens_per_s = 4
    asked = await ask(build(limits=CallLimits(model_timeout_s=0.8, first_token_s=5)), shown=shown)
    assert asked.tape.skipped == [Skip("standard", "timeout")]


@pytest.mark.proves("LAT-5")
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("fault", "listens"), [("hang", False), ("hang", True), ("stall", True), ("drip=0.2", True)])
async def test_a_client_who_leaves_ends_the_call_at_the_vendor(
    provider: str, fault: str, listens: bool, build: Build, vendor: RunningVendor
) -> None:
    vendor.will(fault)
    shown, gateway = Shown(), build(provider, limits=CallLimits(first_token_s=GENEROUS_S, idle_s=GENEROUS_S))
    asked = turn(*LADDER, listener=shown if listens else None)
    task = asyncio.create_task(gateway.answer(asked, answer_prompt()))
    await until(lambda: vendor.state.count and (fault == "hang" or shown.pieces))
    assert not vendor.state.disconnects
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: vendor.state.disconnects == 1)
    assert [call.error for call in asked.tape.calls] == ["cancelled"]


@pytest.mark.parametrize("fault", ["hang", "stall"])
async def test_a_call_that_ran_out_of_time_ends_at_the_vendor_too(
    fault: str, build: Build, vendor: RunningVendor, shown: Shown
) -> None:
    vendor.will(fault)
    asked = await ask(build(limits=ONCE), shown=shown)
    await until(lambda: vendor.state.disconnects == 1)
    assert [call.error for call in asked.tape.calls] == ["timeout"]


@pytest.mark.proves("LAT-4", "CST-1")
@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_the_vendor_reads_the_stable_part_from_its_cache_and_charges_less(
    provider: str, listens: bool, build: Build, vendor: RunningVendor
) -> None:
    gateway = build(provider)
    prompt = long_prompt()
    asked = []
    for question in ("How many days?", "Who decides?"):
        asked.append(turn(*LADDER, question=question, listener=Shown() if listens else None))
        await gateway.answer(asked[-1], prompt)
    first, second = (one.tape.calls[0] for one in asked)
    assert first.usage.cached_tokens == 0
    assert second.usage.cached_tokens > 1000
    assert second.usage.input_tokens == pytest.approx(first.usage.input_tokens, abs=20)
    assert first.usage.cost_usd is not None and second.usage.cost_usd is not None
    assert second.usage.cost_usd < first.usage.cost_usd / 2
    assert first.price == second.price == "list"
    assert [stable(provider, body) for body in vendor.requests] == [prompt.system] * 2


def long_prompt() -> Prompt:
    prompt = answer_prompt()
    return replace(prompt, system=prompt.system + "\n" + "Weigh every word. " * 400)


def stable(provider: str, body: dict[str, Any]) -> Any:
    """Give what stands first on the wire, marked for the cache as this vendor wants it."""
    if provider == "openai":
        assert body["prompt_cache_key"] == "answer.v1"
        first = body["messages"][0]
        assert first["role"] in ("system", "developer")
        content = first["content"]
        return content if isinstance(content, str) else content[-1]["text"]
    (only,) = body["system"]
    assert only["cache_control"]["type"] == "ephemeral"
    return only["text"]
