"""Excel: each sheet's rows below its name; hidden sheets, rows and columns, and comments come as hidden blocks."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element

from app.errors import Unreadable
from app.retrieval.cells import Formats, shown
from app.retrieval.chunk import Block, rows_as_lines
from app.retrieval.ooxml import Package, children, first, is_on, local, reference, under

MOST_CELLS = 500_000
MOST_SHEETS = 500
MOST_HEADING_CHARACTERS = 100
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")


class _Row(NamedTuple):
    """What a row shows and what it hides, both by the number of the column."""

    number: int
    shown: Mapping[int, str]
    hidden: Mapping[int, str]


def read(content: bytes) -> Iterator[Block]:
    """Read blocks, results in the place of formulas; raises Unreadable for too many sheets or cells."""
    package = Package.open(content)
    main = package.main()
    workbook, targets = package.root(main), package.targets(main)
    sheets = under(workbook, "sheets")
    if len(sheets) > MOST_SHEETS:
        raise Unreadable(f"There are {len(sheets):,} sheets; allowed are {MOST_SHEETS:,}.", reason="oversized")
    by_kind = {target.kind: target.name for target in targets.values()}
    reader = _Reader(package, _texts(package, by_kind.get("sharedStrings", "")), _formats(package, workbook, by_kind))
    for sheet in sheets:
        target = targets.get(reference(sheet))
        if target is not None and target.kind == "worksheet":
            is_hidden = sheet.get("state", "visible") != "visible"
            yield from reader.sheet(sheet.get("name", ""), target.name, is_hidden=is_hidden)


@dataclass(slots=True)
class _Reader:
    package: Package
    texts: Sequence[str]
    formats: Formats
    cells: int = field(default=0)

    def sheet(self, title: str, name: str, *, is_hidden: bool) -> Iterator[Block]:
        for target in self.package.targets(name).values():
            if target.kind in ("comments", "threadedComment"):
                yield from (Block(text, is_hidden=True) for text in _comments(self.package.root(target.name)))
        rows = list(self._rows(name))
        for row in rows:
            yield Block("; ".join([*row.hidden.values(), *(row.shown.values() if is_hidden else ())]), is_hidden=True)
        if not is_hidden:
            yield from _tables(title, [row for row in rows if row.shown])

    def _rows(self, name: str) -> Iterator[_Row]:
        """Read row by row: a sheet may be larger as a tree than everything else together."""
        hidden_columns: list[tuple[int, int]] = []
        for number, element in enumerate(self.package.elements(name)):
            if local(element) == "col" and is_on(element.get("hidden")):
                hidden_columns.append((int(element.get("min", "0")), int(element.get("max", "0"))))
            elif local(element) == "row":
                yield self._row(element, number, hidden_columns)
                element.clear()

    def _row(self, element: Element, number: int, hidden_columns: Sequence[tuple[int, int]]) -> _Row:
        seen: dict[int, str] = {}
        unseen: dict[int, str] = {}
        row_is_hidden = is_on(element.get("hidden"))
        for place, cell in enumerate(element, start=1):
            self._count()
            match = _PLACE.fullmatch(cell.get("r", ""))
            column = _column(match.group(1)) if match else place
            is_hidden = row_is_hidden or any(low <= column <= high for low, high in hidden_columns)
            if text := " ".join(self._text(cell).split()):
                (unseen if is_hidden else seen)[column] = text
        return _Row(int(element.get("r") or number), seen, unseen)

    def _count(self) -> None:
        self.cells += 1
        if self.cells > MOST_CELLS:
            raise Unreadable(f"There are more than {MOST_CELLS:,} cells.", reason="oversized")

    def _text(self, cell: Element) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return "".join(text.text or "" for text in cell.iter() if text.tag.endswith("}t"))
        value = next((child.text or "" for child in cell if child.tag.endswith("}v")), "")
        if kind == "s":
            return self.texts[int(value)] if value else ""
        return shown(value, kind=kind, style=int(cell.get("s", "0")), formats=self.formats)


def _tables(title: str, rows: Sequence[_Row]) -> Iterator[Block]:
    """Cut a sheet where rows are left out; lines of one cell above a table head it, and its first row names columns."""
    header: Mapping[int, str] = {}
    heading: tuple[str, ...] = (title,)
    for group in _groups(rows):
        while group and len(group[0].shown) == 1 and (len(group) == 1 or len(group[1].shown) > 1):
            text = next(iter(group.pop(0).shown.values()))
            yield Block(text, (title,))
            heading = (title, text) if len(text) < MOST_HEADING_CHARACTERS else heading
        if group and (not header or _names_columns(group)):
            header = group.pop(0).shown if len(group) > 1 else {}
        if not header and group:
            yield from (Block("; ".join(row.shown.values()), heading, is_row=True) for row in group)
            continue
        for row in group:
            columns = sorted(header.keys() | row.shown.keys())
            lines = rows_as_lines([[found.get(column, "") for column in columns] for found in (header, row.shown)])
            yield from (Block(line, heading, is_row=True) for line in lines)


def _groups(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    group: list[_Row] = []
    for row in rows:
        if group and row.number != group[-1].number + 1:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _names_columns(group: Sequence[_Row]) -> bool:
    """Say whether a row may be a header: words everywhere, and something below it."""
    return len(group) > 1 and not any(any(map(str.isdigit, text)) for text in group[0].shown.values())


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _texts(package: Package, name: str) -> list[str]:
    if not name:
        return []
    # Pronunciation guides (`rPh`) repeat the text in another script.
    return [
        "".join(text.text or "" for part in (item, *children(item, "r")) for text in children(part, "t"))
        for item in children(package.root(name), "si")
    ]


def _formats(package: Package, workbook: Element, by_kind: Mapping[str, str]) -> Formats:
    properties = first(workbook, "workbookPr")
    since_1904 = properties is not None and is_on(properties.get("date1904"))
    styles = package.root(by_kind["styles"]) if "styles" in by_kind else None
    own = {int(item.get("numFmtId", "0")): item.get("formatCode", "") for item in under(styles, "numFmts")}
    return Formats([int(item.get("numFmtId", "0")) for item in under(styles, "cellXfs")], own, since_1904)


def _comments(root: Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter() if local(text) == "text"]
