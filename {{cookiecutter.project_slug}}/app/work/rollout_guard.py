"""Watching rollouts: arms are compared as turns come in, and a candidate that is worse than it may be goes back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from app.control.comparison import METRICS, Judged, Tally, judge
from app.control.flag_rules import in_force
from app.domain.plan import Plan, key_of, plan_of
from app.domain.rollout import CURRENT
from app.domain.usecase import UseCase
from app.errors import BadInput, Conflict
from app.store import flags, rollouts
from app.store.db import Database, Work
from app.store.rollouts import Span
from app.telemetry import metrics
from app.work.rollouts import Because, Moved, RolloutDesk, start_of

log = structlog.get_logger(__name__)
Action = Literal["start", "advance", "halt", "back", "undo"]
BY = "rollout-guard"
# A look that takes longer rests so many times as long before the next one.
EASY_S, REST = 0.5, 20
# From so many turns before the step on, their average says what a turn usually costs.
USUAL_TURNS = 30
# A dearer turn than so many usual ones counts as that many: one of them says no more than that it was dear.
CAP_TIMES = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wants done; `candidate` and `step` belong to start, `version` to undo, `anyway` to advance."""

    action: Action
    candidate: str = ""
    step: str = ""
    version: int = 0
    anyway: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """A rollout as it stands: where, since when, by whom and why, and what each arm's turns come to in this step."""

    usecase: str
    plan: Plan
    since: datetime | None = None
    version: int = 0
    by: str = ""
    reason: str = ""
    candidate: Tally | None = None
    current: Tally | None = None
    judged: Sequence[Judged] = field(default=())

    @property
    def turns(self) -> int:
        """Give how many turns of the arm that is watched this step has seen."""
        return self.candidate.turns if self.candidate else 0

    @property
    def breach(self) -> Judged | None:
        """Give the first metric that is worse than it may be."""
        return next((each for each in self.judged if each.is_breach), None)


