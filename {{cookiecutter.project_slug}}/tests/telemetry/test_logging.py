"""Logs are one JSON object per line with ids, and hold nothing that people wrote."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from app.telemetry import logging as logs
from app.telemetry import tracing
from app.telemetry.scrub import mask
from tests.telemetry.conftest import PLANTED, PLANTED_EMAIL, PLANTED_QUESTION

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Give pytest its own handlers back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level


def lines(captured: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]


@pytest.mark.proves("OBS-7")
@pytest.mark.parametrize(
    "told", ["It was 4539578763621486.", "card:4539 5787 6362 1486, as before", "(4539578763621486)"]
)
def test_a_card_is_masked_wherever_it_stands_in_a_sentence(told: str) -> None:
    assert "1486" not in mask(told)


def test_a_measure_and_an_id_are_no_cards() -> None:
    told = "in 12345678901234.5 s, id 550e8400-e29b-41d4-a716-446655440000"
    assert mask(told) == told


@pytest.mark.proves("OBS-7")
def test_questions_addresses_and_keys_stay_out_of_the_logs(capsys: Captured) -> None:
    logs.configure("DEBUG", True)
    log = structlog.get_logger("app.turn")
    log.info("asked", question=PLANTED_QUESTION, answer=PLANTED_QUESTION, authorization="Bearer abcdefghijkl")
    log.info(
        f"mail from {PLANTED_EMAIL}", note="key sk-planted0123456789abcdef", deep={"rows": [{"text": PLANTED_QUESTION}]}
    )
    logging.getLogger("uvicorn.error").warning("sent to %s", PLANTED_EMAIL)
    logging.getLogger("uvicorn.access").info('"GET /v1/x?q=%s"', PLANTED_QUESTION.replace(" ", "+"))
    logging.getLogger("sqlalchemy.engine.Engine").info("[generated in 0.1s] ('%s',)", PLANTED_QUESTION)
    logging.getLogger("httpx2").info("HTTP Request: GET https://vendor.example/%s", PLANTED_QUESTION)
    logging.getLogger("openai").debug("Request options: %s", {"json": PLANTED_QUESTION})
    logging.getLogger("celery").info("connected to redis://:hunter2hunter2@host/0")

    written = capsys.readouterr().err
    assert len(written.splitlines()) == 4, "requests have spans and metrics; a line for each is not written"
    assert not [secret for secret in (*PLANTED, "plover", "abcdefghijkl", "hunter2") if secret in written]


@pytest.mark.proves("OBS-7")
def test_an_error_is_told_by_types_and_places_not_by_what_it_quotes(capsys: Captured) -> None:
    logs.configure("INFO", True)
    try:
        try:
            raise KeyError(PLANTED_EMAIL)
        except KeyError as cause:
            raise ValueError(f"insert failed\nDETAIL: {PLANTED_QUESTION}\n[parameters: {PLANTED}]") from cause
    except ValueError:
        structlog.get_logger("app.store").exception("not stored")
        logging.getLogger("celery").exception("task failed\n" + PLANTED_QUESTION)

    first, second = lines(capsys)
    assert first["error"] == second["error"] == "ValueError: insert failed"
    assert first["caused_by"] == ["KeyError: '[email]'"]
    assert "test_logging.py" in first["at"][0]
    assert second["event"] == "task failed"


@pytest.mark.proves("OBS-1")
def test_every_line_of_a_turn_carries_the_turn_and_the_trace(capsys: Captured) -> None:
    logs.configure("INFO", True)
    tracing.configure("tests", "", 1.0)
    with tracing.span("turn"), logs.bound(turn_id="t-1"):
        trace_id = tracing.current_trace_id()
        structlog.get_logger("app.a").info("ours")
        logging.getLogger("celery").info("theirs")
    structlog.get_logger("app.a").info("after")

    ours, theirs, after = lines(capsys)
    for line in (ours, theirs):
        assert line["turn_id"] == "t-1"
        assert line["trace_id"] == trace_id
    assert "turn_id" not in after


def test_lines_below_the_level_are_not_written(capsys: Captured) -> None:
    logs.configure("WARNING", True)
    structlog.get_logger("app.quiet").info("nobody reads this")

    assert lines(capsys) == []


def test_development_reads_lines_without_json(capsys: Captured) -> None:
    logs.configure("INFO", False)
    structlog.get_logger("app.readable").info("started", port=8000, question=PLANTED_QUESTION)

    written = capsys.readouterr().err
    assert "started" in written
    assert "port=8000" in written
    assert PLANTED_QUESTION not in written
