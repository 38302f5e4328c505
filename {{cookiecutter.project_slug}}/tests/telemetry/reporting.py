"""Small processes that report to a collector as the service's own processes do; run by the tests, one role each."""

import contextlib
import json
import sys
from typing import Any

import celery
import fastapi
import redis
import sqlalchemy
from celery.contrib.testing.worker import start_worker
from fastapi.testclient import TestClient
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.telemetry import instrumentation, metrics, tracing
from app.telemetry.declared import METRICS


def api(planted: str) -> dict[str, Any]:
    """Accept a request that asks the database and Redis, writes the trace down for a job, and fails with content."""
    web = fastapi.FastAPI()
    engine = sqlalchemy.create_engine("sqlite://")
    cache = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    instrumentation.instrument_app(web)
    instrumentation.instrument_engine(engine)
    instrumentation.instrument_redis()
    with contextlib.suppress(redis.RedisError):
        cache.get("poll outside any request")

    @web.post("/v1/jobs")
    def submit(question: str) -> dict[str, Any]:
        with tracing.span("jobs.submit", question=question, usecase="answers"), engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT :question"), {"question": question})
            with contextlib.suppress(redis.RedisError):
                cache.set(question, question)
            return {"carrier": tracing.inject(), "trace_id": tracing.current_trace_id()}

    @web.post("/v1/broken")
    def broken(question: str) -> None:
        raise RuntimeError(f"cannot answer {question}")

    @web.get("/health/live")
    def live() -> None:
        pass

    client = TestClient(web, raise_server_exceptions=False)
    client.get("/health/live")
    client.post("/v1/broken", params={"question": planted})
    answer: dict[str, Any] = client.post("/v1/jobs", params={"question": planted}).json()
    return answer


def worker(carrier: dict[str, str], planted: str) -> dict[str, Any]:
    """Take a job over from another process: the trace goes on from what its row carries, also over the broker."""
    queue = celery.Celery(broker="memory://", backend="cache+memory://")
    queue.conf.broker_transport_options = {"polling_interval": 0.01}
    instrumentation.instrument_celery()

    @queue.task(name="jobs.run")  # type: ignore[untyped-decorator]
    def run() -> str:
        with contextlib.suppress(ValueError), tracing.span("turn"):
            raise ValueError(planted)
        return tracing.current_trace_id()

    def start() -> str:
        with tracing.extract(carrier), tracing.span("job"):
            return str(run.delay().get(timeout=10))

    report = {}
    # Celery takes five seconds to say goodbye, and raises when nobody waits for it.
    hasty = {"perform_ping_check": False, "shutdown_timeout": 0.3}
    with contextlib.suppress(RuntimeError), start_worker(queue, pool="solo", **hasty):
        report["trace_id"] = start()
    return report


def measuring() -> dict[str, Any]:
    """Set every gauge and count everything once."""
    for metric in METRICS:
        labels = dict.fromkeys(metric.labels, "some")
        if metric.kind == "gauge":
            metrics._meters.gauges[metric.name].set(1, labels)
        if metric.kind == "counter":
            metrics._meters.counters[metric.name].add(1, labels)
        if metric.kind == "histogram" and metric.name in metrics._meters.histograms:
            metrics._meters.histograms[metric.name].record(1, labels)
    return {}


def main() -> None:
    """Run one role and print what it gives."""
    role, endpoint, values = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    for _ in range(2):
        tracing.configure(role, endpoint, 1.0)
        metrics.configure(role, endpoint)
    report = {"api": api, "worker": worker, "measuring": measuring}[role](**values)  # type: ignore[operator]
    tracing.flush()
    metrics.flush()
    print(json.dumps(report))


if __name__ == "__main__":
    main()
