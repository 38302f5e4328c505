"""What is written when a turn ends, and what becomes of turns whose process died before it could write."""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
import structlog

from app.domain.identity import Permission, Principal
from app.domain.outcome import Outcome
from app.domain.turn import Call, Draft, IdempotencyKey, Tape, Turn, Usage
from app.errors import DependencyDown
from app.settings import ROOT
from app.store import ledger, sealed
from app.telemetry import metrics
from tests.turn import spending

KILLED = """
import asyncio, json, sys
from pathlib import Path
from app.domain.identity import Permission, Principal
from app.domain.turn import Turn
from tests.turn import spending

async def main(home, name, urls, vendor_url):
    one = spending.service(Path(home), urls, vendor_url=vendor_url)
    await one.start()
    who = Principal("mortal", unit="Sales", permissions=frozenset({Permission.ASK}))
    await one.pipeline.run(Turn(usecase=one.usecases[name], principal=who, question="Will I see the end of this?"))

asyncio.run(main(*json.loads(sys.argv[1])))
"""


@pytest.fixture
def urls(database_url, redis_url):
    return {"database_url": database_url, "redis_url": redis_url}


@pytest.fixture
async def one(urls, tmp_path):
    """A service over a use case of its own, without a model."""
    home, name = spending.folder(tmp_path)
    built = spending.service(home, urls)
    await built.start()
    yield replace(built, usecases={"mine": built.usecases[name], **built.usecases})
    await built.stop()


def ended(one, outcome=Outcome.ANSWERED_MODEL, **changes) -> Turn:
    who = Principal(f"p-{uuid4().hex[:8]}", unit="Sales", permissions=frozenset({Permission.ASK}))
    known = {"usecase": one.usecases["mine"], "principal": who, "question": "Why?", "outcome": outcome}
    return Turn(**{**known, **changes})


async def reviews(one, turn):
    async with one.database.work() as work:
        rows = await work.sql("SELECT id, draft, data, why FROM reviews WHERE turn_id = :id", id=turn.id)
        found = [sealed.opened(work.seals, "reviews", row) for row in rows.mappings()]
    return [(row["draft"], row["data"], row["why"]) for row in found]


async def held(one, name, *, expire=False):
    async with one.database.work() as work:
        if expire:
            await work.sql("UPDATE reservations SET expires_at = now() WHERE usecase = :name", name=name)
        rows = await work.sql("SELECT * FROM reservations WHERE usecase = :name", name=name)
        return list(rows)


DRAFT = Draft("A draft", "standard", Outcome.ANSWERED_MODEL, data={"size": 2})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"draft": DRAFT}, ("A draft", {"size": 2}, "look")),
        ({"tape": Tape(raw='{"size": "huge"}')}, ('{"size": "huge"}', None, "look")),
        ({}, ("", None, "look")),
    ],
)
async def test_what_waits_for_a_person_is_before_the_reviewers_with_or_without_a_draft(one, changes, expected):
    turn = ended(one, Outcome.ESCALATED_REVIEW, reason="look", **changes)
    await one.pipeline.record(turn)
    assert await reviews(one, turn) == [expected]


@pytest.mark.parametrize("channel", ["evaluation", "shadow"])
async def test_nobody_is_asked_to_look_at_what_nobody_waits_for(one, channel):
    turn = ended(one, Outcome.ESCALATED_REVIEW, channel=channel, draft=DRAFT)
    await one.pipeline.record(turn)
    assert await reviews(one, turn) == []


async def test_a_shadow_turn_leaves_its_row_and_nothing_else(one):
    asked = await one.pipeline.admit(ended(one, None))
    shadow = replace(asked, id=uuid4(), channel="shadow", shadow_of=asked.id, outcome=Outcome.ANSWERED_MODEL)
    shadow = replace(shadow, answer="Unseen", idempotency=IdempotencyKey("k", "h"), tape=Tape())
    await one.pipeline.record(shadow)
    async with one.database.work() as work:
        story = await ledger.story(work, shadow.id, user_id=None)
        busy = (await work.sql("SELECT busy_turn FROM sessions WHERE id = :id", id=asked.session_id)).scalar_one()
        said = (
            await work.sql("SELECT count(*) FROM messages WHERE session_id = :id", id=asked.session_id)
        ).scalar_one()
    assert (story["channel"], story["shadow_of"]) == ("shadow", asked.id)
    assert (busy, said) == (asked.id, 0), "the session is still held by the turn that people see"


@pytest.mark.slow
@pytest.mark.proves("CST-2", "REL-5", "OBS-1")
async def test_a_process_killed_in_the_middle_of_a_call_leaves_a_row_and_its_money_counted_once(urls, tmp_path, vendor):
    vendor.will("hang=300")
    home, name = spending.folder(tmp_path, per_turn_usd='"0.05"')
    words = json.dumps([str(home), name, urls, vendor.url])
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, words, cwd=ROOT)
    one = spending.service(home, urls, vendor_url=vendor.url)
    try:
        async with asyncio.timeout(90):
            while not vendor.requests:
                assert process.returncode is None
                await asyncio.sleep(0.05)
        (reserved,) = await held(one, name)
        assert (await spending.budgets(one.database, name))["person"] == (0, Decimal("0.05"))
    finally:
        process.kill()
        await process.wait()

    await one.housekeeping.keeper.sweep()
    assert await spending.ledger(one.database, name) == [], "it may still be alive"
    await held(one, name, expire=True)
    await asyncio.gather(*(one.housekeeping.often() for _ in range(3)))

    (row,) = await spending.ledger(one.database, name)
    assert (row.id, row.outcome, row.cost_usd) == (reserved.turn_id, "failed_abandoned", None)
    assert (row.user_id, row.unit, row.question, row.session_id) == ("mortal", "Sales", "", reserved.session_id)
    after = await spending.budgets(one.database, name)
    assert {after[kind] for kind in ("person", "usecase")} == {(Decimal("0.05"), 0)}
    async with one.database.work() as work:
        busy = await work.sql("SELECT busy_turn FROM sessions WHERE id = :id", id=row.session_id)
        assert busy.scalar_one() is None
    await one.stop()


