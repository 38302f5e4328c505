"""What is older than it may be goes, what is held stays, and what it cost is still known."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from app.domain.keeping import Days, Keeping
from app.store import costs, holds
from app.store.db import Database
from app.store.holds import Hold
from app.work.audit import AuditKeeper
from app.work.outbox import Relay
from app.work.retention import Retention

NOW = datetime.now(UTC)
SHORT, LONG = "short", "long"


@dataclass
class House:
    """A database of its own, its owner's connection, and retention over two use cases."""

    database: Database
    keeper: Database
    retention: Retention
    owner: psycopg.AsyncConnection[Any]

    async def turn(self, usecase: str, *, days: float, person: str = "sam", cost: str = "0.5") -> UUID:
        """Write a turn with one call, so many days ago, as the ledger's function would."""
        id, at = uuid4(), NOW - timedelta(days=days)
        await self.owner.execute(
            "INSERT INTO turns (id, started_at, usecase, channel, user_id, unit, outcome, question, latency_ms)"
            " VALUES (%s, %s, %s, 'api', %s, 'Sales', 'answered_model', 'what?', 5)",
            (id, at, usecase, person),
        )
        await self.owner.execute(
            "INSERT INTO calls (id, started_at, turn_id, usecase, user_id, unit, rung, provider, model, revision,"
            " latency_ms, input_tokens, output_tokens, cost_usd)"
            " VALUES (%s, %s, %s, %s, %s, 'Sales', 'best', 'v', 'm', 'r', 5, 10, 3, %s)",
            (uuid4(), at, id, usecase, person, Decimal(cost)),
        )
        await self.owner.execute(
            "INSERT INTO turn_digests (turn_id, started_at, usecase, batch, digest) VALUES (%s, %s, %s, %s, '')",
            (id, at, usecase, uuid4()),
        )
        return id

    async def months(self, *, back: int) -> None:
        """Make the partitions of the past, as a service that runs for years has them."""
        await self.owner.execute(
            "SELECT ensure_month((now() - make_interval(months => n))::date) FROM generate_series(0, %s) n", (back,)
        )

    async def there(self, sql: str = "SELECT id FROM turns") -> set[Any]:
        """Give what a query finds."""
        return {row[0] for row in await (await self.owner.execute(sql)).fetchall()}  # type: ignore[arg-type]

    async def hold(self, **what: Any) -> UUID:
        """Place a hold."""
        async with self.keeper.work() as work:
            return await holds.place(work, Hold("a lawsuit", "the law", **what), by="dana")

    async def sums(self, by: str) -> dict[str, tuple[int, int, Decimal]]:
        """Give turns, calls and US dollars as `app ledger` and the API do."""
        async with self.database.work() as work:
            rows = await costs.sums(work, by=by, since=NOW - timedelta(days=1000))  # type: ignore[arg-type]
        return {row[by]: (row["turns"], row["calls"], row["cost_usd"]) for row in rows}


@pytest.fixture
async def house(database_copy: str) -> AsyncIterator[House]:
    database, keeper = Database(database_copy), Database(database_copy, role="app_keeper", pool_size=1)
    keeping = Keeping(Days(turns=400, calls=400, jobs=10), {SHORT: 30, LONG: 1000})
    async with await psycopg.AsyncConnection.connect(database_copy, autocommit=True) as owner:
        yield House(database, keeper, Retention(database, keeper, Relay(database, None), keeping), owner)
    await database.close()
    await keeper.close()


@pytest.mark.proves("SEC-11")
async def test_turns_go_when_the_contract_or_the_configuration_says_so_and_their_cost_is_still_known(house):
    await house.months(back=20)
    kept = {await house.turn(SHORT, days=20), await house.turn(LONG, days=390)}
    for usecase, days in ((SHORT, 40), (LONG, 410), ("removed", 410), (LONG, 500), (SHORT, 500)):
        await house.turn(usecase, days=days)
    before = {by: await house.sums(by) for by in ("usecase", "unit", "model")}
    removed = await house.retention.run()
    assert removed["turns"] == 5
    assert await house.there() == kept
    assert await house.there("SELECT turn_id FROM calls") == kept
    assert kept <= await house.there("SELECT turn_id FROM turn_digests"), "fingerprints go with their month"
    assert {by: await house.sums(by) for by in before} == before
    assert before["usecase"][LONG] == (3, 3, Decimal("1.5"))
    assert await house.retention.run() == {}
    assert {by: await house.sums(by) for by in before} == before
    async with house.database.work() as work:
        assert (await costs.sample(work, usecase=SHORT, days=60)).turns == 2


