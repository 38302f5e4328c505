"""What has to happen every few seconds, and every day, for the rest to keep its promises."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from app.domain.incident import KINDS
from app.errors import DependencyDown
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
        """Hand on what the dead left, settle, send what waits, read directory and sources that are due, report.

        What breaks is logged and counted, and keeps nothing else from being done. Raises DependencyDown where the
        database cannot be reached: nothing can be done without.
        """
        await _done({"sweep": self._sweep}, but=DependencyDown)
        await _done(
            {
                "budgets.sweep": self.keeper.sweep,
                "budgets": self.keeper.look,
                "spikes": self.spikes.look,
                "reviews": self.reviews.look,
                "rollouts": self.rollouts.look,
                "directory": self.directory.keep,
                "schedule": self.schedule.submit,
                "shadows": self.shadows.look,
                "captures": self.captures.keep,
                "embedding": self.embedding.look,
                "relay": self.relay.send,
                "sealing": self.sealing.keep,
                "audit": self.audit.often,
                "retention": self.retention.look,
                "erasures": self.erasures.look,
                "webhooks": self.sending.look,
            }
        )

    async def daily(self) -> None:
        """Make the next months' partitions; forget expired Idempotency-Keys and what persons spent long ago."""
        await _done(
            {
                "months": self.retention.months_ahead,
                "forgotten": self._forget,
                "embedding.daily": self.embedding.daily,
                "audit.daily": self.audit.daily,
            }
        )

    async def _forget(self) -> None:
        async with self.database.work() as work:
            await work.sql("DELETE FROM idempotency WHERE expires_at < now()")
            await budgets.forget(work, older_than_days=PERSON_DAYS)

    async def _sweep(self) -> None:
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


async def _done(steps: Mapping[str, Callable[[], Awaitable[object]]], *, but: type[Exception] | tuple[()] = ()) -> None:
    """Take each step, whatever becomes of the others; what is one of `but` is raised."""
    for name, step in steps.items():
        failures = 0
        try:
            await step()
        except but:
            raise
        except Exception:
            failures = 1
            log.exception("housekeeping.broke", step=name)
        metrics.record_housekeeping(name, failures=failures)
