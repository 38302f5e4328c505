"""Bars for a server-rendered SVG: lengths are shares of the longest, in whole units of the drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.console.words import told

WIDTH = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart."""

    label: str
    family: str
    value: float
    start: float
    length: float


def outcome_bars(counts: Mapping[str, int]) -> list[Bar]:
    """Give a bar per outcome, longest first; the smallest stays visible."""
    most = max(counts.values(), default=0)
    return [
        Bar(told(outcome), outcome.split("_", 1)[0], n, 0, max(1, round(WIDTH * n / most, 2)))
        for outcome, n in sorted(counts.items(), key=lambda pair: -pair[1])
    ]


def step_bars(steps: Sequence[Mapping[str, float | str]]) -> list[Bar]:
    """Lay the steps of a turn end to end, as shares of its whole time."""
    whole = sum(float(step["ms"]) for step in steps) or 1
    bars, start = [], 0.0
    for step in steps:
        length = WIDTH * float(step["ms"]) / whole
        bars.append(Bar(str(step["step"]), "", float(step["ms"]), round(start, 2), max(0.4, round(length, 2))))
        start += length
    return bars
