"""Bars for a server-rendered SVG: lengths are shares of the longest, in whole units of the drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


# The order in which a search scores; stages that it does not know come last.
STAGES = ("words", "covered", "vector", "fused", "rerank", "answer")


@dataclass(frozen=True, slots=True)
class Weighed:
    """A passage that a search weighed, with a bar per stage."""

    title: str
    heading: str
    kept: bool
    because: str
    bars: list[Bar]


def weighed(considered: Sequence[Mapping[str, Any]]) -> list[Weighed]:
    """Draw each stage's score as a share of the best that this stage gave here; what went on stands first."""
    named = {stage for each in considered for stage in each["scores"]}
    stages = sorted(named, key=lambda stage: STAGES.index(stage) if stage in STAGES else len(STAGES))
    most = {stage: max(each["scores"].get(stage, 0) for each in considered) or 1 for stage in stages}
    rows = [
        Weighed(
            each["title"],
            each["heading"],
            each["kept"],
            each["because"],
            [
                Bar(stage, "", score, 0, max(0, round(WIDTH * score / most[stage], 1)))
                for stage in stages
                if (score := each["scores"].get(stage)) is not None
            ],
        )
        for each in considered
    ]
    return sorted(rows, key=lambda row: not row.kept)
