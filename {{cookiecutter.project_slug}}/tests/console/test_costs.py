"""The page about money."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import insert

from app.store.tables import calls, turns
from app.wiring.service import Service
from tests.console.conftest import Seen

COSTS = "/console/costs"


async def spend(service: Service, person: str, usd: str, *, unit: str = "") -> None:
    """Write a turn with one call into the ledger."""
    at, id = datetime.now(UTC) - timedelta(seconds=1), uuid4()
    row = {"usecase": "handbook", "user_id": person, "unit": unit, "started_at": at, "cost_usd": Decimal(usd)}
    turn = {**row, "id": id, "channel": "api", "outcome": "answered_model", "question": "?", "latency_ms": 1.0}
    call = {**row, "id": uuid4(), "turn_id": id, "rung": "standard", "provider": "openai", "model": "gpt-x"}
    call |= {"revision": "r", "attempt": 1, "latency_ms": 1.0, "input_tokens": 9, "output_tokens": 9}
    async with service.database.work() as work:
        await work.run(insert(turns), turn)
        await work.run(insert(calls), call)


@pytest.mark.proves("CST-3", "CST-6")
async def test_money_is_told_by_whoever_caused_it_with_value_month_and_forecast(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    person, unit = f"spender.{uuid4().hex[:6]}", f"Unit {uuid4().hex[:6]}"
    await spend(service, person, "3.21", unit=unit)
    olga = seen("olga.petrov")
    for by, name in (("user", person), ("unit", unit), ("usecase", "handbook"), ("model", "openai:gpt-x")):
        page = await client.get(COSTS, params={"days": "1", "by": by}, headers=olga)
        assert page.status_code == 200 and name in page.text, by
        assert "$3.21" in page.text or by in ("usecase", "model")
    text = (await client.get(COSTS, headers=olga)).text
    for shown in ("Spent", "Value", "Return", "Cost per day", "<svg", "This month", "A month at other volumes", "10x"):
        assert shown in text, shown


async def test_who_may_not_read_costs_sees_none(client: httpx2.AsyncClient, seen: Seen) -> None:
    assert (await client.get(COSTS, headers=seen("hana.lind"))).status_code == 403
    page = await client.get(COSTS, params={"days": "12"}, headers=seen("olga.petrov"))
    assert page.status_code == 422
