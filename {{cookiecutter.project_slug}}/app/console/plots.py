"""Charts over time for a server-rendered SVG: lines and columns, with a table of the same numbers beside them.

Coordinates are those of a drawing of WIDTH by HEIGHT units, which the page stretches; words stay outside of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import floor, log10

WIDTH, HEIGHT = 600, 160
STEPS = (1, 2, 2.5, 5, 10)
TONES = ("c0", "c1", "c2", "c3", "c4", "c5", "c6")
MOST_MARKS = 5
Told = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """A row of numbers, one per label; None is a gap. Tones: c0 to c6, answered, refused, escalated, paused, failed."""

    label: str
    values: Sequence[float | None]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """What lies between two rows of numbers, such as a confidence interval."""

    label: str
    lows: Sequence[float | None]
    highs: Sequence[float | None]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """One path of the drawing; `kind` is line, point, column or band."""

    kind: str
    tone: str
    path: str


@dataclass(frozen=True, slots=True)
class Slot:
    """The part of the drawing that belongs to one label, and what a pointer reads there."""

    start: float
    width: float
    told: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with everything that is written around it."""

    title: str
    legend: Sequence[tuple[str, str]] = ()
    ticks: Sequence[str] = ()
    marks: Sequence[str] = ()
    shapes: Sequence[Shape] = ()
    slots: Sequence[Slot] = ()
    limit: float | None = None
    limit_told: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    summary: str = ""

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to draw."""
        return not self.shapes


def count(value: float) -> str:
    """Give a number as people read it: whole where it is, else with as many places as say something."""
    return f"{value:,.0f}" if value >= 100 or value == floor(value) else f"{value:,.3g}"


def share(value: float) -> str:
    """Give a share between 0 and 1 in per cent."""
    return f"{100 * value:.3g} %"


@dataclass(frozen=True, slots=True)
class Axis:
    """How numbers are told, a dashed line such as a contract's promise, and the end of the scale where it is known."""

    told: Told = count
    limit: float | None = None
    top: float | None = None


