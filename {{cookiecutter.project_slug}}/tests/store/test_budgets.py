"""Budgets in the table: nothing is held twice, nothing is spent beyond the limit, and dead turns are counted once."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Call, Tape, Turn, Usage
from app.settings import ROOT
from app.store import admission, budgets, ledger
from app.store.admission import Terms
from app.store.budgets import BudgetSpent
from app.store.db import Database
from app.store.migrate import migrate
from tests.llm.turns import usecase

HELD = Decimal("0.05")
PLENTY = {"person": Decimal(1000), "unit": None, "usecase": Decimal(1000)}


@pytest.fixture
async def databases(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two pools, as two processes have them."""
    pair = Database(database_url, pool_size=10), Database(database_url, pool_size=10)
    yield pair
    for database in pair:
        await database.close()


@pytest.fixture
def database(databases: tuple[Database, Database]) -> Database:
    return databases[0]


def case():
    """A use case of its own, so that no other test draws on its budget."""
    return replace(usecase("extractive"), name=f"case_{uuid4().hex[:8]}")


def asked(of=None, **changes) -> Turn:
    known = {"usecase": of or case(), "principal": Principal("ada", unit=f"unit-{uuid4().hex[:8]}"), "question": "?"}
    return Turn(**{**known, **changes})


def spending(turn: Turn, *costs: str | None, outcome: Outcome = Outcome.ANSWERED_MODEL) -> Turn:
    made = [Call("standard", "openai", "m", "r", 1, Usage(5, 5, Decimal(cost) if cost else None)) for cost in costs]
    return turn.with_(tape=Tape(calls=made), outcome=outcome, screened="?")


async def reserve(database: Database, turn: Turn, amount=HELD, limits=PLENTY, hold_s=60.0) -> None:
    await admission.admit(database, turn, Terms(amount, limits, hold_s=hold_s, busy_s=hold_s, is_new=None))


async def record(database: Database, turn: Turn) -> bool:
    return await ledger.end(database, turn, None)


async def rows(database: Database, turn: Turn) -> dict[str, tuple[Decimal, Decimal]]:
    names = [turn.usecase.name, turn.principal.unit, f"{turn.usecase.name}/{turn.principal.user_id}"]
    async with database.work() as work:
        found = await work.sql("SELECT kind, spent, reserved FROM budgets WHERE name = ANY(:names)", names=names)
        return {row.kind: (row.spent, row.reserved) for row in found}


async def give_up(database: Database, turn: Turn) -> bool:
    async with database.work() as work:
        await work.sql(
            "UPDATE reservations SET expires_at = now() - interval '1 second' WHERE turn_id = :id", id=turn.id
        )
        (held,) = [held for held in await budgets.expired(work, most=10_000) if held.turn_id == turn.id]
        new = await ledger.give_up(work, held)
        if new:
            await budgets.give_up(work, turn.id)
    return new


@pytest.mark.proves("CST-2")
async def test_what_is_held_before_becomes_what_it_cost_afterwards(database: Database) -> None:
    turn = asked()
    await reserve(database, turn)
    assert await rows(database, turn) == dict.fromkeys(("person", "unit", "usecase"), (Decimal(0), HELD))

    await record(database, spending(turn, "0.011", "0.000000004", "0.000000004"))

    expected = Decimal("0.011")
    assert await rows(database, turn) == dict.fromkeys(("person", "unit", "usecase"), (expected, Decimal(0)))
    async with database.work() as work:
        told = (await work.sql("SELECT sum(cost_usd) FROM calls WHERE turn_id = :id", id=turn.id)).scalar_one()
    assert told == expected, "rounded like the ledger, call by call"


async def test_a_call_without_a_price_settles_at_nothing_and_frees_what_was_held(database: Database) -> None:
    turn = asked()
    await reserve(database, turn)
    await record(database, spending(turn, None, "0.01"))
    assert (await rows(database, turn))["usecase"] == (Decimal("0.01"), Decimal(0))


async def test_a_turn_that_held_nothing_settles_at_what_it_cost(database: Database) -> None:
    turn = asked()
    await reserve(database, turn, amount=Decimal(0))
    assert await rows(database, turn) == {}, "nothing is written where nothing can be spent"
    await record(database, spending(turn, "0.02"))
    assert (await rows(database, turn))["person"] == (Decimal("0.02"), Decimal(0))


