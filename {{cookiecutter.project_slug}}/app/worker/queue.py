"""The Celery application: which queue each kind of work takes, and how messages get in."""

import asyncio
from functools import partial
from typing import Any

from celery import Celery

from app.errors import DependencyDown

TURNS, DOCUMENTS, HOUSEKEEPING = "turns", "documents", "housekeeping"
QUEUE_OF_KIND = {
    "turns": TURNS,
    "actions": TURNS,
    # Waits for vendors, not for processors; beside the documents it would keep them waiting for hours.
    "embed": TURNS,
    "retain": TURNS,
    "erase": TURNS,
    "shadow": TURNS,
    "ingest": DOCUMENTS,
    "upload": DOCUMENTS,
    "access": DOCUMENTS,
    "delete": DOCUMENTS,
}
# Rows of the database are the truth and are swept: a message nobody took for so long is of no use.
EXPIRES_S = 3600
OFTEN_S = 2.0
SEND_S = 2.0

celery = Celery("app", include=["app.worker.tasks"])
celery.conf.update(
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_connect_timeout": 1,
        "socket_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 5,
        "visibility_timeout": 600,
    },
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_schedule_filename="",
    beat_schedule={
        "often": {
            "task": "housekeeping.often",
            "schedule": OFTEN_S,
            "options": {"queue": HOUSEKEEPING, "expires": 2 * OFTEN_S},
        },
        "daily": {
            "task": "housekeeping.daily",
            "schedule": 6 * 3600.0,
            "options": {"queue": HOUSEKEEPING, "expires": 3600},
        },
    },
)


async def dispatch(topic: str, payload: dict[str, Any]) -> None:
    """Hand a letter of the outbox to its queue.

    Raises DependencyDown when the broker does not take it in time, LookupError for a letter that no queue takes.
    """
    if topic not in ("job", "webhooks"):
        raise LookupError(f"no queue takes {topic!r}")
    send = partial(_send, payload["job_id"], QUEUE_OF_KIND[payload["kind"]]) if topic == "job" else _ring
    try:
        async with asyncio.timeout(SEND_S):
            await asyncio.to_thread(send)
    except (OSError, TimeoutError, celery.connection().connection_errors) as error:
        raise DependencyDown("The queue does not answer.") from error


def _send(job_id: str, queue: str) -> None:
    celery.send_task("jobs.run", kwargs={"job_id": job_id}, queue=queue, expires=EXPIRES_S, retry=False)


def _ring() -> None:
    # Waits for receivers, not for processors. Whoever looks next rings again, so old ones are of no use.
    celery.send_task("webhooks.send", queue=TURNS, expires=2 * OFTEN_S, retry=False)
