"""The instruments behind the declared metrics, and the two ways they leave: Prometheus' text and OTLP."""

from collections.abc import Callable, Iterable, Mapping
from time import monotonic

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from app.telemetry.declared import METRICS, Metric

_PUSH_EVERY_MS = 15_000
_HTTP = "http.server.request.duration"


class _Before(Collector):
    """Stands first in the registry, so that gauges are fresh when the others are read."""

    def __init__(self, refresh: Callable[[], None]) -> None:
        self._refresh = refresh

    def collect(self) -> Iterable[Family]:
        self._refresh()
        return ()


class State:
    """What a gauge was last observed to be, per set of labels."""

    def __init__(self, metric: Metric) -> None:
        self._fresh_s = metric.fresh_s
        self._seen: dict[tuple[tuple[str, str], ...], tuple[float, float]] = {}

    def set(self, value: float, labels: Mapping[str, str]) -> None:
        """Keep what is true now."""
        self._seen[tuple(sorted(labels.items()))] = (value, monotonic())

    def read(self, _options: CallbackOptions) -> Iterable[Observation]:
        """Give what is still fresh."""
        oldest = monotonic() - self._fresh_s if self._fresh_s else 0
        return [Observation(value, dict(labels)) for labels, (value, at) in list(self._seen.items()) if at >= oldest]


class Meters:
    """One instrument per declared metric, in a registry of their own."""

    def __init__(self, service: str, endpoint: str, refresh: Callable[[], None]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Before(refresh))
        ProcessCollector(registry=self.registry)
        readers: list[MetricReader] = [
            PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self.registry)
        ]
        if endpoint:
            exporter = OTLPMetricExporter(f"{endpoint.rstrip('/')}/v1/metrics", timeout=5)
            readers.append(PeriodicExportingMetricReader(exporter, export_interval_millis=_PUSH_EVERY_MS))
        self.provider = MeterProvider(readers, Resource.create({SERVICE_NAME: service}), views=_views())
        self._build()

    def render(self) -> tuple[bytes, str]:
        """Give Prometheus' text and its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def serve(self, port: int, host: str) -> int:
        """Answer scrapes from a thread of this process; gives the port, raises OSError when it is taken."""
        server, _ = start_http_server(port, addr=host, registry=self.registry)
        return server.server_port

    def close(self) -> None:
        """Push what is waiting and stop."""
        self.provider.shutdown(5000)

    def _build(self) -> None:
        meter = self.provider.get_meter("app")
        of_kind = {
            kind: [m for m in METRICS if m.kind == kind and not m.name.startswith("http_server")]
            for kind in ("counter", "gauge", "histogram")
        }
        # The exporter adds "_total" to counters; declared names are those that Prometheus shows.
        self.counters: dict[str, Counter] = {
            m.name: meter.create_counter(m.name.removesuffix("_total"), description=m.help) for m in of_kind["counter"]
        }
        self.gauges = {m.name: State(m) for m in of_kind["gauge"]}
        for m in of_kind["gauge"]:
            meter.create_observable_gauge(m.name, [self.gauges[m.name].read], description=m.help)
        self.histograms: dict[str, Histogram] = {
            m.name: meter.create_histogram(
                m.name, unit=_unit(m), description=m.help, explicit_bucket_boundaries_advisory=m.buckets
            )
            for m in of_kind["histogram"]
        }


def _unit(metric: Metric) -> str:
    return "s" if metric.name.endswith("_seconds") else ""


def _views() -> list[View]:
    request = next(metric for metric in METRICS if metric.name.startswith("http_server"))
    return [
        View(
            instrument_name=_HTTP,
            attribute_keys={"http.request.method", "http.response.status_code", "http.route"},
            description=request.help,
            aggregation=ExplicitBucketHistogramAggregation(request.buckets),
        ),
        *(
            View(instrument_name=name, aggregation=DropAggregation())
            for name in ("http.server.active_requests", "http.server.*.body.size", "http.server.*.size")
        ),
    ]
