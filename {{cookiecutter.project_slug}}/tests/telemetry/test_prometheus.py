"""A real Prometheus scrapes real metrics and finds, by the committed rules in quick motion, what is wrong."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from app.domain.outcome import Outcome
from app.domain.turn import Turn
from app.domain.usecase import UseCase
from app.telemetry import metrics

ROOT = Path(__file__).parents[2]
PATIENCE_S = 40
# Minutes become seconds; the thresholds stay as they are.
QUICK = {"5m": "5s", "10m": "5s", "30m": "8s", "1h": "10s", "6h": "20s"}


def free_port() -> int:
    """Ask for a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """A Prometheus that scrapes this process as the API, and a port where no worker answers; gives its address."""
    if not shutil.which("prometheus"):
        message = "not measured: prometheus missing, install with `apt-get install prometheus`"
        (pytest.fail if os.environ.get("REQUIRE_TOOLS") == "1" else pytest.skip)(message)
    rules = (ROOT / "ops/alerts/service.rules.yaml").read_text()
    rules = re.sub(r"\[(5m|10m|30m|1h|6h)\]", lambda found: f"[{QUICK[found[1]]}]", rules)
    (tmp_path / "rules.yaml").write_text(re.sub(r"for: \d+m", "for: 1s", rules))
    metrics.configure(f"scraped-{uuid4()}", "")
    targets = {"api": metrics.serve(0), "worker": free_port()}
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in targets.items()
        ],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    running = subprocess.Popen(
        [
            *("prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"),
            *(f"--web.listen-address={address}", "--log.level=error"),
        ]
    )
    try:
        yield f"http://{address}"
    finally:
        running.terminate()
        running.wait(10)


def firing(address: str) -> set[tuple[str, str]]:
    """Ask which alerts fire, and for whom."""
    try:
        with urllib.request.urlopen(f"{address}/api/v1/alerts", timeout=2) as answer:
            alerts = json.load(answer)["data"]["alerts"]
    except OSError:
        return set()
    subjects = ("usecase", "dependency", "job")
    return {
        (
            alert["labels"]["alertname"],
            next((alert["labels"][name] for name in subjects if name in alert["labels"]), ""),
        )
        for alert in alerts
        if alert["state"] == "firing"
    }


@pytest.mark.slow
@pytest.mark.proves("OBS-4")
def test_failing_turns_a_lost_database_and_a_dead_worker_are_found(
    prometheus: str, turn: Turn, usecase: UseCase
) -> None:
    metrics.announce([usecase])
    metrics.observe("outbox_oldest_seconds", 0)
    metrics.observe("dependency_up", 0, dependency="postgres")
    metrics.observe("dependency_up", 1, dependency="redis")
    expected = {("TurnFailuresHigh", "answers"), ("DependencyDown", "postgres"), ("ServiceDown", "worker")}

    found: set[tuple[str, str]] = set()
    end = time.monotonic() + PATIENCE_S
    while found != expected and time.monotonic() < end:
        metrics.record_turn(turn)
        metrics.record_turn(turn.with_(outcome=Outcome.FAILED_MODEL, draft=None))
        time.sleep(0.2)
        found = firing(prometheus)

    assert found == expected
