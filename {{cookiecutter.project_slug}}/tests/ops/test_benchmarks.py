"""The benchmark runs at its smallest, and its report holds every figure; how fast anything is, no test asserts."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import GOOD, SHORT, main
from benchmarks.columns import COLUMNS, SYSTEMS
from benchmarks.figures import goals, merged, ratio, undocumented
from benchmarks.load import quantile
from benchmarks.serving import length

pytestmark = pytest.mark.xdist_group("benchmarks")
FIGURES = {
    "asked",
    "faults",
    "per_s",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "first_p50_ms",
    "first_p99_ms",
    "cpu_ms",
    "memory_mb",
}
ONE = {"sent": 3, "asked": 2, "faults": {"503 /problems/overloaded": 1}, "per_s": 1.0, "p50_ms": 4.0, "p99_ms": 8.0}


@pytest.mark.slow
@pytest.mark.proves("LAT-2", "SCL-2")
def test_a_short_run_measures_every_system_under_every_load(tmp_path: Path) -> None:
    words = ["--seconds", "0.5", "--rounds", "1", "--no-judge", "--profile", "--out", str(tmp_path)]
    assert main(words) == GOOD
    report = json.loads(next(tmp_path.glob("benchmark-*.json")).read_text())
    assert set(report["systems"]) == {system.name for system in SYSTEMS}
    for system in report["systems"].values():
        assert set(system) == {column.name for column in COLUMNS}
        assert all(set(figures) >= FIGURES for figures in system.values())
    assert report["systems"]["vendor"]["one"]["p50_ms"] > 0
    assert report["systems"]["vendor"]["stream_one"]["first_p50_ms"] > 0
    # Beside other tests callers may give up: how many is a figure, and no fault of the benchmark.
    assert next(goal for goal in report["goals"] if goal["name"] == "undocumented outcomes")["found"] is not None
    assert {"commit", "processors", "load_average", "libraries"} <= set(report["conditions"])
    assert report["starts_s"][0] > 0
    assert "pipeline.py" in (tmp_path / "benchmark-profile.txt").read_text()


def test_a_figure_is_the_median_of_its_rounds_and_faults_add_up() -> None:
    rounds = [{**ONE, "per_s": per_s, "p50_ms": None} for per_s in (1.0, 9.0, 2.0)]
    assert merged(rounds) == {
        "asked": 6, "faults": {"503 /problems/overloaded": 3}, "per_s": 2.0, "p50_ms": None, "p99_ms": 8.0
    }  # fmt: skip


def test_a_share_is_one_of_the_floor_under_the_same_load() -> None:
    found = {("floor", "fifty"): {"per_s": 1000.0}, ("plain", "fifty"): {"per_s": 400.0}}
    assert ratio(found, "plain", "fifty") == 0.4
    assert ratio(found, "plain", "one") is None


def test_what_stands_in_no_document_is_counted_as_ours() -> None:
    faults = {"503 /problems/overloaded": 2, "500 ": 1, "connection lost": 1}
    found = {("plain", "arrivals"): {**ONE, "faults": faults}, ("floor", "arrivals"): {**ONE, "faults": {"500 ": 9}}}
    assert undocumented(found) == {"500 ": 1, "connection lost": 1}


def test_a_goal_that_was_not_measured_is_neither_met_nor_missed() -> None:
    found = {("plain", "one"): {**ONE, "memory_mb": 150.0}}
    judged = {goal.name: goal.is_met for goal in goals(found, start_s=9.0)}
    assert judged["one client, without retrieval, p50"] is True
    assert judged["start to first answer"] is False
    assert judged["vendor of 200 ms, 50 clients, share of the ideal"] is None


def test_a_missed_goal_is_an_exit_of_its_own() -> None:
    assert SHORT == 1


def test_quantiles_are_of_what_was_seen() -> None:
    assert quantile([], 0.5) is None
    assert quantile([0.001, 0.002, 0.003, 0.1], 0.99) == 100.0
    assert length(b"POST / HTTP/1.1\r\nContent-Length: 12\r\nX: y") == 12
    assert length(b"GET / HTTP/1.1\r\nHost: x") == 0
