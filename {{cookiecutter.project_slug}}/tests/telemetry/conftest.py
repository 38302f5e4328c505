"""What the telemetry tests share: processes that report to a collector, a finished turn."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.domain.contract import Contract
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Call, Draft, StepTime, Tape, Turn, Usage
from app.domain.usecase import UseCase

PLANTED_QUESTION = "Does the plover tariff apply to Quillfeather"
PLANTED_EMAIL = "wilhelmina.quillfeather@example.com"
PLANTED = (PLANTED_QUESTION, PLANTED_EMAIL, "sk-planted0123456789abcdef")
ROOT = Path(__file__).parents[2]
CONTRACT: dict[str, Any] = {
    "title": "Answers",
    "workflow": "somebody asks",
    "owners": dict.fromkeys(("workflow", "prompt", "cost", "on_call", "escalation"), "service"),
    "risk": {"mode": "auto", "classification": "internal"},
    "access": {"groups": ["everyone"]},
    "latency": {"p95_ms": 2000, "timeout_s": 10},
    "traffic": {"expected_per_day": 100, "peak_per_minute": 10},
    "models": {"ladder": ["standard", "extractive"]},
    "cost": {"per_turn_usd": "0.05", "per_user_day_usd": "1", "per_month_usd": "100", "alert_share": 0.8},
    "prompt": {"name": "answer", "version": 1},
    "quality": {"pass_rate": 0.9},
    "sentences": {"no_evidence": "none", "paused": "paused", "unsafe": "unsafe"},
}

Report = dict[str, Any]


@pytest.fixture
def usecase() -> UseCase:
    """A use case that promises 2 s and 100 dollars a month."""
    return UseCase("answers", Path(), Contract.model_validate(CONTRACT))


@pytest.fixture
def turn(usecase: UseCase) -> Turn:
    """A turn that a model answered in 1.2 s for 2 cents, after one call that timed out."""
    calls = [
        Call("standard", "openai", "large", "r1", 300, Usage(10, 0), error="timeout: no answer"),
        Call("standard", "openai", "large", "r1", 800, Usage(1000, 50, Decimal("0.02"))),
    ]
    return Turn(
        usecase=usecase,
        principal=Principal("sam.reyes", unit="sales"),
        question=PLANTED_QUESTION,
        tape=Tape(calls, [StepTime("retrieve", 40.0)]),
        draft=Draft("text", "standard", Outcome.ANSWERED_MODEL),
        outcome=Outcome.ANSWERED_MODEL,
        latency_ms=1200,
    )


@pytest.fixture(scope="session")
def process() -> Callable[..., Report]:
    """Run a role of tests/telemetry/reporting.py in a process of its own; gives what it printed."""

    def run(role: str, endpoint: str, **values: Any) -> Report:
        done = subprocess.run(
            [sys.executable, "-m", "tests.telemetry.reporting", role, endpoint, json.dumps(values)],
            cwd=ROOT,
            env=os.environ | {"OTEL_SDK_DISABLED": "false"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report: Report = json.loads(done.stdout.splitlines()[-1])
        return report | {"stderr": done.stderr}

    return run
