"""Cost spikes: whose spending suddenly rises may not ask for a while; everybody else may."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import insert

from app.control.allowed import Spike
from app.control.restrictions import Restrictions
from app.store import restrictions as table
from app.store.broadcast import Broadcast
from app.store.db import Database
from app.store.tables import turns
from app.work.spikes import SpikeKeeper

pytestmark = pytest.mark.proves("REL-5")
# The samples' month is 300 dollars.
RULE = Spike(window_minutes=15, times=4, least_usd=Decimal(1), month_share=0.1, minutes=30)


@pytest.fixture
async def keeper(service, database_copy, redis_url):
    """The rule over a database in which nobody else spends."""
    database, broadcast = Database(database_copy, pool_size=4), Broadcast(redis_url)
    restrictions = Restrictions(database, broadcast, poll_s=60)
    yield SpikeKeeper(database, service.usecases, RULE, restrictions)
    await broadcast.close()
    await database.close()


@pytest.fixture
def spend(keeper):
    """Write turns into the ledger as if they had cost so much, so many minutes ago."""

    async def spent(user, usd, *, ago=1.0, **more):
        row = {
            "id": uuid4(), "started_at": datetime.now(UTC) - timedelta(minutes=ago), "usecase": "handbook",
            "channel": "api", "user_id": user, "unit": "", "outcome": "answered_model", "reason": "",
            "question": "?", "latency_ms": 1.0, "cost_usd": Decimal(str(usd)), "trace_id": "", **more,
        }  # fmt: skip
        async with keeper.database.work() as work:
            await work.run(insert(turns), row)

    return spent


async def subjects(keeper):
    return {one.subject: one.reason for one in await keeper.look()}


async def test_a_sudden_rise_above_the_usual_hour_restricts_that_person_alone(keeper, spend):
    for hour in range(24, 48):
        await spend("ada", "2", ago=60 * hour)
        await spend("bob", "2", ago=60 * hour)
    await spend("ada", "9")
    await spend("bob", "7")
    found = await subjects(keeper)
    assert set(found) == {"user:ada"} and "4.5 times a usual hour ($2.00)" in found["user:ada"]
    async with keeper.database.work() as work:
        (standing,) = await table.standing(work)
    assert (standing.cause, standing.what, standing.set_by) == ("spike", "ask", "spike-rule")
    minutes = (standing.until - standing.created_at).total_seconds() / 60
    assert 29 < minutes < 31


async def test_whoever_never_spent_anything_has_the_least_as_their_usual_hour(keeper, spend):
    await spend("new", "3.90")
    assert await subjects(keeper) == {}
    await spend("new", "0.20")
    assert set(await subjects(keeper)) == {"user:new"}


async def test_a_share_of_the_months_budget_within_minutes_is_too_much_for_anybody(keeper, spend):
    for hour in range(24, 48):
        await spend("rich", "20", ago=60 * hour)
    await spend("rich", "31")
    assert "10% of the month's budget of handbook" in (await subjects(keeper))["user:rich"]


async def test_many_small_sums_over_several_use_cases_add_up(keeper, spend):
    for usecase in ("handbook", "forms", "triage", "agent", "cached"):
        await spend("spread", "1.10", usecase=usecase)
    assert set(await subjects(keeper)) == {"user:spread"}


async def test_a_key_is_restricted_and_not_the_person_behind_it(keeper, spend):
    await spend("ada", "50", key_id="k1")
    await spend("ada", "1")
    assert set(await subjects(keeper)) == {"key:k1"}


async def test_what_the_team_runs_by_itself_is_nobodys_spending(keeper, spend):
    await spend("ada", "50", channel="evaluation")
    await spend("ada", "50", channel="shadow")
    assert await subjects(keeper) == {}


async def test_queued_work_counts(keeper, spend):
    await spend("ada", "50", channel="job")
    assert set(await subjects(keeper)) == {"user:ada"}


async def test_spending_of_before_is_over(keeper, spend):
    await spend("ada", "50", ago=20)
    assert await subjects(keeper) == {}


async def test_nobody_is_restricted_twice_for_the_same_money(keeper, spend):
    await spend("ada", "50")
    assert set(await subjects(keeper)) == {"user:ada"}
    assert await subjects(keeper) == {}
    async with keeper.database.work() as work:
        (standing,) = await table.standing(work)
    await keeper.restrictions.lift(standing.id, by="olga", because="honest work")
    assert await subjects(keeper) == {}
    await spend("ada", "50", ago=0)
    assert set(await subjects(keeper)) == {"user:ada"}


async def test_two_keepers_at_once_restrict_once(keeper, spend):
    await spend("ada", "50")
    made = await asyncio.gather(*(keeper.look() for _ in range(3)))
    assert sorted(len(each) for each in made) == [0, 0, 1]


async def test_a_project_may_turn_it_off(keeper, spend):
    await spend("ada", "50")
    off = SpikeKeeper(keeper.database, keeper.usecases, RULE.model_copy(update={"enabled": False}), keeper.restrictions)
    assert await off.look() == []
