"""The last gate of a span on its way out: attributes and errors recorded by instrumentation lose their content."""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status

from app.telemetry.scrub import scrub


class LastGate(SpanExporter):
    """Exports copies of the spans without messages of exceptions, which quote rows and questions.

    Calls of Redis or PostgreSQL outside any trace stay here: they are polls, several a second.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the copies."""
        wanted = [_scrubbed(span) for span in spans if span.parent or span.kind is not SpanKind.CLIENT]
        return self._exporter.export(wanted) if wanted else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the exporter behind this one."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Flush the exporter behind this one."""
        return self._exporter.force_flush(timeout_millis)


def _scrubbed(span: ReadableSpan) -> ReadableSpan:
    attributes = scrub(span.attributes or {})
    errors = [found for event in span.events if (found := (event.attributes or {}).get("exception.type"))]
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes | ({"error.type": str(errors[-1])} if errors else {}),
        links=span.links,
        kind=span.kind,
        # The type stays readable; descriptions of other people's libraries are "Type: message".
        status=Status(span.status.status_code, _type_only(span.status.description)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _type_only(description: str | None) -> str | None:
    name = (description or "").split(":", 1)[0]
    return name if name.isidentifier() else None
