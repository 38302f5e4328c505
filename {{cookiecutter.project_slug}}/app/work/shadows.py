"""Runs shadows in a worker, a few at a time: the candidate answers what was asked, and both answers are compared."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.control.people import People
from app.domain.job import Job, JobKind
from app.domain.outcome import Outcome
from app.domain.turn import ANSWERING, Tape, Turn
from app.domain.usecase import UseCase
from app.errors import AppError, BadInput, DependencyDown, NotFound
from app.guard.privacy import Privacy
from app.store import corpus, jobs, ledger, shadows
from app.store.db import Database
from app.store.shadows import Run, Waiting
from app.telemetry import metrics, tracing
from app.turn.agreement import Said, agreement, answer_ms, said_in
from app.turn.candidate import alone, named
from app.turn.pipeline import Pipeline
from app.turn.preference import Preference
from app.work.outbox import Relay

log = structlog.get_logger(__name__)
KIND: JobKind = "shadow"
# In whose name the job runs: its row names nobody, the turns that it works on do.
OFFICE = "shadow"
# So many at once: shadows must not take the worker from those who wait.
AT_ONCE = 4
# What waits longer is of no use: the documents and the contract were others.
OLDEST_S = 24 * 3600.0
# Rows of jobs that are done stay so long.
KEPT_S = 600.0
# What ended so may be run after all.
LATER = (Outcome.PAUSED_SWITCH, Outcome.REFUSED_BUDGET)
# A run that ended so says nothing about the candidate.
UNCOUNTED = {
    *LATER,
    Outcome.REFUSED_PERMISSION,
    Outcome.REFUSED_RATE,
    Outcome.REFUSED_BUSY,
    Outcome.FAILED_CANCELLED,
    Outcome.FAILED_DEPENDENCY,
}


@dataclass(frozen=True, slots=True)
class ShadowRuns:
    """What waits for its shadow, and the pipeline that it takes (app/turn/shadow.py)."""

    database: Database
    usecases: Mapping[str, UseCase]
    pipeline: Pipeline
    preference: Preference
    people: People
    privacy: Privacy
    relay: Relay

    async def look(self) -> list[UUID]:
        """Submit a job for each use case of which turns wait; forget what waits for too long."""
        async with self.database.work() as work:
            gone = await shadows.outdated(work, older_than_s=OLDEST_S)
            names = await shadows.unattended(work)
            waiting = await shadows.counts(work)
        if gone:
            log.warning("shadow.outdated", turns=gone)
        for name, case in self.usecases.items():
            if case.contract.shadow.share or name in waiting:
                metrics.observe("shadows_waiting", waiting.get(name, 0), usecase=name)
        return [job_id for name in names if (job_id := await self._submit(name))]

    async def _submit(self, usecase: str) -> UUID | None:
        async with self.database.work() as work:
            await shadows.lock(work, usecase)
            if usecase not in await shadows.unattended(work):
                return None
            await shadows.tidy(work, usecase, older_than_s=KEPT_S)
            job_id = uuid4()
            await jobs.add(work, job_id, jobs.Order(KIND, usecase, OFFICE, (), {}), trace=tracing.inject())
            work.after_commit.append(self.relay.soon)
        return job_id

    async def run(self, job: Job, go_on: Callable[[], None]) -> dict[str, Any]:
        """Run what waits of a use case; `go_on` raises when the job must not. Raises DependencyDown."""
        ran, at_once = 0, AT_ONCE
        while True:
            go_on()
            async with self.database.work() as work:
                page = await shadows.waiting(work, job.usecase, most=at_once)
            if not page:
                return {"turns": ran}
            ended = await _each(self._run(waiting) for waiting in page)
            ran += sum(outcome is not None and outcome not in UNCOUNTED for outcome in ended)
            for waiting, outcome in zip(page, ended, strict=True):
                if outcome is Outcome.PAUSED_SWITCH:
                    go_on()
                    await self._left_out(waiting, "the AI is paused for this asker")
            if Outcome.REFUSED_BUDGET in ended:
                if at_once == 1:
                    return {"turns": ran, "left_out": await self._forget(job.usecase)}
                # Several hold more than one: what is left may still do for each of them alone.
                at_once = 1

    async def _forget(self, usecase: str) -> int:
        async with self.database.work() as work:
            gone = await shadows.forget(work, usecase)
        log.info("shadow.budget_spent", usecase=usecase, left_out=gone)
        metrics.record_shadow(usecase, "left_out_budget")
        return gone

    async def _run(self, waiting: Waiting) -> Outcome | None:
        """Run one; None where it could not be asked."""
        try:
            turn = await self._turn(waiting)
            if turn:
                return await self._ended(waiting, await self.pipeline.run(turn))
            why = "it was erased, or the asker may not read all of its passages any more"
        except DependencyDown:
            raise
        except AppError as error:
            why = error.detail
        except Exception:
            # One that breaks must not stand before all others for ever.
            log.exception("shadow.broke", turn_id=str(waiting.turn_id))
            why = "it broke"
        await self._left_out(waiting, why)
        return None

    async def _ended(self, waiting: Waiting, ended: Turn) -> Outcome | None:
        if isinstance(ended.error, DependencyDown):
            raise DependencyDown("a shadow could not be recorded")
        if ended.outcome in LATER:
            return ended.outcome
        run = await self._compared(waiting, ended) if ended.outcome not in UNCOUNTED else None
        async with self.database.work() as work:
            await shadows.done(work, waiting.turn_id, run)
        metrics.record_shadow(waiting.usecase, "ran" if run else "refused")
        return ended.outcome

    async def _left_out(self, waiting: Waiting, why: str) -> None:
        async with self.database.work() as work:
            await shadows.done(work, waiting.turn_id, None)
        log.info("shadow.left_out", turn_id=str(waiting.turn_id), why=why)
        metrics.record_shadow(waiting.usecase, "left_out_refused")

    async def _turn(self, waiting: Waiting) -> Turn | None:
        """Give the candidate's turn; None where the asker's rights have changed. Raises BadInput, Forbidden."""
        case, asked = self.usecases.get(waiting.usecase), waiting.asked
        candidate = named(case.contract, waiting.candidate) if case else None
        if case is None or candidate is None or asked is None:
            raise BadInput("the candidate is not in the contract any more")
        # Anew: it may have waited for hours, and rights may have gone meanwhile.
        who = await self.people.principal(waiting.user_id, groups=waiting.groups, unit=waiting.unit)
        ids = {passage.document_id for passage in asked.passages}
        async with self.database.work(claims=who.claims) as work:
            # Erased meanwhile, or not readable any more.
            still = await shadows.waits(work, waiting.turn_id)
            if not still or ids - (await corpus.seen_by(work, ids, claims=who.claims)).keys():
                return None
        masks = self.privacy.masks(case.contract.privacy, who, known=asked.masks)
        masks.met.kinds.update(asked.met)
        return Turn(
            usecase=alone(case, candidate),
            principal=who,
            question=asked.question,
            screened=asked.question,
            masks=masks,
            fields=asked.fields,
            history=asked.history,
            passages=asked.passages,
            canary=asked.canary,
            tape=Tape(retrievals=list(asked.retrievals)),
            channel="shadow",
            shadow_of=waiting.turn_id,
        )

    async def _compared(self, waiting: Waiting, ended: Turn) -> Run | None:
        """Set the run beside what people saw; None where the ledger has that no more."""
        try:
            async with self.database.work() as work:
                story = await ledger.story(work, waiting.turn_id, user_id=None)
        except NotFound:
            return None
        one, other = _seen(story), said_in(ended)
        alike = agreement(one, other)
        judge = self.usecases[waiting.usecase].contract.shadow.judge
        told = None
        if judge and one.is_answer and other.is_answer:
            told = await self.preference.between(ended, one.text, other.text, role=judge)
        return Run(
            shadow_id=ended.id,
            turn_id=waiting.turn_id,
            usecase=waiting.usecase,
            candidate=waiting.candidate,
            seen_revision=story["revision"],
            shadow_revision=ended.draft.revision if ended.draft else "",
            seen_outcome=story["outcome"],
            shadow_outcome=ended.outcome.value if ended.outcome else "",
            agrees=alike.agrees,
            overlap=alike.overlap,
            preference=told.verdict if told else None,
            seen_ms=_ms_of(story["steps"]),
            shadow_ms=answer_ms(ended),
            seen_usd=_usd_of(story["calls"]),
            shadow_usd=ended.tape.usage.cost_usd,
            judge_usd=told.cost_usd if told else None,
        )


async def _each(runs: Iterable[Coroutine[Any, Any, Outcome | None]]) -> list[Outcome | None]:
    """Let all of them end, whatever becomes of one."""
    ended = await asyncio.gather(*runs, return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return [each for each in ended if not isinstance(each, BaseException)]


def _seen(story: Mapping[str, Any]) -> Said:
    family = Outcome(story["outcome"]).family
    cited = frozenset(UUID(each["document_id"]) for each in story["citations"])
    return Said(family, story["answer"] or "", story["data"], cited)


def _ms_of(steps: list[dict[str, Any]] | None) -> float:
    return sum(float(step["ms"]) for step in steps or [] if step["step"] == "answer")


def _usd_of(calls: Iterable[Mapping[str, Any]]) -> Decimal | None:
    """Give what the answer cost, without what a shadow is handed; None where a price is not known."""
    costs = [call["cost_usd"] for call in calls if call["purpose"] in ANSWERING]
    return None if None in costs else sum(costs, Decimal(0))
