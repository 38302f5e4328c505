"""The tasks. Each takes an id, or nothing, and calls one thing; rows are read again before anything is done."""

from uuid import UUID

import structlog

from app.errors import DependencyDown
from app.worker.loop import held
from app.worker.queue import celery

log = structlog.get_logger(__name__)


@celery.task(name="jobs.run")  # type: ignore[untyped-decorator]
def run_job(*, job_id: str) -> None:
    """Do a job, or the rest of it."""
    try:
        held.run(held.service.jobs.run(UUID(job_id)))
    except DependencyDown as error:
        # The sweep hands the job on once the database is back.
        log.warning("job.unreached", job_id=job_id, error=error.detail)


@celery.task(name="webhooks.send")  # type: ignore[untyped-decorator]
def send_webhooks() -> None:
    """Send the events that wait for receivers."""
    try:
        held.run(held.service.sending.send())
    except DependencyDown as error:
        log.warning("webhooks.skipped", error=error.detail)


@celery.task(name="housekeeping.often")  # type: ignore[untyped-decorator]
def often() -> None:
    """Hand on what dead workers left, send what waits."""
    try:
        held.run(held.service.housekeeping.often())
    except DependencyDown as error:
        log.warning("housekeeping.skipped", error=error.detail)


@celery.task(name="housekeeping.daily")  # type: ignore[untyped-decorator]
def daily() -> None:
    """Make room for next month; forget what may be forgotten."""
    held.run(held.service.housekeeping.daily())