@pytest.mark.proves("SEC-11")
async def test_a_month_that_is_over_for_everybody_is_dropped_whole_and_one_with_a_held_turn_is_kept(house):
    await house.months(back=20)
    dropped, mixed = await house.turn(LONG, days=580), await house.turn(LONG, days=520, person="hana")
    beside = await house.turn(LONG, days=520)
    id = await house.hold(user_id="hana")
    tables = "SELECT relname FROM pg_class WHERE relname ~ '^(turns|calls|turn_digests)_[0-9_]{7}$'"
    month = (NOW - timedelta(days=580)).strftime("%Y_%m")
    assert {f"turns_{month}", f"calls_{month}", f"turn_digests_{month}"} <= await house.there(tables)
    await house.retention.run()
    assert await house.there() == {mixed}, (dropped, beside)
    there = await house.there(tables)
    assert not {f"turns_{month}", f"calls_{month}", f"turn_digests_{month}"} & there
    assert f"turns_{(NOW - timedelta(days=520)).strftime('%Y_%m')}" in there
    async with house.keeper.work() as work:
        await holds.release(work, id, by="dana", because="the lawsuit is over")
    await house.retention.run()
    assert await house.there() == set()
    assert (await house.sums("unit"))["Sales"] == (3, 3, Decimal("1.5"))
    covered = await house.there("SELECT after ->> 'from' FROM audit WHERE action = 'turns.expired'")
    assert len(covered) >= 2


@pytest.mark.proves("SEC-11")
@pytest.mark.parametrize(
    ("what", "stays"),
    [
        ({"user_id": "hana"}, ["hana"]),
        ({"usecase": SHORT}, ["hana", "sam"]),
        ({"since": NOW - timedelta(days=60), "until": NOW - timedelta(days=40)}, ["hana", "sam"]),
        ({"user_id": "hana", "until": NOW - timedelta(days=90)}, []),
        ({"user_id": "hana", "ends_at": NOW - timedelta(minutes=1)}, []),
    ],
    ids=["person", "usecase", "period", "another-period", "ended"],
)
async def test_a_hold_keeps_what_it_names_and_nothing_else(house, what, stays):
    for person in ("hana", "sam"):
        await house.turn(SHORT, days=50, person=person)
    await house.hold(**what)
    await house.retention.run()
    assert sorted(await house.there("SELECT user_id FROM turns")) == stays


@pytest.mark.proves("SEC-11", "SEC-6")
async def test_the_audit_verifies_after_turns_and_whole_months_have_gone(house):
    await house.months(back=20)
    for usecase, days in ((SHORT, 20), (SHORT, 40), (LONG, 40), (LONG, 410), (SHORT, 500)):
        await house.turn(usecase, days=days)
    await house.owner.execute("DELETE FROM turn_digests")
    keeper = AuditKeeper(house.database)
    assert await keeper.seal(whole=True) == 5
    assert (await house.retention.run())["turns"] == 3
    verdict = await keeper.verify(whole=True)
    assert verdict.broken == ""
    await house.owner.execute("DELETE FROM turns WHERE usecase = %s", [LONG])
    assert "is gone" in (await keeper.verify(whole=True)).broken, "nobody's retention did that"


@pytest.mark.proves("SEC-11")
async def test_every_class_goes_by_age_and_a_hold_keeps_it(house):
    for person, days in (("sam", 900), ("hana", 900), ("sam", 0.5)):
        await _leave(house, person, days)
    await house.hold(user_id="hana")
    due = await house.retention.due()
    removed = await house.retention.run()
    classes = ["sessions", "job_events", "jobs", "uploads", "reviews", "feedback", "incidents", "outbox", "evaluations"]
    classes += ["captured_cases"]
    assert {name: due[name] for name in classes} == {**dict.fromkeys(classes, 1), "outbox": 2, "evaluations": 2}
    assert set(classes) <= set(removed)
    for table, column in (
        ("sessions", "user_id"), ("messages", "text"), ("jobs", "user_id"), ("uploads", "user_id"),
        ("reviews", "asker"), ("captured_cases", "asker"), ("feedback", "user_id"), ("incidents", "user_id"),
    ):  # fmt: skip
        found = await (await house.owner.execute(f"SELECT {column} FROM {table} ORDER BY 1")).fetchall()
        assert [row[0] for row in found] == ["hana", "sam"], table
    assert await house.retention.due() == {}


