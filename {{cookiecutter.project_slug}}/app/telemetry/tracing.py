"""Traces: one from the door through queue, worker, retrieval and model; ids only, never content."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBasedTraceIdRatio
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.domain.turn import StopTurn
from app.errors import AppError
from app.telemetry.exporting import LastGate
from app.telemetry.scrub import CONTENT_KEYS, mask

_tracer = trace.get_tracer("app")
_propagator = TraceContextTextMapPropagator()
_provider: TracerProvider | None = None


def configure(service: str, endpoint: str, share: float) -> None:
    """Send a share (0 to 1) of the traces to an OTLP/HTTP endpoint; with none, ids are made and nothing is kept.

    A second call changes nothing: a process has one way of tracing.
    """
    global _provider
    if _provider is not None:
        return
    _provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(share) if endpoint else ALWAYS_OFF,
        resource=Resource.create({SERVICE_NAME: service}),
    )
    if endpoint:
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=5)
        _provider.add_span_processor(BatchSpanProcessor(LastGate(exporter)))
    trace.set_tracer_provider(_provider)


def flush() -> None:
    """Send what is waiting; for processes that end without running exit handlers, as prefork children do."""
    if _provider is not None:
        _provider.force_flush(5000)


@contextmanager
def span(name: str, **attributes: str | float | UUID | None) -> Iterator[Span]:
    """Trace the block as one step; attributes are ids, names and counts, and content is left out.

    Turns that stop on purpose and refusals (status below 500) are no errors of the trace. Of a trace that is not
    kept the block is not a step of its own: nobody would see it, and making it costs as much as some of the steps.
    """
    if in_dropped_trace():
        yield trace.get_current_span()
        return
    known = {
        f"app.{key}": mask(str(value)) if isinstance(value, str | UUID) else value
        for key, value in attributes.items()
        if value is not None and key not in CONTENT_KEYS
    }
    with _tracer.start_as_current_span(
        name, attributes=known, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            if not _is_expected(error):
                current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def note(**attributes: str) -> None:
    """Write names and ids that are known only now on the step in progress."""
    for key, value in attributes.items():
        trace.get_current_span().set_attribute(f"app.{key}", mask(value))


def current_trace_id() -> str:
    """Give the id of the trace in progress as 32 hexadecimal digits, or nothing outside a trace."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else ""


def in_dropped_trace() -> bool:
    """Say whether the trace in progress is one of those that are not kept; false outside a trace."""
    found = trace.get_current_span().get_span_context()
    return found.is_valid and not found.trace_flags.sampled


def inject() -> dict[str, str]:
    """Give the W3C headers (`traceparent`) that let another process continue this trace; empty outside a trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier


@contextmanager
def extract(carrier: Mapping[str, str]) -> Iterator[None]:
    """Continue, within the block, the trace that `inject` wrote down; a carrier without one changes nothing."""
    token = context.attach(_propagator.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


def _is_expected(error: Exception) -> bool:
    return isinstance(error, StopTurn) or (isinstance(error, AppError) and error.status < 500)
