"""What has to happen every few seconds, and every day, for the rest to keep its promises."""

from dataclasses import dataclass

import structlog

from app.domain.incident import KINDS
from app.store import budgets, flags, incidents, jobs, keys, outbox, quality, semantic
from app.store.db import Database
from app.telemetry import metrics
from app.work import actions
from app.work.audit import AuditKeeper
from app.work.budgets import BudgetKeeper
from app.work.captures import Captures
from app.work.directory import DirectoryKeeper
from app.work.embedding import Embedding
from app.work.erasure import Erasures
from app.work.outbox import Relay
from app.work.retention import Retention
from app.work.review_keeper import ReviewKeeper
from app.work.rollout_guard import RolloutGuard
from app.work.schedule import Schedule
from app.work.sealing import Sealing
from app.work.sending import Sending
from app.work.shadows import ShadowRuns
from app.work.spikes import SpikeKeeper

log = structlog.get_logger(__name__)
PERSON_DAYS = 62
# A key that ends within so many days is told of, if it was used in the last so many.
KEY_ENDS_DAYS, KEY_USED_DAYS = 14, 30


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Sweeps up after dead workers and lost messages; makes room for next month."""

    database: Database
    relay: Relay
    keeper: BudgetKeeper
    directory: DirectoryKeeper
    schedule: Schedule
    embedding: Embedding
    sealing: Sealing
    audit: AuditKeeper
    spikes: SpikeKeeper
    retention: Retention
    erasures: Erasures
    sending: Sending
    shadows: ShadowRuns
    captures: Captures
    reviews: ReviewKeeper
    rollouts: RolloutGuard

    async def often(self) -> None:
        """Hand on what the dead left, settle, send what waits, read directory and sources that are due, report."""
        async with self.database.work() as work:
            found = await jobs.sweep(work)
            counts = await jobs.counts(work)
            waiting, oldest_s = await outbox.unsent(work, but=self.relay.pauses)
            rates = await quality.newest(work)
            await semantic.forget(work)
            settled = await flags.settle(work)
            stranded = await actions.sweep(work)
            unsolved = await incidents.counts(work)
            dead = await jobs.failed_lately(work)
            ending = await keys.expiring(work, within_days=KEY_ENDS_DAYS, used_within_days=KEY_USED_DAYS)
        if found:
            log.warning("jobs.swept", jobs=[str(job_id) for job_id in found])
        if settled:
            log.info("flags.settled", keys=settled)
        if stranded:
            log.warning("actions.stranded", reviews=[str(review_id) for review_id in stranded])
        await self.keeper.sweep()
        await self.keeper.look()
        await self.spikes.look()
        await self.reviews.look()
        await self.rollouts.look()
        await self.directory.keep()
        await self.schedule.submit()
        await self.shadows.look()
        await self.captures.keep()
        await self.embedding.look()
        await self.relay.send()
        await self.sealing.keep()
        await self.audit.often()
        await self.retention.look()
        await self.erasures.look()
        await self.sending.look()
        for status in ("queued", "running", "cancelling"):
            metrics.observe("jobs_open", counts.get(status, 0), status=status)
        for kind in KINDS:
            metrics.observe("incidents_open", unsolved.get(kind, 0), kind=kind)
        for row in rates:
            metrics.observe("quality_pass_ratio", row["pass_rate"], usecase=row["usecase"])
        metrics.observe("dead_jobs", dead)
        metrics.observe("api_keys_expiring", ending)
        metrics.observe("outbox_unsent", waiting)
        metrics.observe("outbox_oldest_seconds", oldest_s)

    async def daily(self) -> None:
        """Make the next months' partitions; forget expired Idempotency-Keys and what persons spent long ago."""
        await self.retention.months_ahead()
        async with self.database.work() as work:
            await work.sql("DELETE FROM idempotency WHERE expires_at < now()")
            await budgets.forget(work, older_than_days=PERSON_DAYS)
        await self.embedding.daily()
        await self.audit.daily()