async def _leave(house: House, person: str, days: float) -> None:
    """Leave a row of every class behind, so many days old."""
    turn, at, id = await house.turn(LONG, days=min(days, 1)), NOW - timedelta(days=days), uuid4()
    rows = {
        "sessions": {"id": id, "usecase": LONG, "user_id": person, "created_at": at, "updated_at": at},
        "messages": {"session_id": id, "ordinal": 0, "turn_id": turn, "role": "user", "text": person, "created_at": at},
        "jobs": {"id": id, "kind": "turns", "usecase": LONG, "user_id": person, "input": "{}", "status": "succeeded",
                 "total": 1, "created_at": at, "finished_at": at},
        "job_events": {"job_id": id, "event": "queued", "data": "{}", "created_at": at},
        "uploads": {"id": id, "user_id": person, "filename": "a", "media_type": "b", "content": b"c", "created_at": at},
        "reviews": {"id": id, "turn_id": turn, "usecase": LONG, "asker": person, "question": "", "draft": "",
                    "why": "", "created_at": at},
        "feedback": {"turn_id": turn, "user_id": person, "thumbs": "up", "created_at": at},
        "incidents": {"id": id, "at": at, "kind": "leak", "turn_id": turn, "usecase": LONG, "user_id": person,
                      "channel": "api", "detail": ""},
        "captured_cases": {"id": id, "turn_id": turn, "usecase": LONG, "kind": "correction", "asker": person,
                           "proposed_by": person, "question": "", "status": "proposed", "created_at": at},
        "outbox": {"topic": "job", "payload": "{}", "created_at": at, "sent_at": at},
        "evaluations": {"id": id, "usecase": LONG, "revision": "r", "passed": 1, "total": 1, "pass_rate": 1, "low": 1,
                        "high": 1, "threshold": 1, "good": True, "report": "{}", "at": at},
    }  # fmt: skip
    for table, row in rows.items():
        names = ", ".join(row)
        statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(row))})"
        await house.owner.execute(statement, tuple(row.values()))  # type: ignore[arg-type]


@pytest.mark.proves("SEC-11")
async def test_the_ledger_gets_its_months_in_time_and_again_after_they_were_missed(house):
    late = datetime(2031, 5, 17, 12, tzinfo=UTC)
    stray = await house.turn(LONG, days=(NOW - late).total_seconds() / 86400)
    assert await house.there("SELECT id FROM turns_rest") == {stray}
    await house.retention.months_ahead()
    assert await house.there("SELECT id FROM turns_rest") == set()
    assert await house.there("SELECT id FROM turns_2031_05") == {stray}
    assert await house.there("SELECT turn_id FROM calls_2031_05") == {stray}
    for ahead in range(4):
        month = (NOW.replace(day=1) + timedelta(days=31 * ahead)).strftime("%Y_%m")
        assert await house.there(f"SELECT to_regclass('turns_{month}') IS NOT NULL") == {True}, month


@pytest.mark.proves("SEC-11")
async def test_the_role_of_the_job_can_take_nothing_out_of_the_ledger_but_by_age(house):
    kept = await house.turn(SHORT, days=0.5)
    for statement in (
        "DELETE FROM turns",
        "UPDATE turns SET question = ''",
        "DELETE FROM calls",
        "DROP TABLE turns_rest",
        "DELETE FROM audit",
        "SELECT expire_turns('short', now(), 10)",
        "SELECT drop_month(current_date)",
        "SELECT erase_turns('sam', 'hana', 10)",
    ):
        with pytest.raises(Exception, match=r"permission denied|must be owner|keeps every turn|a pseudonym"):
            async with house.keeper.work() as work:
                await work.sql(statement)
    for statement in ("SELECT drop_month('2020-01-01')", "SELECT erase_turns('sam', 'x', 1)"):
        with pytest.raises(Exception, match="permission denied"):
            async with house.database.work() as work:
                await work.sql(statement)
    assert await house.there() == {kept}


async def test_the_job_is_submitted_twice_a_day_and_the_metric_shows_its_age(house):
    assert await house.retention.look() is None
    await house.owner.execute("UPDATE retention_state SET submitted_at = now() - interval '13 hours'")
    id = await house.retention.look()
    assert await house.there("SELECT id FROM jobs WHERE kind = 'retain'") == {id}
    assert await house.retention.look() is None
