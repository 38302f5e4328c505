"""The guard over a real ledger: what it counts, when it halts, and that it does so once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import insert

from app.control.comparison import METRICS
from app.control.flag_sources import OwnTable
from app.control.flags import Flags
from app.control.rollout import Rollouts
from app.domain.plan import key_of
from app.errors import BadInput, Conflict, DependencyDown
from app.store import audit, ledger
from app.store.broadcast import Broadcast
from app.store.db import Database
from app.store.tables import turns
from app.work.rollout_guard import BY, RolloutGuard
from app.work.rollouts import Because, RolloutDesk
from tests.api.serving import changed

pytestmark = pytest.mark.proves("CTL-2")
WHY = Because("ada", "shorter answers")
NAME = "handbook"


class Ground:
    """A desk and a guard over a database of their own, in which turns can be written."""

    def __init__(self, database, broadcast, service):
        case = service.usecases[NAME]
        contract = changed(case.contract, {"candidates": [{"name": "small", "role": "cheap"}]})
        self.case = replace(case, contract=contract)
        self.database, cases = database, {NAME: self.case}
        self.flags = Flags(
            OwnTable(database), broadcast, poll_s=60, database=database, subjects=service.flags._subjects
        )
        self.rollouts = Rollouts(self.flags, cases)
        self.desk = RolloutDesk(database, self.flags, self.rollouts, broadcast=broadcast, reaches=lambda _: True)
        self.guard = RolloutGuard(database, cases, self.desk)

    async def start(self, step="percent:10"):
        return await self.desk.start(self.case, "small", step, WHY)

    def guarded_by(self, **guard):
        """Let the contract say more of its guard."""
        said = {f"rollout.guard.{name}": value for name, value in guard.items()}
        self.case = replace(self.case, contract=changed(self.case.contract, said))
        self.guard = RolloutGuard(self.database, {NAME: self.case}, self.desk)

    async def seen(self, arm, times, *, ago=0.0, thumbs="", people=60, **more):
        """Write turns of an arm into the ledger, of so many people, or of the one who is named."""
        at = datetime.now(UTC) - timedelta(minutes=ago)
        row = {
            "usecase": NAME, "channel": "api", "unit": "", "trace_id": "",
            "arm": arm, "outcome": "answered_model", "reason": "", "question": "?", "latency_ms": 100.0, "skipped": [],
            "findings": [], "cost_usd": Decimal("0.001"), **more,
        }  # fmt: skip
        who = [people] if isinstance(people, str) else [f"{arm}-{number}" for number in range(people)]
        rows = [
            {"id": uuid4(), "user_id": who[number % len(who)], **row, "started_at": at + timedelta(microseconds=number)}
            for number in range(times)
        ]
        async with self.database.work() as work:
            await work.run(insert(turns), rows)
            if thumbs:
                await work.sql(
                    "INSERT INTO feedback (turn_id, user_id, thumbs)"
                    " SELECT id, user_id, :thumbs FROM turns WHERE id = ANY(:ids)",
                    ids=[row["id"] for row in rows],
                    thumbs=thumbs,
                )

    async def told(self, kind):
        async with self.database.work() as work:
            rows = await work.sql(
                "SELECT subject, usecase, data FROM events WHERE kind = :kind ORDER BY seq", kind=kind
            )
            return [dict(row) for row in rows.mappings()]

    @property
    def plan(self):
        return self.rollouts.plans[NAME]


@pytest.fixture
async def ground(service, database_copy, redis_url):
    """Nobody else asks here."""
    database, broadcast = Database(database_copy, pool_size=6), Broadcast(redis_url)
    yield Ground(database, broadcast, service)
    await broadcast.close()
    await database.close()


BAD = {
    "errors": {"outcome": "failed_model"},
    "slow": {"latency_ms": 2500.0},
    "cost": {"cost_usd": Decimal("0.01")},
    "refusals": {"outcome": "refused_no_evidence"},
    "check_failures": {"outcome": "refused_check", "findings": [{"check": "unsafe", "detail": "?"}]},
    "thumbs_down": {"thumbs": "down"},
}


@pytest.mark.parametrize("metric", BAD)
async def test_a_candidate_that_is_worse_goes_back_and_everybody_hears_of_it(ground, metric):
    await ground.seen("", 40, ago=60)
    await ground.start()
    await ground.seen("current", 240, thumbs="up")
    await ground.seen("small", 30, **{"thumbs": "up", **BAD[metric]})
    (moved,) = await ground.guard.look()
    assert (moved.before.step, moved.after.step) == ("percent:10", "off")
    assert ground.plan.stage == "off" and metric.split("_")[0] in ground.plan.halted
    (told,) = await ground.told("rollout.halted")
    assert (told["subject"], told["usecase"]) == (f"rollouts/{NAME}", NAME)
    assert told["data"]["metric"] == metric and told["data"]["turns"] == 30 and told["data"]["candidate"] == "small"
    assert told["data"]["measured"] > told["data"]["limit"] > told["data"]["current"]
    async with ground.database.work() as work:
        entry = (await audit.history(work, subject=key_of(NAME), limit=1))[0]
    assert entry["actor"] == BY and entry["before"]["metadata"]["percent"] == 10
    assert entry["after"]["metadata"]["stage"] == "off" and "after 30 turns" in entry["reason"]


async def test_a_lower_rung_that_answered_counts_as_an_error_of_the_candidate(ground):
    await ground.start()
    await ground.seen("current", 100)
    fallen = {"outcome": "answered_extractive", "skipped": [{"rung": "cheap", "reason": "500 from the vendor"}]}
    await ground.seen("small", 15, **fallen)
    assert "errors" in (await ground.guard.look())[0].after.halted


async def test_as_good_a_candidate_goes_on_and_a_bad_past_is_no_matter(ground):
    await ground.seen("small", 50, ago=30, outcome="failed_model")
    await ground.start()
    await ground.seen("current", 100)
    await ground.seen("small", 40)
    # Neither a cached answer, nor one that was kept out, nor a shadow says anything about the candidate.
    for outcome in ("answered_cached", "refused_rate", "paused_switch", "failed_cancelled"):
        await ground.seen("small", 15, outcome=outcome, latency_ms=9000.0)
    await ground.seen("small", 40, channel="shadow", outcome="failed_model")
    assert await ground.guard.look() == []
    seen = await ground.guard.standing(ground.case)
    assert seen.turns == 40 and seen.breach is None and ground.plan.step == "percent:10"


async def test_a_breach_leads_back_to_the_last_stage_that_was_left_and_it_stays_there_until_it_is_started(ground):
    await ground.start("percent:1")
    await ground.seen("small", 30)
    await ground.seen("current", 30)
    await ground.guard.advance(ground.case, WHY)
    await ground.seen("current", 100)
    await ground.seen("small", 20, outcome="failed_model")
    assert (await ground.guard.look())[0].after.step == "percent:1"
    with pytest.raises(BadInput, match="was halted: errors"):
        await ground.guard.advance(ground.case, WHY, anyway=True)
    await ground.start("percent:1")
    assert not ground.plan.halted


async def test_two_processes_that_see_the_same_breach_halt_once(ground):
    await ground.start("percent:1")
    await ground.desk.move(ground.case, lambda plan: plan.advanced(), WHY)
    await ground.seen("current", 100)
    await ground.seen("small", 20, outcome="failed_model")
    others = [RolloutGuard(ground.database, {NAME: ground.case}, ground.desk) for _ in range(3)]
    moved = await asyncio.gather(*(guard.look() for guard in [ground.guard, *others]))
    assert sum(len(each) for each in moved) == 1
    assert ground.plan.step == "percent:1" and len(await ground.told("rollout.halted")) == 1


async def test_a_stage_is_not_left_before_it_has_seen_enough_or_while_it_is_too_high(ground):
    await ground.start("percent:1")
    await ground.seen("current", 100)
    await ground.seen("small", 5)
    with pytest.raises(BadInput, match=r"Only 5 turns .* wants 30"):
        await ground.guard.advance(ground.case, WHY)
    assert (await ground.guard.advance(ground.case, WHY, anyway=True)).after.step == "percent:10"
    await ground.seen("current", 100)
    await ground.seen("small", 40, latency_ms=5000.0)
    with pytest.raises(BadInput, match="Not advanced: slow turns"):
        await ground.guard.advance(ground.case, WHY, anyway=True)


async def test_a_candidate_that_turns_bad_late_is_halted_all_the_same(ground):
    ground.guarded_by(most_turns=200)
    await ground.start()
    await ground.seen("current", 4000, people=1000)
    await ground.seen("small", 4000, people=1000)
    assert await ground.guard.look() == []
    await ground.seen("current", 200)
    await ground.seen("small", 40, outcome="failed_model")
    (moved,) = await ground.guard.look()
    assert "errors: 20.0% of the turns after 200 turns" in moved.after.halted


async def test_what_few_people_repeat_halts_nothing_and_the_same_of_more_does(ground):
    await ground.start()
    await ground.seen("current", 1000, people=200)
    await ground.seen("small", 30)
    await ground.seen("small", 10, people="rita", outcome="failed_model")
    await ground.seen("small", 200, people="the batch", channel="job", outcome="failed_model")
    assert await ground.guard.look() == []
    seen = await ground.guard.standing(ground.case)
    assert (seen.turns, seen.candidate.people) == (50, 32), "ten of the batch"
    await ground.seen("small", 10, outcome="failed_model")
    assert "errors" in (await ground.guard.look())[0].after.halted


async def test_a_few_testers_are_judged_and_a_contract_may_ask_for_fewer(ground):
    await ground.start()
    await ground.seen("current", 500)
    await ground.seen("small", 20, people=2, outcome="failed_model")
    assert await ground.guard.look() == []
    ground.guarded_by(least_people=2)
    assert "errors" in (await ground.guard.look())[0].after.halted
    ground.guarded_by(least_people=3)
    await ground.start()
    await ground.seen("current", 500)
    await ground.seen("small", 30, people=3, outcome="failed_model")
    assert "errors" in (await ground.guard.look())[0].after.halted


async def test_a_stage_is_not_left_before_enough_people_have_seen_it(ground):
    await ground.start("percent:1")
    await ground.seen("current", 100)
    await ground.seen("small", 30, people=2)
    with pytest.raises(BadInput, match=r"Only 20 turns of 2 people count .* wants 30 of 3 people"):
        await ground.guard.advance(ground.case, WHY)
    await ground.seen("small", 10, people="tess")
    assert (await ground.guard.advance(ground.case, WHY)).after.step == "percent:10"


async def test_at_100_per_cent_a_candidate_is_held_against_the_current_one_as_it_was(ground):
    ground.guarded_by(slow_ms=2000)
    contract = changed(ground.case.contract, {"latency.p95_ms": 8000})
    ground.case = replace(ground.case, contract=contract)
    ground.guard = RolloutGuard(ground.database, {NAME: ground.case}, ground.desk)
    await ground.seen("", 160, ago=60)
    await ground.seen("", 40, ago=60, latency_ms=5000.0)
    await ground.start("percent:100")
    await ground.seen("small", 160)
    await ground.seen("small", 40, latency_ms=5000.0)
    assert await ground.guard.look() == []
    seen = await ground.guard.standing(ground.case)
    assert [one.metric for one in seen.judged] == list(METRICS)
    assert seen.current.turns == 200 and seen.current.sums["slow"] == 40
    await ground.seen("small", 400, cost_usd=Decimal("0.01"))
    assert "cost" in (await ground.guard.look())[0].after.halted


async def test_at_100_per_cent_with_nothing_before_the_contract_is_what_counts(ground):
    await ground.seen("", 20, ago=60)
    await ground.start("percent:100")
    await ground.seen("small", 60)
    seen = await ground.guard.standing(ground.case)
    assert seen.current is None and [one.metric for one in seen.judged] == ["errors", "slow"]
    await ground.seen("small", 20, outcome="failed_model")
    assert "errors" in (await ground.guard.look())[0].after.halted


async def test_a_use_case_that_cannot_be_added_up_rests_and_leaves_no_other_unguarded(ground, service, monkeypatch):
    contract = changed(service.usecases["triage"].contract, {"candidates": [{"name": "small", "role": "cheap"}]})
    other = replace(service.usecases["triage"], contract=contract)
    ground.rollouts._usecases = cases = {NAME: ground.case, "triage": other}
    guard, asked = RolloutGuard(ground.database, cases, ground.desk), []
    added_up = guard.standing

    async def standing(case):
        asked.append(case.name)
        if case.name == NAME:
            raise DependencyDown("it takes too long")
        return await added_up(case)

    monkeypatch.setattr(guard, "standing", standing)
    monkeypatch.setattr("app.work.rollout_guard.EASY_S", -1)
    monkeypatch.setattr("app.work.rollout_guard.REST", 1e9)
    await ground.start()
    await ground.desk.start(other, "small", "percent:10", WHY)
    await ground.seen("current", 100, usecase="triage")
    await ground.seen("small", 20, usecase="triage", outcome="failed_model")
    (moved,) = await guard.look()
    assert moved.usecase == "triage" and asked == [NAME, "triage"]
    assert await guard.look() == [] and asked == [NAME, "triage"], "it rests"


async def test_of_a_stage_at_which_all_get_the_same_nothing_is_added_up(ground, monkeypatch):
    await ground.start("general")
    await ground.seen("small", 5)

    async def refused(*_):
        raise AssertionError("the ledger was read")

    monkeypatch.setattr("app.store.rollouts.sums", refused)
    monkeypatch.setattr("app.store.rollouts.usual_usd", refused)
    seen = await ground.guard.standing(ground.case)
    assert (seen.plan.step, seen.turns, seen.judged) == ("general", 0, ())


async def test_every_move_is_an_event_and_can_be_undone(ground):
    await ground.start("percent:1")
    await ground.desk.move(ground.case, lambda plan: plan.advanced(), WHY)
    version = (await ground.guard.standing(ground.case)).version
    await ground.desk.undo(ground.case, version, Because("bob", "too soon"))
    assert ground.plan.step == "percent:1" and ground.plan.passed == ()
    with pytest.raises(Conflict, match="moved meanwhile"):
        await ground.desk.undo(ground.case, version, Because("bob", "twice"))
    told = [
        (event["data"]["before_percent"], event["data"]["percent"]) for event in await ground.told("rollout.changed")
    ]
    assert told == [(0, 1), (1, 10), (10, 1)]
    assert {event["data"]["by"] for event in await ground.told("rollout.changed")} == {"ada", "bob"}


async def test_one_candidate_at_a_time_and_never_without_a_reason(ground):
    await ground.start()
    with pytest.raises(Conflict, match="small answers here already"):
        await ground.desk.start(ground.case, "", "beta", WHY)
    with pytest.raises(BadInput, match="no candidate"):
        await ground.desk.start(ground.case, "moon", "", WHY)
    with pytest.raises(BadInput, match="Say why"):
        await ground.desk.back(ground.case, Because("ada", " "))
    assert ground.plan.step == "percent:10"


async def test_the_contract_is_the_start_and_no_more_once_somebody_has_moved_it(ground):
    def says(stage):
        return {NAME: replace(ground.case, contract=changed(ground.case.contract, {"rollout.stage": stage}))}

    await ground.desk.keep(says("general"))
    assert NAME not in ground.rollouts.plans
    for stage in ("off", "general", "shadow"):
        await ground.desk.keep(says(stage))
        assert (ground.plan.stage, ground.plan.by_contract) == (stage, True)
    await ground.desk.start(ground.case, "", "percent:25", WHY)
    await ground.desk.keep(says("off"))
    assert ground.plan.step == "percent:25"


async def test_a_use_case_that_opens_is_closed_again_when_it_fails_its_contract(ground):
    await ground.desk.start(ground.case, "", "percent:10", WHY)
    await ground.seen("current", 30, outcome="failed_timeout")
    (moved,) = await ground.guard.look()
    assert moved.after.stage == "off" and moved.after.candidate == ""


async def test_the_ledger_keeps_the_arm_and_rows_of_an_older_release_have_none(ground):
    await ground.seen("small", 1)
    async with ground.database.work() as work:
        found = (await work.sql("SELECT id, arm FROM turns")).one()
        assert found.arm == "small" and (await ledger.story(work, found.id, user_id="small-0"))["arm"] == "small"
