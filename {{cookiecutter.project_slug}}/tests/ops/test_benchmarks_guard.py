"""What identity, limits, screen and checks cost is measured at its smallest; how much, no test asserts."""

import json

import pytest

from benchmarks.__main__ import GOOD, main
from benchmarks.guard import EVERYTHING, ROWS, Seen

pytestmark = pytest.mark.xdist_group("benchmarks")


@pytest.mark.slow
@pytest.mark.proves("SEC-2")
def test_a_short_run_measures_each_part_on_and_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guard", "--turns", "3", "--json"]) == GOOD
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {name for row in ROWS.values() for name in row} == set(report["variants"])
    for figures in report["variants"].values():
        assert set(figures) == {"p50_ms", "p99_ms", "cpu_p50_ms", "cpu_p99_ms"} and min(figures.values()) > 0
    assert report["conditions"]["turns"] == 3 and "load_average" in report["conditions"]


def test_figures_are_quantiles_of_what_was_seen() -> None:
    seen = Seen(wall_s=[n / 1000 for n in range(1, 101)], cpu_s=[0.002] * 100)
    assert seen.figures() == {"p50_ms": 51.0, "p99_ms": 100.0, "cpu_p50_ms": 2.0, "cpu_p99_ms": 2.0}
    assert EVERYTHING in ROWS["limits"]
