"""A vendor's outage through the public door: turns go on by the next rung, operators see it, and it ends by itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio

from app.llm.doorway import HELD_BACK
from tests.api.asking import LEAVE, ask
from tests.api.serving import PATIENCE_S, Served, serving
from tests.conftest import make_settings
from tests.fakes.fixtures import RunningVendor

CONTRACTS = {"handbook": {"latency.timeout_s": 30, "cache.fresh_s": 0, "cache.stale_s": 0}}
As = Callable[[str], dict[str, str]]


@pytest.fixture
def model() -> str:
    """A model of the test's own: what its breaker knows is no other test's business."""
    return f"tiny-{uuid4().hex[:8]}"


@pytest_asyncio.fixture(loop_scope="session")
async def two(
    service: object, database_url: str, redis_url: str, vendor: RunningVendor, model: str
) -> AsyncIterator[tuple[Served, Served]]:
    """Two services over the same engines, as two processes of one: they share nothing but PostgreSQL and Redis."""
    known = {
        "model_provider": "openai_compatible",
        "openai_compatible_base_url": f"{vendor.url}/v1",
        "openai_compatible_model": model,
    }
    settings = make_settings(database_url, redis_url, **known)
    async with serving(settings, CONTRACTS) as one, serving(settings, CONTRACTS) as other:
        yield one, other


async def told(at: Served, who: dict[str, str]) -> dict[str, Any]:
    """Ask; gives the ledger's row of the turn."""
    async with httpx2.AsyncClient(base_url=at.url, timeout=PATIENCE_S) as client:
        return await at.story((await ask(client, who, LEAVE)).json()["turn_id"])


async def public(at: Served, path: str) -> str:
    async with httpx2.AsyncClient(base_url=at.url, timeout=PATIENCE_S) as client:
        response = await client.get(path)
        assert response.status_code == 200, response.text
        return response.text


@pytest.mark.proves("REL-2", "REL-7", "REL-9", "OBS-4")
async def test_an_outage_is_left_alone_by_all_processes_shown_and_over_by_itself(
    two: tuple[Served, Served], vendor: RunningVendor, model: str, as_: As
) -> None:
    one, other = two
    vendor.will("503*")
    rows = [await told(one, as_("sam.reyes")) for _ in range(4)]
    assert vendor.state.count == 5
    assert [len(row["calls"]) for row in rows] == [3, 2, 0, 0]
    assert {row["outcome"] for row in rows} == {"answered_extractive"}
    elsewhere = await told(other, as_("sam.reyes"))
    assert elsewhere["skipped"] == [{"rung": "standard", "reason": HELD_BACK}]
    for at in two:
        assert f"calls of openai_compatible:{model} are held back" in await public(at, "/health/ready")
    gauge = f'model_breaker_open{{model="{model}",provider="openai_compatible"}}'
    assert f"{gauge} 1.0" in await public(one, "/metrics")
    assert f'model_retries_total{{model="{model}",provider="openai_compatible"}} 3.0' in await public(one, "/metrics")

    vendor.state.plan.clear()
    async with asyncio.timeout(PATIENCE_S):
        while (await told(other, as_("sam.reyes")))["rung"] != "standard":  # noqa: ASYNC110  nothing tells when it is over
            await asyncio.sleep(0.2)
    assert (await told(one, as_("sam.reyes")))["rung"] == "standard"
    for at in two:
        assert "held back" not in await public(at, "/health/ready")
    assert f"{gauge} 0.0" in await public(one, "/metrics")


@pytest.mark.proves("OBS-1", "CST-1")
async def test_the_row_of_a_call_says_why_it_was_made_what_it_waited_and_where_its_price_is_from(
    two: tuple[Served, Served], vendor: RunningVendor, as_: As
) -> None:
    row = await told(two[0], as_("sam.reyes"))
    (call,) = row["calls"]
    assert (call["purpose"], call["price"], call["cost_usd"]) == ("answer", "unpriced", None)
    assert call["wait_ms"] >= 0
    assert row["cost_usd"] is None, "one call without a price leaves the turn without one"
