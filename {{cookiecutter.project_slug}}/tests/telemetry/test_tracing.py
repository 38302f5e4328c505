"""Traces reach the collector over HTTP, go on in other processes, and hold no content."""

from collections.abc import Callable, Iterator
from urllib.parse import quote_plus
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from app.telemetry import tracing
from tests.fakes.collector import Collector, running
from tests.telemetry.conftest import PLANTED, PLANTED_QUESTION, Report

Process = Callable[..., Report]
ALL_PLANTED = " ".join(PLANTED)


@pytest.fixture(scope="module")
def reported(process: Process) -> Iterator[tuple[Collector, str]]:
    """What an API process and then a worker process reported about one job; the second value is its trace's id."""
    with running() as collector:
        accepted = process("api", collector.endpoint, planted=ALL_PLANTED)
        done = process("worker", collector.endpoint, carrier=accepted["carrier"], planted=ALL_PLANTED)
        assert done["trace_id"] == accepted["trace_id"]
        yield collector, accepted["trace_id"]


@pytest.mark.proves("OBS-2")
def test_a_job_continues_the_trace_of_the_request_that_accepted_it(reported: tuple[Collector, str]) -> None:
    collector, trace_id = reported

    names = {(span.service, span.name) for span in collector.trace(trace_id)}
    assert {("api", "POST /v1/jobs"), ("api", "jobs.submit"), ("worker", "job"), ("worker", "run/jobs.run")} <= names
    assert collector.named("job").parent_id == collector.named("jobs.submit").span_id


def test_statements_and_commands_are_children_of_the_request(reported: tuple[Collector, str]) -> None:
    collector, trace_id = reported

    parent = collector.named("jobs.submit").span_id
    inside = {span.name.split()[0] for span in collector.trace(trace_id) if span.parent_id == parent}
    assert {"SELECT", "SET"} <= inside


@pytest.mark.proves("OBS-7")
def test_no_question_address_or_key_leaves_with_a_trace(reported: tuple[Collector, str]) -> None:
    collector, _ = reported

    assert collector.named("POST /v1/broken").attributes["error.type"] == "RuntimeError"
    assert collector.named("turn").error == "ValueError"
    sent = b"".join(collector.raw)
    assert not [secret for secret in PLANTED if secret.encode() in sent or quote_plus(secret).encode() in sent]


def test_polls_and_health_checks_start_no_trace(reported: tuple[Collector, str]) -> None:
    collector, _ = reported

    assert not [span for span in collector.spans if span.name == "GET" and not span.parent_id]
    assert not [span for span in collector.spans if "health" in span.name]


def test_without_an_endpoint_ids_are_made_and_nothing_is_sent(collector: Collector, process: Process) -> None:
    accepted = process("api", "", planted="x")

    assert len(accepted["trace_id"]) == 32
    assert accepted["trace_id"] in accepted["carrier"]["traceparent"]
    assert collector.raw == []


def test_outside_a_trace_there_is_no_id_and_nothing_to_carry() -> None:
    with tracing.extract({}):
        assert tracing.current_trace_id() == ""
        assert tracing.inject() == {}


def test_a_broken_carrier_starts_no_trace() -> None:
    with tracing.extract({"traceparent": "00-not-a-trace"}):
        assert tracing.current_trace_id() == ""


def test_a_span_carries_ids_and_leaves_content_out() -> None:
    tracing.configure("tests", "", 1.0)
    turn_id = uuid4()
    with tracing.span("turn", turn_id=turn_id, question=PLANTED_QUESTION, usecase="answers") as span:
        if isinstance(span, ReadableSpan):
            assert dict(span.attributes or {}) == {"app.turn_id": str(turn_id), "app.usecase": "answers"}
        assert tracing.current_trace_id()
