"""The page about money."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import insert

from app.store.tables import calls, turns
from app.wiring.service import Service
from tests.accounts import Office, office
from tests.console.conftest import Seen

COSTS = "/console/costs"


@pytest.fixture
async def books(database_copy: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """A service of its own, in whose ledger nothing stands yet: every number of the page is this test's."""
    async with office(database_copy, redis_url, tmp_path) as made:
        yield made


async def spend(service: Service, person: str, usd: str, *, unit: str = "", channel: str = "api") -> None:
    """Write a turn with one call into the ledger; the cache saved a fifth of a cent."""
    at, id = datetime.now(UTC) - timedelta(seconds=1), uuid4()
    row = {"usecase": "handbook", "user_id": person, "unit": unit, "started_at": at, "cost_usd": Decimal(usd)}
    turn = {**row, "id": id, "channel": channel, "outcome": "answered_model", "question": "?", "latency_ms": 1.0}
    turn |= {"saved_usd": Decimal("0.002")}
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


def cells(text: str, section: str, row: str) -> list[str]:
    """Give the numbers of the row that begins so, in the section of this id."""
    _, _, after = text.partition(f'<h2 id="{section}"')
    found = re.search(rf'<th scope="row">(?:<a [^>]*>)?{re.escape(row)}<.*?</tr>', after, re.DOTALL)
    assert found, row
    return re.findall(r'<td class="[^"]*">([^<]+)', found[0])


@pytest.mark.proves("CST-3", "CST-6")
async def test_value_return_savings_and_forecast_are_the_numbers_of_the_ledger(books: Office, seen: Seen) -> None:
    for _ in range(100):
        await spend(books.service, "sam.reyes", "0.01")
    text = (await books.door.get(COSTS, headers=seen("olga.petrov"))).text
    figures = dict(re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^<]+)", text))
    # The contract of the handbook: an answer is worth $1.50, 500 a day are expected, a month may cost $300.
    spent = {"Spent": "$1.00", "A turn": "$0.01000", "Turns": "100", "Saved": "$0.20000"}
    assert figures == {**spent, "Value": "$150.00", "Return": "+149.0 ×"}
    worth = ["100", "100", "0", "$150.00", "$1.00", "$149.00", "+149.0 ×", "$0.20000", "$0.00"]
    assert cells(text, "worth", "Handbook") == worth
    month = cells(text, "months", "Handbook")
    assert (month[0], month[3], month[4].strip()) == ("$1.00", "$300.00", "0.3333 %")
    a_turn, expected, peak, five, ten, budget, basis = cells(text, "forecast", "Handbook")
    assert (a_turn, expected, five, ten, budget) == ("$0.01000", "$152.00", "$760.00", "$1,520.00", "$300.00")
    assert peak == "$3,168.00" and basis.startswith("ledger")


async def test_a_share_is_of_all_that_was_spent_and_not_of_the_rows_shown(books: Office, seen: Seen) -> None:
    for place in range(51):
        await spend(books.service, f"spender.{place:02}", "1")
    await spend(books.service, "spender.00", "51", channel="evaluation")
    text = (await books.door.get(COSTS, params={"by": "user"}, headers=seen("olga.petrov"))).text
    assert cells(text, "by", "spender.07")[:2] == ["$1.00", "0.9804 %"] and "2 more spent less" in text
    # Asked in this person's name, and not by them.
    assert cells(text, "by", "spender.00")[:3] == ["$1.00", "0.9804 %", "1"]
    assert cells(text, "by", "nobody: evaluations and shadows")[:3] == ["$51.00", "50 %", "1"]


async def test_who_may_not_read_costs_sees_none(client: httpx2.AsyncClient, seen: Seen) -> None:
    assert (await client.get(COSTS, headers=seen("hana.lind"))).status_code == 403
    page = await client.get(COSTS, params={"days": "12"}, headers=seen("olga.petrov"))
    assert page.status_code == 422
