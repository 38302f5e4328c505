"""Values of Excel's cells as a reader sees them: dates for numbers of days, per cent for fractions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Numbers of formats that every program knows without their being written down.
_DATES = {*range(14, 18), 22, *range(27, 32), 36, *range(50, 59)}
_TIMES = {*range(18, 22), *range(32, 36), *range(45, 48)}
_PERCENT = {9, 10}
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
# Excel counts 29 February 1900, which never was; from March on this is its first day.
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)
_MOST_DAYS = 2_958_465


@dataclass(frozen=True, slots=True)
class Formats:
    """The number format of each style of a workbook, and what its own formats look like."""

    of_style: Sequence[int]
    own: Mapping[int, str]
    since_1904: bool = False

    def kind(self, style: int) -> str:
        """Say whether a style shows a `date`, `time`, `percent`, or a plain "" number."""
        number = self.of_style[style] if style < len(self.of_style) else 0
        code = _QUOTED.sub("", self.own.get(number, "")).lower()
        if number in _DATES or ("y" in code or ("d" in code and "m" in code)):
            return "date"
        if number in _TIMES or ("h" in code and "m" in code) or "mm:ss" in code:
            return "time"
        return "percent" if number in _PERCENT or "%" in code else ""


def shown(value: str, *, kind: str, style: int, formats: Formats) -> str:
    """Write a value as it is seen; `kind` is the type that the cell gives (`n`, `b`, `e`, `str`, `d`)."""
    if kind == "b":
        return "yes" if value == "1" else "no"
    if kind != "n" or not value:
        return "" if kind == "e" else value
    try:
        number = float(value)
    except ValueError:
        return value
    look = formats.kind(style)
    if look == "percent":
        return f"{_plain(number * 100)} %"
    if look and 0 <= number <= _MOST_DAYS:
        moment = (_EPOCH_1904 if formats.since_1904 else _EPOCH) + timedelta(seconds=round(number * 86_400))
        if look == "time":
            return f"{moment:%H:%M}"
        return f"{moment:%Y-%m-%d}" if number == int(number) else f"{moment:%Y-%m-%d %H:%M}"
    return _plain(number)


def _plain(number: float) -> str:
    """Write 1500 and 0.1 as such: files keep 1500.0 and 0.10000000000000001."""
    return f"{number:.12g}" if abs(number) < 1e12 else f"{number:.15g}"
