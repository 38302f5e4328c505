"""Word: paragraphs, tables and text boxes in reading order; hidden, deleted and remarked text as hidden blocks."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element

from app.retrieval.chunk import Block, rows_as_lines
from app.retrieval.ooxml import Package, children, first, local, under

_HEADING_NAME = re.compile(r"^(?:heading (\d)|(title))$", re.IGNORECASE)
# Half-points: text of two points or less is there for machines.
_TINY = 4
_MOST_SPAN = 64
_AROUND_BLOCKS = ("sdt", "sdtContent", "ins", "moveTo", "customXml", "Choice")
_AROUND_RUNS = (
    *_AROUND_BLOCKS,
    "AlternateContent",
    "hyperlink",
    "smartTag",
    "fldSimple",
    "dir",
    "bdo",
    "oMath",
    "oMathPara",
)
_PLAIN_TABLES = ("", "TableGrid", "TableNormal")


class _Style(NamedTuple):
    name: str = ""
    based_on: str = ""
    outline: str = ""
    is_hidden: bool = False


def read(content: bytes) -> Iterator[Block]:
    """Read blocks below their headings; raises whatever a broken file makes the parser raise."""
    package = Package.open(content)
    main = package.main()
    targets = {target.kind: target.name for target in package.targets(main).values()}
    walk = _Walk(_styles(package, targets.get("styles", "")))
    yield from walk.blocks(under(package.root(main), "body"))
    for kind in ("footnotes", "endnotes"):
        for note in package.root(targets[kind]) if kind in targets else ():
            # Separators have a type, notes have none.
            if not any(key.endswith("}type") for key, _ in note.items()):
                yield from walk.blocks(list(note))
    if "comments" in targets:
        comments = package.root(targets["comments"])
        yield from (Block("".join(comment.itertext()), is_hidden=True) for comment in comments)


@dataclass(slots=True)
class _Walk:
    """Remembers the headings above; `shaded` while inside something with a colour of its own."""

    styles: Mapping[str, _Style]
    headings: dict[int, str] = field(default_factory=dict)

    def blocks(self, elements: list[Element], *, shaded: bool = False) -> Iterator[Block]:
        for element in elements:
            kind = local(element)
            if kind == "p":
                yield from self._paragraph(element, shaded=shaded)
            elif kind == "tbl":
                yield from self._table(element)
            elif kind == "AlternateContent":
                yield from self.blocks(list(element)[:1], shaded=shaded)
            elif kind in _AROUND_BLOCKS:
                yield from self.blocks(list(element), shaded=shaded)

    def _paragraph(self, paragraph: Element, *, shaded: bool) -> Iterator[Block]:
        seen, unseen = self._texts(paragraph, shaded=shaded)
        yield Block(unseen, is_hidden=True)
        level = self._level(paragraph)
        if level is None:
            yield Block(self._bullet(paragraph, seen) + seen, self._path())
        elif seen.strip():
            self.headings = {key: text for key, text in self.headings.items() if key < level} | {level: seen}
        for box in _boxes(paragraph):
            yield from self.blocks(list(box), shaded=True)

    def _table(self, table: Element) -> Iterator[Block]:
        shaded = _value(first(table, "tblPr", "tblStyle")) not in _PLAIN_TABLES
        rows: list[list[str]] = []
        for row in children(table, "tr"):
            cells: list[str] = []
            for cell in children(row, "tc"):
                text, unseen = self._cell(cell, shaded=shaded)
                yield Block(unseen, is_hidden=True)
                merged = first(cell, "tcPr", "vMerge")
                if merged is not None and _value(merged) != "restart" and rows:
                    # The cell goes on from the row above: rows are read alone, so it is said again.
                    text = rows[-1][len(cells)] if len(cells) < len(rows[-1]) else ""
                span = _value(first(cell, "tcPr", "gridSpan"))
                cells += [text, *[""] * (min(int(span or 1), _MOST_SPAN) - 1)]
            rows.append(cells)
        yield from (Block(line, self._path(), is_row=True) for line in rows_as_lines(rows))

    def _cell(self, cell: Element, *, shaded: bool) -> tuple[str, str]:
        shaded = shaded or _is_shaded(first(cell, "tcPr"))
        found = [self._texts(element, shaded=shaded) for element in cell.iter() if local(element) == "p"]
        return " ".join(seen for seen, _ in found).strip(), " ".join(unseen for _, unseen in found).strip()

    def _texts(self, paragraph: Element, *, shaded: bool) -> tuple[str, str]:
        """Give what a reader sees of a paragraph, and what not: deleted, hidden, white, tiny text, and descriptions."""
        properties = first(paragraph, "pPr")
        style = self.styles.get(_value(first(properties, "pStyle")), _Style())
        shaded = shaded or _is_shaded(properties)
        seen: list[str] = []
        unseen: list[str] = []
        for run, is_deleted in _runs(paragraph):
            hide = is_deleted or style.is_hidden or self._is_hidden(first(run, "rPr"), shaded=shaded)
            (unseen if hide else seen).append(_text(run))
        described = [item.get("descr", "") for item in paragraph.iter() if local(item) == "docPr"]
        return "".join(seen), "".join([*unseen, *described])

    def _is_hidden(self, properties: Element | None, *, shaded: bool) -> bool:
        if properties is None:
            return False
        vanish, colour, size = (first(properties, name) for name in ("vanish", "color", "sz"))
        is_white = _value(colour).upper() == "FFFFFF" and not shaded and not _is_shaded(properties)
        style = self.styles.get(_value(first(properties, "rStyle")), _Style())
        is_off = _value(vanish) in ("0", "false")
        return (vanish is not None and not is_off) or is_white or style.is_hidden or float(_value(size) or 24) <= _TINY

    def _level(self, paragraph: Element) -> int | None:
        id = _value(first(paragraph, "pPr", "pStyle"))
        for _ in range(10):
            style = self.styles.get(id, _Style())
            match = _HEADING_NAME.match(style.name)
            if match:
                return int(match.group(1) or 0)
            if style.outline.isdigit() and int(style.outline) < 9:
                return int(style.outline) + 1
            id = style.based_on
        return None

    def _bullet(self, paragraph: Element, text: str) -> str:
        style = self.styles.get(_value(first(paragraph, "pPr", "pStyle")), _Style())
        is_item = "list" in style.name.lower() or first(paragraph, "pPr", "numPr") is not None
        return "- " if is_item and text.strip() else ""

    def _path(self) -> tuple[str, ...]:
        return tuple(self.headings[level] for level in sorted(self.headings))


def _runs(element: Element, *, deleted: bool = False) -> Iterator[tuple[Element, bool]]:
    for child in element:
        kind = local(child)
        if kind == "r":
            yield child, deleted
        elif kind in ("del", "moveFrom"):
            yield from _runs(child, deleted=True)
        elif kind in _AROUND_RUNS:
            yield from _runs(child, deleted=deleted)


def _text(run: Element) -> str:
    marks = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
    return "".join(item.text or "" if local(item) in ("t", "delText") else marks.get(local(item), "") for item in run)


def _boxes(element: Element) -> Iterator[Element]:
    """Find text boxes; programs write each twice, the second time for their elders."""
    for child in element:
        if local(child) == "txbxContent":
            yield child
        elif local(child) != "Fallback":
            yield from _boxes(child)


def _value(element: Element | None, name: str = "val") -> str:
    found = element.items() if element is not None else ()
    return next((value for key, value in found if key.rpartition("}")[2] == name), "")


def _is_shaded(properties: Element | None) -> bool:
    fill = _value(first(properties, "shd"), "fill").upper()
    return fill not in ("", "AUTO", "FFFFFF") or _value(first(properties, "highlight")) not in ("", "none", "white")


def _styles(package: Package, name: str) -> dict[str, _Style]:
    if not name:
        return {}
    return {
        _value(style, "styleId"): _Style(
            _value(first(style, "name")),
            _value(first(style, "basedOn")),
            _value(first(style, "pPr", "outlineLvl")),
            (vanish := first(style, "rPr", "vanish")) is not None and _value(vanish) not in ("0", "false"),
        )
        for style in children(package.root(name), "style")
    }
