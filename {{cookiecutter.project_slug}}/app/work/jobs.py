"""Jobs: accepted in one transaction, done once, whoever dies on the way."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.control.flags import Flags
from app.control.people import People
from app.control.switches import pauses
from app.domain.identity import Permission, Principal
from app.domain.job import Job, JobStatus
from app.domain.outcome import Outcome
from app.domain.turn import IdempotencyKey, JobItem, Turn
from app.domain.usecase import UseCase
from app.errors import AppError, BadInput, DependencyDown, Forbidden, NotFound, Unsealable, quoted
from app.llm.embeddings import ModelIsOff
from app.store import idempotency
from app.store import jobs as table
from app.store.background import ended
from app.store.db import Database, on_behalf_of
from app.store.jobs import LeaseLost
from app.telemetry import metrics, tracing
from app.turn.pipeline import Pipeline
from app.work.actions import Actions, GoOn
from app.work.embedding import Embedding
from app.work.erasure import Erasures, StillBusy
from app.work.following import SourceBusy
from app.work.ingestion import Ingestion
from app.work.outbox import Relay
from app.work.progress import Progress
from app.work.retention import Retention
from app.work.shadows import ShadowRuns

log = structlog.get_logger(__name__)
MAX_ITEMS = 1000
AT_ONCE = 4


class _Stopped(Exception):
    """The job must not go on: somebody cancelled it, or the AI is paused (`give_back`)."""

    def __init__(self, *, give_back: bool) -> None:
        self.give_back = give_back


@dataclass(frozen=True, slots=True)
class Jobs:
    """Accept, run, and cancel queued work."""

    database: Database
    usecases: Mapping[str, UseCase]
    pipeline: Pipeline
    ingestion: Ingestion
    flags: Flags
    people: People
    relay: Relay
    lease_s: float
    actions: Actions
    embedding: Embedding
    retention: Retention
    erasures: Erasures
    shadows: ShadowRuns

    async def submit_turns(
        self, who: Principal, usecase: str, items: Sequence[Mapping[str, Any]], *, promise: IdempotencyKey | None = None
    ) -> UUID:
        """Accept one turn per item, or give the job that the same Idempotency-Key has begun.

        Raises BadInput for an empty or too long list, Forbidden, NotFound, KeyReused.
        """
        case = self._usecase(usecase)
        access = case.contract.access
        if not (access.takes_jobs(who) and case.admits(who) and who.may(Permission.ASK)):
            raise Forbidden(f"You may not queue work for {usecase!r}.")
        sent = {pair for item in items for pair in item.get("fields", {}).items()}
        if closed := sorted({name for name, value in sent if not access.takes_field(who, name, value)}):
            raise Forbidden(f"You may not send {', '.join(closed)} with these values to {usecase!r}.")
        if not 0 < len(items) <= MAX_ITEMS:
            raise BadInput(f"`items` holds {len(items)} entries; allowed: 1 to {MAX_ITEMS}.")
        what = {"items": list(items), "unit": who.unit}
        order = table.Order("turns", usecase, who.user_id, who.token_groups, what, total=len(items))
        return await self.submit(order, promise=promise)

    async def submit(self, order: table.Order, *, promise: IdempotencyKey | None = None) -> UUID:
        """Accept a job; its message leaves after the commit."""
        self._usecase(order.usecase)
        async with self.database.work() as work:
            job_id = uuid4()
            if promise and (
                done := await idempotency.begin(work, promise, user_id=order.user_id, subject_id=job_id, busy_s=60)
            ):
                return UUID(done["job_id"])
            await table.add(work, job_id, order, trace=tracing.inject())
            if promise:
                response = {"job_id": str(job_id)}
                await idempotency.finish(work, promise, user_id=order.user_id, subject_id=job_id, response=response)
            work.after_commit.append(self.relay.soon)
        return job_id

    def _usecase(self, name: str) -> UseCase:
        if name not in self.usecases:
            raise NotFound(f"There is no use case {quoted(name)}; there are: {', '.join(self.usecases) or 'none yet'}.")
        return self.usecases[name]

    async def run(self, job_id: UUID) -> None:
        """Do the job, or the rest of it, unless somebody alive is doing it already, or it has to wait."""
        async with self.database.work() as work:
            job = await table.claim(work, job_id, lease_s=self.lease_s, but=pauses(self.flags.off))
            if job is None:
                await table.keep_place(work, job_id)
        if job is None or job.lease is None:
            return
        traced = tracing.extract(job.input.get("trace", {}))
        with traced, tracing.span("job", job_id=str(job.id), kind=job.kind), on_behalf_of(job.id):
            try:
                await self._run(job, job.lease)
            except LeaseLost:
                log.warning("job.lost", job_id=str(job.id))
            except DependencyDown as error:
                log.warning("job.waits", job_id=str(job.id), error=error.detail)

    async def _run(self, job: Job, lease: UUID) -> None:
        status, error, result = JobStatus.SUCCEEDED, "", None
        try:
            async with self._held(job, lease) as stop:
                result = await self._result(job, lease, stop)
        except _Stopped as stopped:
            if stopped.give_back:
                async with self.database.work() as work:
                    await table.give_back(work, job.id, lease=lease)
                    if pauses(self.flags.off).hold(job.kind, job.usecase):
                        await table.keep_place(work, job.id)
                return
            status = JobStatus.CANCELLED
        except DependencyDown:
            raise
        except AppError as fault:
            status, error = JobStatus.FAILED, fault.detail
        async with self.database.work() as work:
            await table.finish(work, job.id, lease=lease, status=status, error=error, result=result)
            ended = await table.get(work, job.id, user_id=None)
        if ended.status.is_over:
            metrics.record_job(ended)

    @asynccontextmanager
    async def _held(self, job: Job, lease: UUID) -> AsyncIterator[asyncio.Event]:
        stop = asyncio.Event()
        me = asyncio.current_task()
        assert me is not None, "a job runs in a task"
        lost = False

        async def renew() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self.lease_s / 3)
                try:
                    async with self.database.work() as work:
                        status = await table.renew(work, job.id, lease=lease, lease_s=self.lease_s)
                    if status is JobStatus.CANCELLING:
                        stop.set()
                    else:
                        stop.clear()
                except LeaseLost:
                    lost = True
                    me.cancel()
                    return
                except DependencyDown:
                    log.warning("job.unrenewed", job_id=str(job.id))

        renewing = asyncio.create_task(renew())
        try:
            yield stop
        except asyncio.CancelledError:
            if lost:
                me.uncancel()
                raise LeaseLost from None
            raise
        finally:
            await ended(renewing)

    async def _result(self, job: Job, lease: UUID, stop: asyncio.Event) -> dict[str, Any]:
        if "sealed" in job.input:
            raise Unsealable("What was asked for does not open: its key is missing, or it was altered.")
        if job.kind == "turns":
            return await self._turns(job, lease, stop)
        if job.kind == "actions":
            return await self.actions.run(job, lease, self._in_actions(job, stop))
        if job.kind == "embed":

            def go_on() -> None:
                self._may_go_on("", stop)

            try:
                return await self.embedding.run(job, go_on, Progress(self.database, job, go_on))
            except ModelIsOff:
                raise _Stopped(give_back=True) from None
        if job.kind in ("retain", "erase"):
            return await self._let_go(job, stop)
        if job.kind == "shadow":
            return await self.shadows.run(job, lambda: self._may_go_on(job.usecase, stop))
        return await self._documents(job, stop)

    async def _let_go(self, job: Job, stop: asyncio.Event) -> dict[str, Any]:
        def go_on() -> None:
            if stop.is_set():
                raise _Stopped(give_back=False)

        if job.kind == "retain":
            return {"removed": dict(await self.retention.run(go_on))}
        try:
            return await self.erasures.run(job, go_on)
        except StillBusy:
            raise _Stopped(give_back=True) from None

    def _may_go_on(self, usecase: str, stop: asyncio.Event, who: Principal | None = None) -> None:
        if stop.is_set():
            raise _Stopped(give_back=False)
        if self.flags.pause(usecase, who):
            raise _Stopped(give_back=True)

    def _in_actions(self, job: Job, stop: asyncio.Event) -> GoOn:
        def go_on(who: Principal | None = None, tool: str = "") -> None:
            self._may_go_on(job.usecase, stop, who)
            if tool and self.flags.why_tool_off(job.usecase, tool):
                raise _Stopped(give_back=True)

        return go_on

    async def _turns(self, job: Job, lease: UUID, stop: asyncio.Event) -> dict[str, Any]:
        async with self.database.work() as work:
            done = await table.done_items(work, job.id)
        usecase = self._usecase(job.usecase)
        todo = [(place, item) for place, item in enumerate(job.input["items"]) if place not in done]
        for start in range(0, len(todo), AT_ONCE):
            batch = todo[start : start + AT_ONCE]
            # Anew for each batch: a job may run for hours, and rights may go meanwhile.
            who = await self.people.principal(job.user_id, groups=job.groups, unit=job.input.get("unit", ""))
            self._may_go_on(usecase.name, stop, who)
            turns = [self._turn(usecase, who, item, JobItem(job.id, place, lease)) for place, item in batch]
            ended = await asyncio.gather(*(self.pipeline.run(turn) for turn in turns))
            if any(isinstance(turn.error, DependencyDown) for turn in ended):
                raise DependencyDown("an item could not be recorded")
            if any(turn.outcome is Outcome.PAUSED_SWITCH for turn in ended):
                raise _Stopped(give_back=True)
        return {"items": job.total}

    def _turn(self, usecase: UseCase, who: Principal, item: Mapping[str, Any], place: JobItem) -> Turn:
        return Turn(
            usecase=usecase,
            principal=who,
            question=str(item["question"]),
            fields=dict(item.get("fields", {})),
            channel="job",
            job_item=place,
        )

    async def _documents(self, job: Job, stop: asyncio.Event) -> dict[str, Any]:
        progress = Progress(self.database, job, lambda: self._may_go_on(job.usecase, stop))
        try:
            return await self.ingestion.run(job, progress)
        except SourceBusy:
            raise _Stopped(give_back=True) from None
