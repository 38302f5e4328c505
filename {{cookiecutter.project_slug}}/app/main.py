"""The roof: puts the doors around the service."""

from typing import Any

from app.api.app import create
from app.console import pages
from app.errors import CannotStart
from app.telemetry.instrumentation import instrument_celery
from app.wiring.process import configure
from app.wiring.refusing import settings_to_start_with
from app.wiring.service import build
from app.worker.queue import celery, dispatch


def api() -> Any:
    """Build the HTTP application; uvicorn calls this in each process."""
    try:
        settings = settings_to_start_with()
        configure(settings)
        celery.conf.broker_url = settings.redis_url
        instrument_celery()
        return create(build(settings, dispatch=dispatch), pages=pages.ROUTERS)
    except CannotStart as error:
        raise SystemExit(f"The service cannot start:\n{error.detail}") from None
