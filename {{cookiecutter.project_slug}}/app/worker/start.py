"""Starts a worker: many turns at once on threads, documents in processes of their own, and the clock beside them."""

import warnings
from socket import gethostname
from typing import Any, Literal

from celery import signals

from app.settings import Settings
from app.telemetry import metrics
from app.telemetry.instrumentation import instrument_celery
from app.worker.loop import held
from app.worker.queue import DOCUMENTS, HOUSEKEEPING, TURNS, celery, dispatch

Role = Literal["turns", "documents", "beat"]
THREADS = 16
METRICS_PORT = 9464


def start(role: Role, settings: Settings) -> None:
    """Run until stopped."""
    # Our image runs as nobody; on a developer's machine root is root's own business.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    celery.conf.broker_url = settings.redis_url
    instrument_celery()
    if role == "beat":
        # In memory: the schedule is code, and a second clock does no harm, as the work it asks for takes locks.
        celery.Beat(scheduler="celery.beat:Scheduler", loglevel=settings.log_level).run()
        return
    threads = role == TURNS
    begin, end = (
        (signals.worker_init, signals.worker_shutdown)
        if threads
        else (
            signals.worker_process_init,
            signals.worker_process_shutdown,
        )
    )

    def open_(**_: Any) -> None:
        from app.wiring.service import build

        held.start(build(settings, dispatch=dispatch))
        metrics.serve(METRICS_PORT)

    def close(**_: Any) -> None:
        metrics.flush()
        held.stop()

    begin.connect(open_, weak=False)
    end.connect(close, weak=False)
    celery.Worker(
        hostname=f"{role}@{gethostname()}",
        pool="threads" if threads else "prefork",
        concurrency=THREADS if threads else 1,
        queues=[TURNS if threads else DOCUMENTS, HOUSEKEEPING],
        loglevel=settings.log_level,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    ).start()