PLAIN = Axis()


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to heights: `top` is drawn at 0, zero at HEIGHT."""

    top: float
    axis: Axis

    def height(self, value: float) -> float:
        """Give where a number stands, from above."""
        return round(HEIGHT * (1 - min(value, self.top) / self.top), 1)


def lines(
    title: str, labels: Sequence[str], *, series: Sequence[Series], axis: Axis = PLAIN, bands: Sequence[Band] = ()
) -> Chart:
    """Draw a line per series, over bands such as confidence intervals."""
    toned = _toned(series)
    scale = _scale(_values(series, bands, axis.limit), axis)
    drawn = [Shape("band", band.tone or "c6", path) for band in bands if (path := _between(band, scale))]
    drawn += [Shape("line", each.tone, path) for each in toned if (path := _line(each.values, scale))]
    drawn += [Shape("point", each.tone, path) for each in toned if (path := _alone(each.values, scale))]
    return _written(Chart(title, shapes=drawn), labels, toned, scale, slots=_around(len(labels)))


def columns(title: str, labels: Sequence[str], *, series: Sequence[Series], axis: Axis = PLAIN) -> Chart:
    """Draw a column per label, its series on top of each other, the first at the bottom."""
    toned = _toned(series)
    scale = _scale(_sums(toned), axis)
    drawn = [
        Shape("column", each.tone, _boxes(below, above, scale))
        for each, (below, above) in zip(toned, _stacked(toned), strict=True)
        if any(each.values)
    ]
    return _written(Chart(title, shapes=drawn), labels, toned, scale, slots=_beside(len(labels)))


def _toned(series: Sequence[Series]) -> list[Series]:
    return [
        Series(each.label, each.values, each.tone or TONES[place % len(TONES)]) for place, each in enumerate(series)
    ]


def _values(series: Sequence[Series], bands: Sequence[Band], limit: float | None) -> list[float]:
    rows = [each.values for each in series] + [band.highs for band in bands]
    found = [value for row in rows for value in row if value is not None]
    return [*found, *([limit] if limit is not None and found else [])]


def _sums(series: Sequence[Series]) -> list[float]:
    return [sum(value or 0 for value in values) for values in zip(*(each.values for each in series), strict=True)]


def _scale(values: Sequence[float], axis: Axis) -> Scale:
    most = max(values, default=0)
    if axis.top is not None or most <= 0:
        return Scale(axis.top or 1.0, axis)
    size = 10.0 ** floor(log10(most))
    return Scale(next(step * size for step in STEPS if step * size >= most * 0.999), axis)


def _stacked(series: Sequence[Series]) -> list[tuple[list[float], list[float]]]:
    below = [0.0] * (len(series[0].values) if series else 0)
    rows = []
    for each in series:
        above = [low + (value or 0) for low, value in zip(below, each.values, strict=True)]
        rows.append((below, above))
        below = above
    return rows


def _x(place: int, of: int) -> float:
    return round(WIDTH * place / (of - 1), 1) if of > 1 else WIDTH / 2


def _line(values: Sequence[float | None], scale: Scale) -> str:
    parts, is_down = [], False
    for place, value in enumerate(values):
        if value is not None:
            parts.append(f"{'L' if is_down else 'M'}{_x(place, len(values))} {scale.height(value)}")
            # A point that stands alone is seen by the round end of a line without length.
            parts += [] if is_down else ["h0.01"]
        is_down = value is not None
    return "".join(parts)


def _alone(values: Sequence[float | None], scale: Scale) -> str:
    """Mark what has no neighbour: a line of one point would hardly be seen."""
    known = [None, *values, None]
    return "".join(
        f"M{_x(place, len(values))} {scale.height(value)}h0.01"
        for place, value in enumerate(values)
        if value is not None and known[place] is None and known[place + 2] is None
    )


def _between(band: Band, scale: Scale) -> str:
    pairs = [
        (_x(place, len(band.lows)), scale.height(low), scale.height(high))
        for place, (low, high) in enumerate(zip(band.lows, band.highs, strict=True))
        if low is not None and high is not None
    ]
    if not pairs:
        return ""
    above = "L".join(f"{x} {high}" for x, _, high in pairs)
    below = "L".join(f"{x} {low}" for x, low, _ in reversed(pairs))
    return f"M{above}L{below}Z"


def _boxes(below: Sequence[float], above: Sequence[float], scale: Scale) -> str:
    slot = WIDTH / len(below)
    gap = min(slot * 0.15, 4)
    return "".join(
        f"M{round(place * slot + gap, 1)} {scale.height(low)}V{scale.height(high)}"
        f"h{round(slot - 2 * gap, 1)}V{scale.height(low)}Z"
        for place, (low, high) in enumerate(zip(below, above, strict=True))
        if high > low
    )


def _written(
    drawn: Chart, labels: Sequence[str], series: Sequence[Series], scale: Scale, *, slots: Sequence[tuple[float, float]]
) -> Chart:
    told, limit = scale.axis.told, scale.axis.limit
    rows = [[label, *(_cell(each.values[place], told) for each in series)] for place, label in enumerate(labels)]
    return replace(
        drawn,
        legend=[(each.label, each.tone) for each in series],
        ticks=[told(scale.top), told(scale.top / 2), told(0)],
        marks=labels if len(labels) <= MOST_MARKS else [labels[0], labels[len(labels) // 2], labels[-1]],
        slots=[Slot(*slot, _pointed(series, row)) for slot, row in zip(slots, rows, strict=True)],
        limit=scale.height(limit) if limit is not None and drawn.shapes else None,
        limit_told=told(limit) if limit is not None else "",
        head=["", *(each.label for each in series)],
        rows=rows,
        summary=_summary(series, told),
    )


def _pointed(series: Sequence[Series], row: Sequence[str]) -> str:
    parts = [f"{each.label} {value}" for each, value in zip(series, row[1:], strict=True)]
    return f"{row[0]}: {', '.join(parts)}"


def _cell(value: float | None, told: Told) -> str:
    return "—" if value is None else told(value)


def _beside(of: int) -> list[tuple[float, float]]:
    width = WIDTH / max(of, 1)
    return [(round(place * width, 1), round(width, 1)) for place in range(of)]


def _around(of: int) -> list[tuple[float, float]]:
    # Half a step to each side of a point.
    width = WIDTH / max(of - 1, 1)
    return [(round(_x(place, of) - width / 2, 1), round(width, 1)) for place in range(of)]


def _summary(series: Sequence[Series], told: Told) -> str:
    parts = []
    for each in series:
        known = [value for value in each.values if value is not None]
        if known:
            parts.append(f"{each.label}: from {told(min(known))} to {told(max(known))}, last {told(known[-1])}")
    return "; ".join(parts) or "nothing yet"
