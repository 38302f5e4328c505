"""Lets go of what is older than it may be, twice a day: whole months of the ledger at once, the rest row by row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import structlog

from app.domain.job import JobKind
from app.domain.keeping import Keeping
from app.store import jobs, retention
from app.store.db import Database
from app.telemetry import metrics, tracing
from app.work.outbox import Relay

log = structlog.get_logger(__name__)
KIND: JobKind = "retain"
# In whose name the job runs.
CLOCK = "schedule"
EVERY_S = 12 * 3600.0
MONTHS_AHEAD = 3


def _nothing_stops() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Retention:
    """`keeper` is the database as the role app_keeper, which alone may take something out of the ledger."""

    database: Database
    keeper: Database
    relay: Relay
    keeping: Keeping

    async def look(self) -> UUID | None:
        """Show how long ago the job ran; submit it when it is time."""
        async with self.database.work() as work:
            age_s, is_due = await retention.age(work, every_s=EVERY_S)
        metrics.observe("retention_age_seconds", age_s)
        return await self._submit() if is_due else None

    async def _submit(self) -> UUID | None:
        async with self.keeper.work() as work:
            if not await retention.submitted(work, every_s=EVERY_S):
                return None
            id = uuid4()
            await jobs.add(work, id, jobs.Order(KIND, "", CLOCK, (), {}), trace=tracing.inject())
            work.after_commit.append(self.relay.soon)
        log.info("retention.due", job_id=str(id))
        return id

    async def months_ahead(self) -> None:
        """Make the ledger's partitions in time."""
        async with self.keeper.work() as work:
            await retention.ensure_months(work, ahead=MONTHS_AHEAD)

    async def due(self) -> Mapping[str, int]:
        """Count what the job would remove now, by class; turns in months that it would drop are among the turns."""
        found: dict[str, int] = {}
        async with self.keeper.work() as work:
            await retention.unbounded(work)
            for usecase in await retention.usecases(work):
                before = self._before("turns", usecase)
                found["turns"] = found.get("turns", 0) + await retention.turns_due(work, usecase, before=before)
            for name in retention.CLASSES:
                found[name] = await retention.due(work, name, self.keeping)
        return {name: count for name, count in found.items() if count}

    async def run(self, may_go_on: Callable[[], None] = _nothing_stops) -> Mapping[str, int]:
        """Remove what is due, and give how many rows of each class; `may_go_on` raises when the job must stop.

        Each step is a transaction of its own: who takes over goes on with what is left.
        """
        run = _Run(self.keeper, self.keeping, may_go_on)
        await self.months_ahead()
        await run.drop_months()
        await run.expire_ledger()
        for name in retention.CLASSES:
            await run.remove(name)
        removed = {name: count for name, count in run.removed.items() if count}
        async with self.keeper.work() as work:
            await retention.ended(work, removed)
        log.info("retention.done", **removed)
        return removed

    def _before(self, name: str, usecase: str) -> datetime:
        return datetime.now(UTC) - timedelta(days=self.keeping.of(name, usecase))


@dataclass(slots=True)
class _Run:
    """One run at work, and what it has removed so far."""

    keeper: Database
    keeping: Keeping
    may_go_on: Callable[[], None]
    removed: dict[str, int] = field(default_factory=dict)

    def _count(self, name: str, rows: int) -> None:
        if rows:
            self.removed[name] = self.removed.get(name, 0) + rows
            metrics.record_retention(name, rows)
            log.info("retention.removed", data=name, rows=rows)

    async def drop_months(self) -> None:
        """Drop the months in which everything is older than the longest retention, unless something in one is held."""
        async with self.keeper.work() as work:
            found = await retention.months(work)
        days, now = self.keeping.longest_days, datetime.now(UTC)
        for month in (each for each in found if retention.is_over(each, now=now, days=days)):
            self.may_go_on()
            try:
                async with self.keeper.work() as work:
                    await retention.unbounded(work)
                    dropped = await retention.drop_month(work, month)
            except retention.Busy:
                # Its rows go one by one now, and the month itself next time.
                log.warning("retention.month_busy", month=month.isoformat())
                continue
            if dropped < 0:
                log.info("retention.month_held", month=month.isoformat())
            self._count("turns", max(0, dropped))

    async def expire_ledger(self) -> None:
        """Remove rows of use cases with a shorter retention, and what is left of months that somebody holds."""
        async with self.keeper.work() as work:
            await retention.unbounded(work)
            names = await retention.usecases(work)
        for usecase in names:
            for name, expire in (("turns", retention.expire_turns), ("calls", retention.expire_calls)):
                before = datetime.now(UTC) - timedelta(days=self.keeping.of(name, usecase))
                rows = retention.MOST
                while rows == retention.MOST:
                    self.may_go_on()
                    async with self.keeper.work() as work:
                        rows = await expire(work, usecase, before=before)
                    self._count(name, rows)

    async def remove(self, name: str) -> None:
        """Remove what is due of a class besides the ledger."""
        rows = retention.MOST
        while rows >= retention.MOST:
            self.may_go_on()
            async with self.keeper.work() as work:
                rows = await retention.remove(work, name, self.keeping)
            self._count(name, rows)
