"""What is recorded is what /metrics shows, under the declared names and with bounded labels."""

import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.job import Job, JobStatus
from app.domain.turn import Call, Tape, Turn, Usage
from app.domain.usecase import UseCase
from app.telemetry import metrics
from app.telemetry.declared import METRICS, PROCESS, GaugeName
from tests.fakes.collector import Collector
from tests.telemetry.conftest import PLANTED_QUESTION, Report


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Counters at zero, for this test alone."""
    metrics.configure(f"tests-{uuid4()}", "")
    metrics._seen.clear()
    yield
    metrics._before.clear()


def shown() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read /metrics as Prometheus does."""
    families = text_string_to_metric_families(metrics.render()[0].decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(name: str, **labels: str) -> float | None:
    return shown().get((name, frozenset(labels.items())))


@pytest.mark.proves("OBS-3")
def test_a_turn_is_counted_by_outcome_time_tokens_and_money(turn: Turn) -> None:
    metrics.record_turn(turn)

    by = {"usecase": "answers", "family": "answered", "channel": "api"}
    assert value("turns_total", **by, outcome="answered_model", rung="standard") == 1
    assert value("turn_duration_seconds_sum", **by) == 1.2
    assert value("model_calls_total", provider="openai", model="large", revision="r1", outcome="ok") == 1
    assert value("model_calls_total", provider="openai", model="large", revision="r1", outcome="timeout") == 1
    assert value("tokens_total", usecase="answers", direction="input") == 1010
    assert value("cost_usd_total", usecase="answers", unit="sales") == 0.02
    assert value("retrieval_duration_seconds_count", usecase="answers") == 1
    assert value("passages_found_count", usecase="answers") == 1


def test_a_turn_that_broke_without_an_outcome_counts_as_failed(turn: Turn) -> None:
    metrics.record_turn(turn.with_(outcome=None, draft=None))

    by = {"usecase": "answers", "family": "failed", "channel": "api"}
    assert value("turns_total", **by, outcome="failed_internal", rung="none") == 1


def test_a_call_without_a_price_is_counted_as_unpriced_not_as_free(turn: Turn) -> None:
    metrics.record_turn(turn.with_(tape=Tape([Call("cheap", "openai", "new", "r", 1, Usage(5, 5, None))])))

    assert value("unpriced_calls_total", model="new") == 1
    assert value("cost_usd_total", usecase="answers", unit="sales") is None


def test_free_text_in_an_error_never_becomes_a_label(turn: Turn) -> None:
    call = Call("cheap", "openai", "new", "r", 1, Usage(), error=f"Refused: {PLANTED_QUESTION}")
    metrics.record_turn(turn.with_(tape=Tape([call])))

    assert value("model_calls_total", provider="openai", model="new", revision="r", outcome="failed") == 1
    assert PLANTED_QUESTION not in metrics.render()[0].decode()


def test_a_job_is_counted_with_its_wait() -> None:
    now = datetime.now(UTC)
    started, finished = now + timedelta(seconds=3), now + timedelta(seconds=8)
    metrics.record_job(
        Job(uuid4(), "ingest", "u", (), {}, JobStatus.FAILED, 1, 0, now, started_at=started, finished_at=finished)
    )

    assert value("jobs_total", kind="ingest", status="failed") == 1
    assert value("job_queue_wait_seconds_sum", kind="ingest") == 3
    assert value("job_duration_seconds_sum", kind="ingest") == 5


def test_contracts_are_published_and_failures_start_at_zero(usecase: UseCase) -> None:
    metrics.announce([usecase])

    assert value("contract_latency_p95_seconds", usecase="answers") == 2
    assert value("contract_slo_ratio", usecase="answers") == 0.999
    assert value("contract_cost_month_usd", usecase="answers") == 100
    zero = {"usecase": "answers", "rung": "none", "channel": "api"}
    assert value("turns_total", **zero, family="failed", outcome="failed_model") == 0
    assert value("turns_total", **zero, family="refused", outcome="refused_budget") == 0


def test_inventing_units_does_not_grow_the_memory() -> None:
    for number in range(metrics.MOST_VALUES + 20):
        metrics._known("unit", f"unit-{number}")

    assert metrics._known("unit", "one-more") == metrics.OTHER
    assert len(metrics._seen["unit"]) == metrics.MOST_VALUES


def test_undeclared_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="ai_paused takes the labels"):
        metrics.observe("ai_paused", 1, user="sam")


def test_gauges_are_read_when_somebody_scrapes_and_a_broken_one_harms_no_other() -> None:
    def broken() -> None:
        raise RuntimeError

    metrics.before_scrape(broken)
    metrics.before_scrape(lambda: metrics.observe("db_pool_in_use", 7))

    assert value("db_pool_in_use") == 7


def test_a_state_of_the_whole_service_that_nobody_renews_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics.observe("outbox_oldest_seconds", 900)
    metrics.observe("contract_slo_ratio", 0.99, usecase="answers")
    assert value("outbox_oldest_seconds") == 900
    later = time.monotonic() + 61
    monkeypatch.setattr("app.telemetry.meters.monotonic", lambda: later)

    assert value("outbox_oldest_seconds") is None
    assert value("contract_slo_ratio", usecase="answers") == 0.99


def test_a_worker_serves_its_metrics_beside_its_siblings() -> None:
    metrics.observe("outbox_unsent", 4)
    first = metrics.serve(0)
    second = metrics.serve(first)

    assert second != first
    with urllib.request.urlopen(f"http://127.0.0.1:{second}/metrics") as answer:
        assert b"outbox_unsent 4.0" in answer.read()


def test_every_declared_name_is_what_prometheus_and_the_collector_see(
    collector: Collector, process: Callable[..., Report]
) -> None:
    process("measuring", collector.endpoint)
    expected = {metric.name.removesuffix("_total") for metric in METRICS if not metric.name.startswith("http_server")}
    assert set(collector.metrics) == expected

    _count_all()
    names = {name for name, _ in shown()}
    declared = {series for metric in METRICS if not metric.name.startswith("http_server") for series in metric.series}
    assert names == declared | set(PROCESS)


def test_the_names_for_observe_are_the_declared_gauges() -> None:
    assert set(get_args(GaugeName)) == {metric.name for metric in METRICS if metric.kind == "gauge"}


def _count_all() -> None:
    for metric in METRICS:
        labels: dict[str, Any] = dict.fromkeys(metric.labels, "some")
        if metric.kind == "gauge":
            metrics._meters.gauges[metric.name].set(1, labels)
        if metric.kind == "counter":
            metrics._add(metric.name, 1, **labels)
        if metric.kind == "histogram" and metric.name in metrics._meters.histograms:
            metrics._record(metric.name, 1, **labels)
