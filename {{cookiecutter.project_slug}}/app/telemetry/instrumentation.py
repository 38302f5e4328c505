"""Puts the libraries' own calls into our traces: requests, tasks, SQL and Redis commands.

Each instrumentation is imported where it is used: it brings its whole library, and no process needs all four.
"""

import os
from typing import Any

from opentelemetry import trace
from opentelemetry.metrics import NoOpMeterProvider

from app.telemetry import metrics, tracing

# Read once, by whichever instrumentation comes first; the old names would put whole URLs into labels.
os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")


def instrument_app(app: Any) -> None:
    """Trace and time every request of a FastAPI application but health checks, scrapes and pages that listen."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(
        app,
        exclude_spans=["receive", "send"],
        # A page that listens for changes holds its request open: that is no time anybody waits.
        excluded_urls="/health/,/metrics$,/console/live$",
        meter_provider=metrics.provider(),
    )


def instrument_engine(engine: Any) -> None:
    """Trace the statements, without their parameters, of one SQLAlchemy engine, async or not."""
    from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer

    class Sparing(EngineTracer):  # type: ignore[misc, unused-ignore]
        """Leaves statements of traces that are not kept alone; they are most."""

        def _before_cur_exec(self, *given: Any) -> Any:
            if tracing.in_dropped_trace():
                return given[2], given[3]
            traced: Any = super()._before_cur_exec
            return traced(*given)

    # Not SQLAlchemyInstrumentor: it takes one engine per process and adds a span to every checkout.
    meter = NoOpMeterProvider().get_meter("app")
    tracer = trace.get_tracer("opentelemetry.instrumentation.sqlalchemy")
    attach: Any = Sparing
    attach(tracer, getattr(engine, "sync_engine", engine), meter.create_up_down_counter("connections"))


def instrument_celery() -> None:
    """Trace tasks from the sender to the worker; call it in both."""
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    instrumentor: Any = CeleryInstrumentor
    if not instrumentor().is_instrumented_by_opentelemetry:
        instrumentor().instrument(meter_provider=NoOpMeterProvider(), skip_dep_check=True)


def instrument_redis() -> None:
    """Trace Redis commands, without their arguments, of every client of the process."""
    from opentelemetry.instrumentation.redis import RedisInstrumentor

    if not RedisInstrumentor().is_instrumented_by_opentelemetry:
        RedisInstrumentor().instrument(skip_dep_check=True)