@pytest.mark.parametrize(("channel", "kinds"), [("evaluation", ("unit", "usecase")), ("shadow", ("shadow",))])
async def test_what_the_team_runs_does_not_use_up_a_persons_day(
    database: Database, channel: str, kinds: tuple[str, ...]
) -> None:
    turn = asked(channel=channel)
    await reserve(database, turn)
    await record(database, spending(turn, "0.02"))
    assert await rows(database, turn) == dict.fromkeys(kinds, (Decimal("0.02"), Decimal(0)))


@pytest.mark.proves("CST-2")
@pytest.mark.parametrize("kind", ["person", "unit", "usecase"])
async def test_a_budget_without_room_is_named_and_nothing_stays_held(database: Database, kind: str) -> None:
    of, who = case(), Principal("ada", unit=f"unit-{uuid4().hex[:8]}")
    spent = asked(of, principal=who)
    await reserve(database, spent)
    await record(database, spending(spent, "0.06"))
    before = await rows(database, spent)
    refused = asked(of, principal=who)

    with pytest.raises(BudgetSpent) as told:
        await reserve(database, refused, limits={**PLENTY, kind: Decimal("0.10")})

    assert (told.value.kind, told.value.limit_usd) == (kind, Decimal("0.10"))
    assert (told.value.spent_usd, told.value.reserved_usd) == (Decimal("0.06"), Decimal(0))
    assert await rows(database, spent) == before
    async with database.work() as work:
        held = await work.sql("SELECT count(*) FROM reservations WHERE turn_id = :id", id=refused.id)
        assert held.scalar_one() == 0


@pytest.mark.proves("CST-2")
async def test_a_spent_budget_refuses_also_what_costs_nothing(database: Database) -> None:
    turn = asked()
    await record(database, spending(turn, "0.10"))
    again = asked(turn.usecase, principal=turn.principal)
    await reserve(database, again, amount=Decimal(0), limits={**PLENTY, "person": Decimal("0.11")})
    with pytest.raises(BudgetSpent):
        await reserve(database, again, amount=Decimal(0), limits={**PLENTY, "person": Decimal("0.10")})


async def test_a_new_day_and_a_new_month_begin_empty(database: Database) -> None:
    noon = datetime(2026, 3, 30, 12, tzinfo=UTC)
    turn = asked(started_at=noon)
    await record(database, spending(turn, "0.10"))
    refused = {}
    for hours in (11, 13, 35, 37):
        later = asked(turn.usecase, principal=turn.principal, started_at=noon + timedelta(hours=hours))
        for kind in ("person", "unit", "usecase"):
            try:
                await reserve(database, later, amount=Decimal(0), limits={**PLENTY, kind: Decimal("0.10")})
            except BudgetSpent as spent:
                refused.setdefault(hours, []).append(spent.kind)
    assert refused == {11: ["person", "unit", "usecase"], 13: ["unit", "usecase"], 35: ["unit", "usecase"]}


@pytest.mark.proves("CST-2", "REL-5")
async def test_of_many_at_once_from_two_processes_exactly_as_many_get_through_as_the_budget_allows(databases) -> None:
    of, who = case(), Principal("ada", unit="")
    turns = [asked(of, principal=who) for _ in range(40)]
    limits = {**PLENTY, "person": 7 * HELD}
    tried = [reserve(databases[place % 2], turn, limits=limits) for place, turn in enumerate(turns)]
    ends = await asyncio.gather(*tried, return_exceptions=True)
    assert sum(end is None for end in ends) == 7
    assert sum(isinstance(end, BudgetSpent) for end in ends) == 33
    assert (await rows(databases[0], turns[0]))["person"] == (Decimal(0), 7 * HELD)