@pytest.mark.proves("CST-2")
async def test_a_turn_that_was_given_up_and_comes_back_is_not_told_and_costs_what_it_cost(urls, tmp_path, vendor):
    home, name = spending.folder(tmp_path, per_turn_usd='"0.05"')
    one = spending.service(home, urls, vendor_url=vendor.url)
    mine = replace(one, usecases={"mine": one.usecases[name]})
    await one.start()
    turn = await one.pipeline.admit(ended(mine, None))
    await held(one, name, expire=True)
    # Other tests of this database have left turns of their own.
    assert await one.housekeeping.keeper.sweep() >= 1
    call = Call("standard", "openai", "m", "r", 1, Usage(9, 9, Decimal("0.0123")))
    late = turn.with_(outcome=Outcome.ANSWERED_MODEL, answer="Too late", tape=Tape(calls=[call]))

    with pytest.raises(DependencyDown, match="given up for dead"):
        await one.pipeline.record(late)

    (row,) = await spending.ledger(one.database, name)
    assert (row.outcome, row.spent) == ("failed_abandoned", Decimal("0.0123"))
    after = await spending.budgets(one.database, name)
    assert {after[kind] for kind in ("person", "usecase")} == {(Decimal("0.0123"), 0)}
    assert await held(one, name) == []
    async with one.database.work() as work:
        said = await work.sql("SELECT count(*) FROM messages WHERE session_id = :id", id=turn.session_id)
        assert said.scalar_one() == 0
    await one.stop()


@pytest.mark.proves("CST-2", "OBS-3")
async def test_the_owner_is_warned_once_and_the_share_that_is_used_is_shown(urls, tmp_path):
    home, name = spending.folder(tmp_path, per_month_usd='"1"', per_user_day_usd='"9"', alert_share="0.5")
    one = spending.service(home, urls)
    mine = replace(one, usecases={"mine": one.usecases[name]})
    await one.start()

    async def spend(usd):
        call = Call("standard", "openai", "m", "r", 1, Usage(9, 9, Decimal(usd)))
        await one.pipeline.record(ended(mine, tape=Tape(calls=[call])))
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                await one.housekeeping.often()
        return [log for log in logs if log["event"] == "budget.nearly_used" and log["name"] == name]

    assert await spend("0.4") == []
    (warned,) = await spend("0.2")
    assert (warned["kind"], warned["spent_usd"], warned["limit_usd"]) == ("usecase", "0.60000000", "1")
    assert await spend("0.1") == []
    async with one.database.work() as work:
        told = await work.sql("SELECT data FROM events WHERE subject = :it", it=f"budgets/usecase/{name}")
        (event,) = told.scalars()
    assert (event["spent_usd"], event["limit_usd"], event["alert_share"]) == ("0.60000000", "1", 0.5)
    shown = metrics.render()[0].decode()
    assert f'budget_used_ratio{{kind="usecase",name="{name}"}} 0.7' in shown
    assert f'budget_alert_ratio{{kind="usecase",name="{name}"}} 0.5' in shown
    assert "p-" not in "".join(line for line in shown.splitlines() if line.startswith("budget_")), "never people"
    await one.stop()


async def test_a_budget_is_shown_as_used_up_from_where_one_more_turn_does_not_fit(urls, tmp_path, vendor):
    home, name = spending.folder(tmp_path, per_month_usd='"1"', per_turn_usd='"0.30"', per_user_day_usd='"9"')
    one = spending.service(home, urls, vendor_url=vendor.url)
    mine = replace(one, usecases={"mine": one.usecases[name]})
    await one.start()
    call = Call("standard", "openai", "m", "r", 1, Usage(9, 9, Decimal("0.71")))
    await one.pipeline.record(ended(mine, tape=Tape(calls=[call])))
    await one.housekeeping.often()
    assert f'budget_used_ratio{{kind="usecase",name="{name}"}} 1.0' in metrics.render()[0].decode()
    await one.stop()


@pytest.mark.proves("CST-3")
async def test_the_turns_of_a_job_are_paid_for_by_the_unit_of_who_queued_it(client, as_, service):
    from tests.api.test_jobs import submit

    url = (await submit(client, as_("olga.petrov"))).headers["location"]
    job_id = UUID(url.rsplit("/", 1)[1])
    await service.jobs.run(job_id)
    async with service.database.work() as work:
        units = await work.sql("SELECT DISTINCT unit FROM turns WHERE job_id = :id", id=job_id)
        assert [row.unit for row in units] == ["Support"]


async def test_the_daily_housekeeping_forgets_days_of_persons_that_are_long_over(one):
    call = Call("standard", "openai", "m", "r", 1, Usage(9, 9, Decimal("0.01")))
    old = ended(one, started_at=datetime.now(UTC) - timedelta(days=100), tape=Tape(calls=[call]))
    await one.pipeline.record(old)
    assert set(await spending.budgets(one.database, old.usecase.name)) == {"person", "usecase"}
    await one.housekeeping.daily()
    assert set(await spending.budgets(one.database, old.usecase.name)) == {"usecase"}
