"""Charts over time: what is drawn is what the numbers say, and the numbers stand beside it."""

import re
from typing import Any

import pytest

from app.console.html import ENVIRONMENT
from app.console.plots import HEIGHT, WIDTH, Axis, Band, Series, columns, count, lines, share

LABELS = ["10:00", "11:00", "12:00"]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]


def test_a_line_runs_from_left_to_right_and_its_highest_number_fits() -> None:
    drawn = lines("Time", LABELS, series=[Series("p95", [100, 400, 200])])
    (shape,) = drawn.shapes
    assert [x for x, _ in points(shape.path)] == [0, WIDTH / 2, WIDTH]
    heights = [y for _, y in points(shape.path)]
    assert heights[1] < heights[2] < heights[0] and min(heights) >= 0 and max(heights) <= HEIGHT
    assert drawn.ticks == ["500", "250", "0"]
    assert points(shape.path)[1][1] == pytest.approx(HEIGHT * (1 - 400 / 500))


def test_a_gap_is_not_bridged_and_a_single_point_is_seen() -> None:
    drawn = lines("Time", LABELS, series=[Series("p95", [1, None, 3])])
    assert drawn.shapes[0].path.count("M") == 2
    assert drawn.shapes[0].path.count("h0.01") == 2
    assert [shape.kind for shape in drawn.shapes] == ["line", "point"]
    assert [row[1] for row in drawn.rows] == ["1", "—", "3"]


def test_the_limit_is_drawn_within_the_scale() -> None:
    drawn = lines("Failed", LABELS, series=[Series("failed", [0.01, 0, 0])], axis=Axis(share, limit=0.05))
    assert drawn.limit is not None and 0 <= drawn.limit < HEIGHT
    assert drawn.limit_told == "5 %"


def test_columns_stand_on_each_other() -> None:
    drawn = columns("Turns", LABELS, series=[Series("answered", [3, 0, 1]), Series("failed", [1, 0, 0])])
    answered, failed = (points(shape.path.replace("V", " V ")) for shape in drawn.shapes)
    assert len(answered) >= 2 and len(failed) >= 1
    assert failed[0][1] == pytest.approx(HEIGHT * (1 - 3 / 5)), "the second begins where the first ends"
    assert drawn.slots[0].told == "10:00: answered 3, failed 1"


def test_bands_are_closed() -> None:
    banded = lines("Share", LABELS, series=[Series("a", [1, 1, 1])], bands=[Band("i", [0, None, 0], [2, None, 2])])
    assert [shape.kind for shape in banded.shapes] == ["band", "line"]
    assert banded.shapes[0].path.endswith("Z")


@pytest.mark.parametrize("values", [[], [None, None, None], [0, 0, 0]])
def test_nothing_is_drawn_of_nothing(values: list[float | None]) -> None:
    labels = LABELS[: len(values)]
    assert columns("Turns", labels, series=[Series("a", values)]).is_empty
    assert lines("Turns", labels, series=[]).is_empty


def test_numbers_are_told_for_people() -> None:
    assert [count(3), count(1234.5), count(0.25)] == ["3", "1,234", "0.25"]
    assert [share(0.999), share(1)] == ["99.9 %", "100 %"]


def test_a_chart_on_a_page_has_its_words_its_numbers_and_no_style_of_its_own() -> None:
    drawn = lines("<b>Time</b>", LABELS, series=[Series("<i>p95</i>", [1, 2, 3]), Series("p50", [1, 1, 1])])
    charts: Any = ENVIRONMENT.get_template("chart.html").module
    text = charts.chart(drawn)
    assert "&lt;b&gt;Time" in text and "<b>" not in text and "<i>" not in text
    assert 'role="img"' in text and "<table>" in text and "11:00" in text
    assert "style=" not in text
    nothing = lines("Time", LABELS, series=[])
    empty = charts.chart(nothing)
    assert "Nothing to draw yet" in empty and "<svg" not in empty