class RolloutGuard:
    """Looks at every rollout that is under way; the one that moves them is the desk."""

    def __init__(self, database: Database, cases: Mapping[str, UseCase], desk: RolloutDesk) -> None:
        self._database, self._cases, self._desk = database, cases, desk
        # When a step of very many turns is added up again, on the event loop's clock.
        self._again_s: dict[str, float] = {}
        # What a turn usually cost before a step began, and what turns came to: looked up once for each.
        self._caps: dict[str, tuple[datetime, float]] = {}
        self._usual: dict[str, tuple[datetime, Tally]] = {}

    async def look(self) -> list[Moved]:
        """Halt what is worse than it may be, and show where rollouts stand; gives what was halted."""
        await self._desk.keep(self._cases)
        halted: list[Moved] = []
        for name, plan in self._desk.rollouts.plans.items():
            case = self._cases.get(name)
            if case is None or plan is None:
                continue
            moved = None
            try:
                moved = await self._watched(case, plan)
            except Exception:
                # What cannot be added up now must not keep the guard from the other use cases.
                log.exception("rollout.unwatched", usecase=name, step=plan.step)
                metrics.record_housekeeping("rollouts", failures=1)
            halted += [moved] if moved else []
            stands = moved.after if moved else plan
            metrics.observe("rollout_halted", 1 if stands.halted else 0, usecase=name)
        return halted

    async def standing(self, case: UseCase) -> Standing:
        """Say where a rollout stands and what its arms come to."""
        async with self._database.work() as work:
            row = await flags.one(work, key_of(case.name))
            if row is None:
                return Standing(case.name, start_of(case))
            plan = plan_of(in_force(row, datetime.now(UTC))) or start_of(case)
            told = {"since": row["changed_at"], "by": row["changed_by"], "reason": row["reason"]}
            told["version"] = row["version"]
            return await self._compared(work, case, plan, told)

    async def series(self, case: UseCase, since: datetime, *, slots: int) -> list[Mapping[str, Any]]:
        """Give each arm's sums since then, in equal parts of the time."""
        async with self._database.work() as work:
            return await rollouts.series(work, await self._span(work, case, CURRENT, since), slots=slots)

    async def do(self, case: UseCase, asked: Asked, because: Because) -> Moved:
        """Do what a person asks for. Raises BadInput and Conflict where it cannot be done now."""
        if asked.action == "start":
            return await self._desk.start(case, asked.candidate, asked.step, because)
        if asked.action == "advance":
            return await self.advance(case, because, anyway=asked.anyway)
        if asked.action == "undo":
            return await self._desk.undo(case, asked.version, because)
        return await (self._desk.halt if asked.action == "halt" else self._desk.back)(case, because)

    async def advance(self, case: UseCase, because: Because, *, anyway: bool = False) -> Moved:
        """Go one stage on. Raises BadInput while the step is worse than it may be, or, but for `anyway`, too young."""
        seen = await self.standing(case)

        def advanced(plan: Plan) -> Plan:
            if plan != seen.plan and not anyway:
                raise Conflict("This rollout was moved meanwhile; look at it again.")
            if plan == seen.plan and (breach := seen.breach):
                raise BadInput(f"Not advanced: {breach.told}.")
            if plan.is_partial and not anyway:
                _ensure_seen(case, seen)
            return plan.advanced()

        return await self._desk.move(case, advanced, because)

    async def _watched(self, case: UseCase, plan: Plan) -> Moved | None:
        now_s = asyncio.get_running_loop().time
        started_s = now_s()
        if not plan.is_partial or started_s < self._again_s.get(case.name, 0):
            return None
        try:
            seen = await self.standing(case)
        finally:
            took_s = now_s() - started_s
            self._again_s[case.name] = now_s() + REST * took_s if took_s > EASY_S else 0
        return await self._halt(case, seen, seen.breach) if seen.breach else None

    async def _halt(self, case: UseCase, seen: Standing, breach: Judged) -> Moved | None:
        def returned(plan: Plan) -> Plan:
            # Whoever was quicker, a person or another process, has moved it already: then this finding is of no use.
            if plan != seen.plan:
                raise _Overtaken
            return plan.returned(halted=f"{breach.told}.")

        found = {
            "owner": case.contract.owners.workflow,
            "metric": breach.metric,
            "current": round(breach.current.mean * breach.scale, 6),
            "measured": round(breach.candidate.mean * breach.scale, 6),
            "limit": round(breach.limit * breach.scale, 6),
            "turns": seen.turns,
        }
        try:
            moved = await self._desk.move(case, returned, Because(BY, f"{breach.told}."), told=found)
        except _Overtaken:
            return None
        step, back_to = moved.before.step, moved.after.step
        log.error("rollout.halted", usecase=case.name, step=step, back_to=back_to, **found)
        metrics.record_rollout_halt(case.name, breach.metric)
        return moved

    async def _compared(self, work: Work, case: UseCase, plan: Plan, told: Mapping[str, Any]) -> Standing:
        if not plan.is_partial:
            return Standing(case.name, plan, **told)
        span = await self._span(work, case, plan.candidate or CURRENT, told["since"])
        arms = {row["arm"]: _tally(row, span) for row in await rollouts.sums(work, span)}
        candidate = arms.get(span.arm, Tally(span.arm, cap_usd=span.cap_usd))
        current = await self._beside(work, plan, span, arms)
        judged = judge(case.contract, candidate, current)
        if any(each.is_breach for each in judged):
            persons = [_tally({**row, "arm": span.arm}, span) for row in await rollouts.persons(work, span)]
            judged = judge(case.contract, candidate, current, persons)
        return Standing(case.name, plan, **told, candidate=candidate, current=current, judged=judged)

    async def _beside(self, work: Work, plan: Plan, span: Span, arms: Mapping[str, Tally]) -> Tally | None:
        """Give what a candidate is compared with; None where that is the contract alone."""
        if not plan.candidate:
            return None
        if plan.percent < 100:
            return arms.get(CURRENT, Tally(CURRENT, cap_usd=span.cap_usd))
        # Nobody is answered by the current one any more: it counts as it was before.
        known = self._usual.get(span.usecase)
        if known is None or known[0] != span.since:
            row = {**await rollouts.usual(work, span), "arm": CURRENT}
            known = self._usual[span.usecase] = span.since, _tally(row, span)
        return known[1] if known[1].turns >= USUAL_TURNS else None

    async def _span(self, work: Work, case: UseCase, arm: str, since: datetime) -> Span:
        contract, guard = case.contract, case.contract.rollout.guard
        known = self._caps.get(case.name)
        if known is None or known[0] != since:
            usual, count = await rollouts.usual_usd(work, case.name, before=since)
            known = self._caps[case.name] = since, _cap_usd(float(contract.cost.per_turn_usd), usual, count)
        slow_ms = guard.slow_ms or contract.latency.p95_ms
        return Span(
            case.name, arm, since, slow_ms=slow_ms, cap_usd=known[1], most=guard.most_turns, each=guard.most_each
        )


class _Overtaken(Exception):
    pass


def _ensure_seen(case: UseCase, seen: Standing) -> None:
    guard = case.contract.rollout.guard
    people = seen.candidate.people if seen.candidate else 0
    if seen.turns < guard.least_turns or people < guard.least_people:
        raise BadInput(
            f"Only {seen.turns} turns of {people} people count at the stage {seen.plan.step}, and the contract wants"
            f" {guard.least_turns} of {guard.least_people} people (rollout.guard.least_turns, least_people; of one"
            f" person {guard.most_each} count); wait, or go on anyway."
        )


def _cap_usd(most: float, usual: float, count: int) -> float:
    # Fixed before the step began, as the bounds demand: a limit that followed the data would prove nothing.
    return min(CAP_TIMES * usual, most) if count >= USUAL_TURNS and usual > 0 else most


def _tally(row: Mapping[str, Any], span: Span) -> Tally:
    return Tally(
        arm=row["arm"],
        turns=row["turns"],
        rated=row["rated"],
        sums={metric: float(row[metric] or 0) for metric in METRICS},
        cap_usd=span.cap_usd,
        cost_usd=float(row["cost_usd"]),
        p95_ms=float(row["p95_ms"] or 0),
        people=row["people"],
    )
