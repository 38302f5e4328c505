"""Logs: one JSON object per line in production, readable lines in development; ids, never content."""

import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
import structlog
from structlog.types import Processor

from app.telemetry.scrub import describe, mask, scrub
from app.telemetry.tracing import current_trace_id

# Below warning these write statements with parameters, whole requests or whole URLs; or, every two seconds, that the
# clock has ticked. What a task has done our own lines say.
_TALKATIVE = (
    *("sqlalchemy", "httpx", "httpx2", "httpcore", "httpcore2", "openai", "anthropic", "urllib3", "pypdf"),
    *("celery.beat", "celery.worker.strategy", "celery.app.trace"),
)
_OWN_HANDLERS = ("uvicorn", "uvicorn.access", "uvicorn.error", "celery", "celery.task", "alembic")

Event = MutableMapping[str, Any]


def configure(level: str, json: bool) -> None:
    """Send every logger of the process, also those of libraries, through one scrubbed handler to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    last: list[Processor] = [_strip, _errors, _scrub, _renderer(json)]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _OWN_HANDLERS:
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # uvicorn takes a logger that reaches a handler for the wish to have a line per request, whatever it is told.
    logging.getLogger("uvicorn.access").propagate = False
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


@contextmanager
def bound(**ids: str | UUID) -> Iterator[None]:
    """Put ids (turn_id, job_id, usecase) on every line that is logged within the block."""
    with structlog.contextvars.bound_contextvars(**{key: str(value) for key, value in ids.items()}):
        yield


def _renderer(json: bool) -> Processor:
    if json:
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


def _json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def _add_trace(_logger: Any, _method: str, event: Event) -> Event:
    if trace_id := current_trace_id():
        event.setdefault("trace_id", trace_id)
    return event


def _strip(_logger: Any, _method: str, event: Event) -> Event:
    event.pop("_from_structlog", None)
    event.pop("_record", None)
    return event


def _errors(_logger: Any, _method: str, event: Event) -> Event:
    """Replace an exception by its types and places: its message may quote what people wrote."""
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else found
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = describe(error)
        event["caused_by"] = [describe(cause) for cause in _causes(error)]
        frames = traceback.extract_tb(error.__traceback__)
        event["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    cause = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _scrub(_logger: Any, _method: str, event: Event) -> Event:
    lines = mask(str(event.pop("event", ""))).splitlines() or [""]
    return {"event": lines[0], **scrub(event)}
