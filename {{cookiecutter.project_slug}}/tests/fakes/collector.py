"""An OpenTelemetry collector for tests: OTLP over real HTTP, kept in memory; `collector` is its fixture."""

import gzip
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it arrived; ids in hexadecimal, as logs and the ledger write them."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    error: str


@dataclass(slots=True)
class Collector:
    """What was received so far; `raw` holds every body, to look for what must not be there."""

    endpoint: str = ""
    spans: list[ReceivedSpan] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    raw: list[bytes] = field(default_factory=list)

    def named(self, name: str, *, within_s: float = 5) -> ReceivedSpan:
        """Give the first span of that name, waiting for it; fails with the names that did arrive."""
        self.wait(lambda: any(span.name == name for span in self.spans), within_s=within_s)
        found = [span for span in self.spans if span.name == name]
        assert found, f"no span {name!r} within {within_s} s, only {sorted({span.name for span in self.spans})}"
        return found[0]

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """Give the spans of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def wait(self, happened: Callable[[], bool], *, within_s: float = 5) -> bool:
        """Wait until something has happened; gives whether it did."""
        end = time.monotonic() + within_s
        while not happened() and time.monotonic() < end:
            time.sleep(0.02)
        return happened()

    def receive(self, path: str, body: bytes) -> None:
        """Keep one OTLP request."""
        self.raw.append(body)
        if path == "/v1/traces":
            self.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
        if path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    self.metrics.update({metric.name: metric for metric in scope.metrics})


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for resource in request.resource_spans:
        service = str(_values(resource.resource.attributes).get("service.name", ""))
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    service=service,
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes=_values(span.attributes),
                    error=span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else "",
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value") for item in attributes}


@contextmanager
def running() -> Iterator[Collector]:
    """Run a collector on a free port of this machine."""
    received = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.receive(self.path, gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.endpoint = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector for this test alone."""
    with running() as received:
        yield received
