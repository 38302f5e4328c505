"""Cuts a passage into statements: sentences, list items, table rows with their column names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from app.domain.turn import Passage
from app.llm.words import stems

END = re.compile(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(\[]?[A-Z0-9])")
SHORTENED = re.compile(r"(?:\b(?:e\.g|i\.e|etc|approx|no|nr|vs|dr|mr|mrs|ms|st|fig|sec|art|[a-z]))\.$", re.IGNORECASE)
ITEM = re.compile(r"^\s*(?:[-*•‣◦]|\d{1,2}[.)])\s+")
HEADING = re.compile(r"^\s*#{1,6}\s+(?P<title>.+?)\s*#*$")
RULE = re.compile(r"^[\s|:+=-]+$")
FIGURE = re.compile(r"^[\d.,]+$")
UNIT = re.compile(r"\s*(?:\((?P<money>[A-Z]{3})?\s*(?P<scale>[a-z]+)?\)|\b(?P<code>eur|usd|gbp))$")
LABELLED = re.compile(r"^[A-Za-z][^:|.]{0,40}: \S")


@dataclass(frozen=True, slots=True)
class Sentence:
    """One statement of a passage; `heading` is what it stands under."""

    text: str
    heading: str
    place: int
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
    heading = passage.heading
    found: list[Sentence] = []
    for kind, block in _blocks(passage.text):
        if kind == "heading":
            heading = block
            continue
        texts = _split(block) if kind == "prose" else [block]
        for text in texts:
            found.append(Sentence(text=text, heading=heading, place=len(found), is_row=kind == "row"))
    return found


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield ("heading" | "row" | "prose", text); lines of a paragraph are joined, rows get their column names."""
    columns: list[str] = []
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        cells = _cells(line)
        title = HEADING.match(line)
        starts_new = not line.strip() or cells is not None or title or ITEM.match(line) or LABELLED.match(line)
        if starts_new and paragraph:
            yield "prose", " ".join(paragraph)
            paragraph = []
        if title:
            yield "heading", title["title"]
        elif cells is not None:
            if not columns:
                columns = cells
            elif not RULE.match(line):
                yield "row", _row(columns, cells)
        elif line.strip():
            paragraph.append(ITEM.sub("", line).strip())
        if cells is None and line.strip():
            columns = []


def _cells(line: str) -> list[str] | None:
    bare = line.strip()
    if bare.count("|") < 2 and " | " not in bare and "\t" not in bare:
        return None
    return [cell.strip() for cell in re.split(r"\||\t", bare.strip("|"))]


def _row(columns: list[str], cells: list[str]) -> str:
    """Write a table row as a statement; a unit that stands with the column moves to the figure."""
    return "; ".join(_cell(column, cell) for column, cell in zip(columns, cells, strict=False) if cell) + "."


def _cell(column: str, cell: str) -> str:
    name = column.replace("_", " ").strip()
    unit = UNIT.search(name)
    if not unit or not FIGURE.match(cell):
        return f"{name}: {cell}" if name else cell
    money, scale = unit["money"] or unit["code"], unit["scale"]
    value = " ".join(part for part in (money and money.upper(), cell, scale) if part)
    return f"{name[: unit.start()].strip()}: {value}"


def _split(text: str) -> list[str]:
    """Split prose into sentences; a full stop after a known short form ends none."""
    found: list[str] = []
    for piece in END.split(text):
        if found and SHORTENED.search(found[-1]):
            found[-1] = f"{found[-1]} {piece}"
        else:
            found.append(piece)
    return [piece.strip() for piece in found if piece.strip()]
