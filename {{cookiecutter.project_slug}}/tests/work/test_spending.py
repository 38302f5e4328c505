"""What the AI costs and is worth: by day, use case and month, over a real ledger."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest

from app.domain.contract import Value
from app.store.db import Database
from app.work.spending import Accounts
from tests.api.serving import changed

pytestmark = pytest.mark.proves("CST-3", "CST-6")
TODAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Books:
    """A ledger of a test's own, with one use case whose good answers are worth two dollars."""

    def __init__(self, url, case):
        self.url, self.database = url, Database(url, pool_size=2)
        self.usecases = {"handbook": case}

    def write(
        self,
        *,
        days_ago=0,
        cost="1",
        outcome="answered_model",
        channel="api",
        thumbs="",
        review="",
        saved="0",
        kind="escalation",
    ):
        """Write a turn with one call."""
        id, at = uuid4(), NOW - timedelta(days=days_ago)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO turns (id, started_at, usecase, channel, user_id, outcome, question, latency_ms, cost_usd,"
                " saved_usd) VALUES (%s, %s, 'handbook', %s, 'ada', %s, '?', 1, %s, %s)",
                [id, at, channel, outcome, cost, saved],
            )
            connection.execute(
                "INSERT INTO calls (id, started_at, turn_id, usecase, user_id, rung, provider, model, revision,"
                " latency_ms, input_tokens, output_tokens, cost_usd)"
                " VALUES (%s, %s, %s, 'handbook', 'ada', 'standard', 'openai', 'm', 'r', 1, 9, 9, %s)",
                [uuid4(), at, id, cost],
            )
            if thumbs:
                connection.execute(
                    "INSERT INTO feedback (turn_id, user_id, thumbs) VALUES (%s, 'ada', %s)", [id, thumbs]
                )
            if review:
                connection.execute(
                    "INSERT INTO reviews (id, turn_id, usecase, asker, question, draft, why, status, decided_by, kind)"
                    " VALUES (%s, %s, 'handbook', 'ada', '?', 'd', 'w', %s, 'bob', %s)",
                    [uuid4(), id, review, kind],
                )

    async def look(self, days=7):
        """Give the spending, and the worth of the use case."""
        seen = await Accounts(self.database, self.usecases).look(days=days, now=NOW)
        (worth,) = seen.worth
        return seen, worth


@pytest.fixture
async def books(database_copy, service):
    case = service.usecases["handbook"]
    contract = changed(case.contract, {"cost.per_month_usd": Decimal(100)}).model_copy(
        update={"value": Value(per_answer_usd=Decimal(2))}
    )
    made = Books(database_copy, replace(case, contract=contract))
    yield made
    await made.database.close()


async def test_value_stands_beside_cost_and_counts_good_answers_alone(books):
    books.write()
    books.write(thumbs="up")
    books.write(thumbs="down")
    books.write(outcome="refused_no_evidence")
    books.write(outcome="escalated_review", review="approved")
    books.write(outcome="escalated_review", review="rejected")
    books.write(outcome="escalated_review")
    books.write(review="open", kind="complaint")
    books.write(review="rejected", kind="complaint")
    books.write(channel="evaluation", cost="5")
    _, worth = await books.look()
    assert (worth.asked, worth.good, worth.found_bad, worth.turns) == (9, 4, 2, 9)
    assert worth.cost_usd == Decimal(14), "what the team runs by itself is paid for as well"
    assert (worth.value_usd, worth.net_usd, worth.roi) == (Decimal(8), Decimal("-6.00"), -0.43)


async def test_a_use_case_that_states_no_value_has_no_return(books):
    case = books.usecases["handbook"]
    books.usecases["handbook"] = replace(case, contract=case.contract.model_copy(update={"value": Value()}))
    books.write()
    _, worth = await books.look()
    assert (worth.good, worth.value_usd, worth.net_usd, worth.roi) == (1, None, None, None)


async def test_each_day_has_its_cost_and_what_was_saved_also_of_turns_that_are_gone(books):
    books.write(days_ago=1, cost="3", saved="0.5")
    books.write(days_ago=40, cost="99")
    with psycopg.connect(books.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO daily_costs (day, usecase, unit, channel, model, turns, cost_usd, saved_by_routes_usd)"
            " VALUES (%(day)s, 'handbook', '', 'api', '', 4, 0, 0.25), (%(day)s, 'handbook', '', 'api', 'm', 4, 7, 0)",
            {"day": TODAY - timedelta(days=2)},
        )
    seen, worth = await books.look()
    days = {day.day: day for day in seen.days}
    assert set(days) == {TODAY - timedelta(days=1), TODAY - timedelta(days=2)}
    assert days[TODAY - timedelta(days=1)].cost_usd == 3 and days[TODAY - timedelta(days=1)].turns == 1
    gone = days[TODAY - timedelta(days=2)]
    assert (gone.turns, gone.cost_usd, gone.saved_by_routes_usd) == (4, 7, Decimal("0.25"))
    assert (worth.cost_usd, worth.saved_by_cache_usd, worth.saved_by_routes_usd) == (
        10,
        Decimal("0.5"),
        Decimal("0.25"),
    )


async def test_the_month_is_told_to_its_end_and_when_its_budget_breaks(books):
    for back in range(1, 8):
        books.write(days_ago=back, cost="7")
    seen, _ = await books.look()
    (month,) = seen.months
    # 49 so far, 7 more today, and 7 on each of the ten days that are left of November.
    assert (month.spent_usd, month.pace_usd, month.end_usd) == (Decimal(49), Decimal(7), Decimal(126))
    assert month.breaks_on == date(2026, 11, 27), "56 after today, and the seventh day passes 100"
    books.usecases["handbook"] = replace(
        books.usecases["handbook"],
        contract=changed(books.usecases["handbook"].contract, {"cost.per_month_usd": Decimal(1000)}),
    )
    seen, _ = await books.look()
    assert seen.months[0].breaks_on is None


async def test_a_day_that_stands_out_is_told_and_so_is_who_was_kept_from_asking(books):
    for back in range(1, 15):
        books.write(days_ago=back, cost=str(10 + back % 3))
    books.write(cost="90")
    with psycopg.connect(books.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO restrictions (id, subject, what, cause, reason, set_by, created_at)"
            " VALUES (%s, 'user:ada', 'ask', 'spike', '$90.00 spent', 'spike-rule', %s)",
            [uuid4(), NOW],
        )
    seen, _ = await books.look()
    (found,) = seen.anomalies
    assert (found.day, found.cost_usd, found.usecase) == (TODAY, Decimal(90), "handbook")
    assert [kept.subject for kept in seen.kept] == ["user:ada"]
