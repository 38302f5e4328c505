"""Sources that are read again by the clock: one job when the time has come, and none while another is open."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from app.domain.usecase import UseCase
from app.store import jobs, sources
from app.store.db import Database
from app.store.sources import Place
from app.telemetry import tracing

log = structlog.get_logger(__name__)
# In whose name the clock asks; it is in no group, so its jobs name only documents that everyone may read.
CLOCK = "schedule"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Submits the jobs of sources that state `every`; the relay of the outbox sends them after that."""

    database: Database
    usecases: Mapping[str, UseCase]

    async def submit(self) -> list[UUID]:
        """Submit a job for each source whose time has come; gives their ids."""
        timed = [
            (Place(name, source.name), source.every.total_seconds())
            for name, usecase in self.usecases.items()
            for source in usecase.sources
            if source.every
        ]
        submitted = []
        for place, every_s in timed:
            async with self.database.work() as work:
                if await sources.due(work, place, every_s=every_s):
                    job_id = uuid4()
                    order = jobs.Order("ingest", place.usecase, CLOCK, (), {"source": place.source})
                    await jobs.add(work, job_id, order, trace=tracing.inject())
                    submitted.append(job_id)
                    log.info("ingestion.due", usecase=place.usecase, source=place.source)
        return submitted
