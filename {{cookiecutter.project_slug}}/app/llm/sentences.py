"""Cuts a passage into statements: sentences, list items, and table rows, written `column: value; ...` in one line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from app.domain.turn import Passage
from app.llm.words import stems

END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(\[]?[A-Z0-9])")
SHORTENED = re.compile(r"(?:\b(?:e\.g|i\.e|etc|approx|no|nr|vs|dr|mr|mrs|ms|st|fig|sec|art|[a-z]))\.$", re.IGNORECASE)
ITEM = re.compile(r"^\s*(?:[-*•‣◦](?:\s+\[[ xX]\])?|\d{1,2}[.)])\s+")
ROW = re.compile(r"^[^.:;]{1,60}(?:: [^;]+)?(?:; [^.:;]{1,60}: [^;]+)+$")
FIGURE = re.compile(r"^[\d.,]+$")
UNIT = re.compile(r"\s*(?:\((?P<money>[A-Z]{3})?\s*(?P<scale>[a-z]+)?\)|\b(?P<code>eur|usd|gbp))$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One statement of a passage: as it reads alone, and as the document has it; `heading` is what it stands under."""

    text: str
    source: str
    heading: str
    is_row: bool = False

    @property
    def stems(self) -> tuple[str, ...]:
        """Give the stems of its own words."""
        return _stems(self.text)

    @property
    def heading_stems(self) -> tuple[str, ...]:
        """Give the stems of its heading."""
        return _stems(self.heading)


@lru_cache(maxsize=20_000)
def _stems(text: str) -> tuple[str, ...]:
    return tuple(stems(text))


def of_passage(passage: Passage) -> list[Sentence]:
    """Give the passage's statements in order."""
    found: list[Sentence] = []
    for line in _paragraphs(passage.text):
        if ROW.match(line):
            found.append(Sentence(_row(line), line, passage.heading, is_row=True))
        else:
            found.extend(Sentence(text, text, passage.heading) for text in _split(line))
    return found


def _paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs, list items and rows; a line that goes on in small letters is joined to the one before."""
    held = ""
    for line in text.splitlines():
        bare = ITEM.sub("", line).strip()
        goes_on = (
            held and bare == line.strip() and line.strip()[:1].islower() and held[-1] not in ".!?:" and ";" not in held
        )
        if goes_on:
            held = f"{held} {bare}"
            continue
        if held:
            yield held
        held = bare
    if held:
        yield held


def _row(line: str) -> str:
    """Write a table row to be read alone; a unit that stands with the column moves to its figure."""
    return "; ".join(_cell(*cell.partition(": ")[::2]) for cell in line.split("; ")) + "."


def _cell(column: str, value: str) -> str:
    name = column.replace("_", " ").strip()
    unit = UNIT.search(name)
    if not unit or not FIGURE.match(value):
        return f"{name}: {value}" if value else name
    money, scale = unit["money"] or unit["code"], unit["scale"]
    figure = " ".join(part for part in (money and money.upper(), value, scale) if part)
    return f"{name[: unit.start()].strip()}: {figure}"


def _split(text: str) -> list[str]:
    """Split prose into sentences; a full stop after a known short form ends none."""
    found: list[str] = []
    for piece in END.split(text):
        if found and SHORTENED.search(found[-1]):
            found[-1] = f"{found[-1]} {piece}"
        else:
            found.append(piece)
    return [piece.strip() for piece in found if piece.strip()]