@pytest.mark.proves("CST-2")
async def test_whatever_happens_to_turns_the_budgets_are_the_sums_of_the_ledger(databases) -> None:
    """Answers, failures, unpriced calls, deaths, and dead turns that come back, from two pools at once."""
    chance = random.Random(7)
    of = case()
    people = [Principal(f"p{n}", unit=f"{of.name}-{n % 2}") for n in range(4)]

    async def live(place: int) -> None:
        database, end = databases[place % 2], chance.choice(["good", "unpriced", "failed", "dead", "late", "free"])
        turn = asked(of, principal=people[place % 4], channel=chance.choice(["api", "job", "shadow"]))
        costs = [f"0.0{chance.randrange(1, 99_999_999):08}" for _ in range(chance.randrange(1, 4))]
        amount = Decimal(0) if end == "free" else HELD
        try:
            await reserve(database, turn, amount=amount, limits={**PLENTY, "usecase": Decimal("2.5")})
        except BudgetSpent:
            return
        if end in ("dead", "late"):
            assert await give_up(database, turn)
        if end != "dead":
            made = [None, *costs] if end == "unpriced" else [] if end == "free" else costs
            assert await record(database, spending(turn, *made)) is (end != "late")

    await asyncio.gather(*(live(place) for place in range(120)))

    async with databases[0].work() as work:
        person = "usecase || '/' || user_id"
        for kind, column in (("usecase", "usecase"), ("unit", "unit"), ("person", person), ("shadow", "usecase")):
            mine = "channel = 'shadow'" if kind == "shadow" else "channel <> 'shadow'"
            sums = await work.sql(
                f"SELECT name, sum(usd) AS usd FROM (SELECT {column} AS name, channel, c.cost_usd AS usd FROM turns t"
                " JOIN (SELECT turn_id, cost_usd FROM calls WHERE cost_usd IS NOT NULL) c ON c.turn_id = t.id"
                " WHERE usecase = :usecase"
                f" UNION ALL SELECT {column}, channel, amount FROM reservations"
                f" WHERE usecase = :usecase AND abandoned_at IS NOT NULL) told WHERE {mine} GROUP BY name",
                usecase=of.name,
            )
            kept = await work.sql(
                "SELECT name, spent, reserved FROM budgets WHERE kind = :kind AND name LIKE :mine AND spent <> 0",
                kind=kind,
                mine=f"{of.name}%",
            )
            found = {row.name: row.spent for row in kept}
            assert found == {row.name: row.usd for row in sums if row.usd}
            assert found
        held = await work.sql("SELECT sum(reserved) FROM budgets WHERE name LIKE :mine", mine=f"{of.name}%")
        assert held.scalar_one() == 0


@pytest.mark.proves("CST-2")
async def test_a_dead_turn_is_counted_at_what_it_held_and_has_its_row(database: Database) -> None:
    turn = asked()
    await reserve(database, turn)
    assert await give_up(database, turn)
    assert (await rows(database, turn))["usecase"] == (HELD, Decimal(0))
    async with database.work() as work:
        story = await ledger.story(work, turn.id, user_id="ada")
    assert (story["outcome"], story["cost_usd"], story["question"]) == ("failed_abandoned", None, "")
    assert "$0.05" in story["reason"]


async def test_a_dead_turn_that_comes_back_is_counted_at_its_true_cost_and_keeps_its_row(database: Database) -> None:
    turn = asked()
    await reserve(database, turn)
    await give_up(database, turn)

    assert await record(database, spending(turn, "0.01")) is False

    assert await rows(database, turn) == dict.fromkeys(("person", "unit", "usecase"), (Decimal("0.01"), Decimal(0)))
    async with database.work() as work:
        story = await ledger.story(work, turn.id, user_id="ada")
    assert story["outcome"] == "failed_abandoned" and [call["cost_usd"] for call in story["calls"]] == [Decimal("0.01")]


async def test_the_migration_counts_what_the_ledger_already_knows(empty_database_url: str) -> None:
    migrate(empty_database_url)
    database = Database(empty_database_url)
    turns = [asked(channel=channel) for channel in ("api", "evaluation")]
    for turn in turns:
        await record(database, spending(turn, "0.03", None))
    before = [await rows(database, turn) for turn in turns]
    await database.close()
    folder = ROOT / "migrations" / "platform"
    with psycopg.connect(empty_database_url, autocommit=True) as owner:
        owner.execute((folder / "0004_budgets_down.sql").read_text())
        owner.execute((folder / "0004_budgets.sql").read_text())
    again = Database(empty_database_url)
    assert [await rows(again, turn) for turn in turns] == before
    assert [set(found) for found in before] == [{"person", "unit", "usecase"}, {"unit", "usecase"}]
    await again.close()


async def test_days_of_persons_that_are_long_over_are_forgotten(database: Database) -> None:
    turn = asked(started_at=datetime.now(UTC) - timedelta(days=100))
    await record(database, spending(turn, "0.03"))
    async with database.work() as work:
        await budgets.forget(work, older_than_days=62)
    assert set(await rows(database, turn)) == {"unit", "usecase"}


@pytest.mark.proves("CST-2")
async def test_of_two_processes_that_see_the_share_passed_only_one_may_warn(databases) -> None:
    turn = asked()
    await record(databases[0], spending(turn, "0.03"))

    async def warn(database: Database) -> bool:
        async with database.work() as work:
            (mine,) = [one for one in await budgets.standings(work) if one.name == turn.usecase.name]
            return await budgets.warn(work, mine)

    assert sorted(await asyncio.gather(*map(warn, databases))) == [False, True]
