"""What of a PDF page is seen: text by its place; and apart from it what lies outside, or is white on white."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pypdf import PageObject

_SHOWING, _FILLING = (b"Tj", b"TJ", b"'", b'"'), (b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*")
_ENDING = (b"n", b"S", b"s")
_WHITE = 0.97
# Text that is not painted: recognised text lies so over the picture of its page.
_UNPAINTED = (3, 7)
_SLACK_POINTS = 2.0


class Fragment(NamedTuple):
    """A piece of text at its place, in points from the lower left; `height` is that of its letters."""

    x: float
    y: float
    height: float
    text: str


class _State(NamedTuple):
    is_white: bool = False
    mode: int = 0


@dataclass(slots=True)
class Ink:
    """Follows the painting of one page."""

    page: PageObject
    fragments: list[Fragment] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    _state: _State = field(default_factory=_State)
    _kept: list[_State] = field(default_factory=list)
    _path: list[tuple[float, float]] = field(default_factory=list)
    _grounds: list[tuple[float, float, float, float]] = field(default_factory=list)
    _is_painted: bool = False

    def follow(self) -> "Ink":
        """Read the page."""
        self.page.extract_text(visitor_operand_before=self._operand, visitor_text=self._text)
        return self

    def _operand(self, operator: bytes, operands: Sequence[Any], cm: Sequence[float], _tm: Sequence[float]) -> None:
        if operator in _SHOWING:
            is_seen = not self._state.is_white and self._state.mode not in _UNPAINTED
            self._is_painted = self._is_painted or is_seen
        elif operator == b"q":
            self._kept.append(self._state)
        elif operator == b"Q":
            self._state = self._kept.pop() if self._kept else _State()
        elif operator == b"Tr":
            self._state = self._state._replace(mode=int(operands[0]))
        elif operator in (b"g", b"rg", b"k", b"sc", b"scn", b"cs"):
            self._state = self._state._replace(is_white=_is_white(operator, operands))
        else:
            self._shape(operator, operands, cm)

    def _shape(self, operator: bytes, operands: Sequence[Any], cm: Sequence[float]) -> None:
        """Remember what white letters may stand on: filled shapes, pictures and shadings."""
        if operator in (b"re", b"m", b"l", b"c"):
            self._path += _points(operator, [float(operand) for operand in operands], cm)
        elif operator in _FILLING:
            if not self._state.is_white:
                self._ground(self._path)
            self._path = []
        elif operator in _ENDING:
            self._path = []
        elif operator == b"Do":
            self._ground(_points(b"re", [0, 0, 1, 1], cm))
        elif operator == b"sh":
            box = self.page.mediabox
            self._ground([(float(box.left), float(box.bottom)), (float(box.right), float(box.top))])

    def _ground(self, points: Sequence[tuple[float, float]]) -> None:
        if points:
            xs, ys = zip(*points, strict=True)
            self._grounds.append((min(xs), min(ys), max(xs), max(ys)))

    def _text(self, text: str, cm: Sequence[float], tm: Sequence[float], _font: Any, size: float) -> None:
        is_painted, self._is_painted = self._is_painted, False
        if not text.strip():
            self._is_painted = is_painted
            return
        x, y = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        height = size * (abs(tm[3]) or abs(tm[1]) or 1) * (abs(cm[3]) or abs(cm[1]) or 1)
        if self._is_outside(x, y) or not (is_painted or self._is_on_ground(x, y)):
            self.hidden.append(text)
            return
        self.fragments.extend(
            Fragment(x, y - place * height * 1.2, height, part)
            for place, part in enumerate(text.strip("\n").split("\n"))
        )

    def _is_outside(self, x: float, y: float) -> bool:
        box = self.page.mediabox
        across = float(box.left) - _SLACK_POINTS <= x <= float(box.right) + _SLACK_POINTS
        return not (across and float(box.bottom) - _SLACK_POINTS <= y <= float(box.top) + _SLACK_POINTS)

    def _is_on_ground(self, x: float, y: float) -> bool:
        # Letters stand a little above the line they are placed on.
        return any(left <= x + 1 <= right and low <= y + 1 <= high for left, low, right, high in self._grounds)


def _is_white(operator: bytes, operands: Sequence[Any]) -> bool:
    try:
        values = [float(operand) for operand in operands]
    except (TypeError, ValueError):  # The name of a pattern or of a colour space.
        return False
    if operator == b"k" or len(values) == 4:
        return bool(values) and all(value <= 1 - _WHITE for value in values)
    return bool(values) and all(value >= _WHITE for value in values)


def _points(operator: bytes, at: Sequence[float], cm: Sequence[float]) -> list[tuple[float, float]]:
    if operator == b"re":
        x, y, width, height = at
        corners = [(x, y), (x + width, y), (x, y + height), (x + width, y + height)]
    else:
        corners = list(zip(at[::2], at[1::2], strict=False))
    return [(x * cm[0] + y * cm[2] + cm[4], x * cm[1] + y * cm[3] + cm[5]) for x, y in corners]
