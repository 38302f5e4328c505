"""PDF: lines put together from fragments by their place on the page; headings by the size of their letters."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pypdf import PageObject, PdfReader

from app.errors import Unreadable
from app.retrieval.chunk import Block, rows_as_lines

MOST_PAGES = 1000
# Letters this much larger than those of the running text make a heading.
_LARGER = 1.12
# Two lines further apart than this many heights of a letter belong to two paragraphs.
_APART = 1.75
_TINY_POINTS = 2.0


@dataclass(frozen=True, slots=True)
class _Line:
    cells: tuple[str, ...]
    places: tuple[int, ...]
    y: float
    size: float

    @property
    def text(self) -> str:
        return " ".join(self.cells)


def read(content: bytes) -> Iterator[Block]:
    """Read paragraphs, headings and simple tables with their page; tiny text comes as hidden blocks."""
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("The PDF is protected by a password.", reason="encrypted")
    if len(reader.pages) > MOST_PAGES:
        raise Unreadable(f"The PDF has {len(reader.pages):,} pages; allowed are {MOST_PAGES:,}.", reason="oversized")
    pages = [_lines(page) for page in reader.pages]
    for text in (line.text for lines in pages for line in lines if line.size <= _TINY_POINTS):
        yield Block(text, is_hidden=True)
    yield from _blocks([[line for line in lines if line.size > _TINY_POINTS] for lines in pages])


def _blocks(pages: list[list[_Line]]) -> Iterator[Block]:
    body = _body_size(pages)
    headings: dict[float, str] = {}
    repeated = _repeated(pages)
    for number, lines in enumerate(pages, start=1):
        kept = [line for line in lines if _furniture_key(line) not in repeated]
        for group in _groups(kept, body):
            first = group[0]
            path = tuple(headings[size] for size in sorted(headings, reverse=True))
            if first.size > body * _LARGER:
                headings = {size: text for size, text in headings.items() if size > first.size + 0.1}
                headings[first.size] = " ".join(line.text for line in group)
            elif len(first.cells) > 1 and len(group) > 1:
                rows = rows_as_lines([line.cells for line in group])
                yield from (Block(row, path, number, is_row=True) for row in rows)
            else:
                yield Block(_joined(group), path, number)


def _lines(page: PageObject) -> list[_Line]:
    fragments: list[tuple[float, float, float, str]] = []

    def visit(text: str, cm: list[float], tm: list[float], _font: Any, size: float) -> None:
        if text.strip():
            x, y = tm[4] * cm[0] + tm[5] * cm[2] + cm[4], tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            height = size * (abs(tm[3]) or abs(tm[1]) or 1) * (abs(cm[3]) or abs(cm[1]) or 1)
            fragments.extend(
                (x, y - place * height * 1.2, height, part) for place, part in enumerate(text.strip("\n").split("\n"))
            )

    page.extract_text(visitor_text=visit)
    lines: list[list[tuple[float, float, float, str]]] = []
    for fragment in fragments:
        if lines and abs(lines[-1][-1][1] - fragment[1]) < 0.5 * fragment[2]:
            lines[-1].append(fragment)
        else:
            lines.append([fragment])
    return [_line(line) for line in lines]


def _line(fragments: list[tuple[float, float, float, str]]) -> _Line:
    cells = tuple(text.strip() for _, _, _, text in fragments if text.strip())
    places = tuple(round(x) for x, _, _, text in fragments if text.strip())
    return _Line(cells, places, fragments[0][1], round(max(size for _, _, size, _ in fragments), 1))


def _groups(lines: list[_Line], body: float) -> Iterator[list[_Line]]:
    group: list[_Line] = []
    for line in lines:
        if group and not _belongs(group[-1], line, body):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _belongs(above: _Line, below: _Line, body: float) -> bool:
    if len(above.cells) > 1 or len(below.cells) > 1:
        return above.places == below.places
    gap = above.y - below.y
    is_same_size = abs(above.size - below.size) < 0.3
    return is_same_size and 0 < gap < _APART * max(above.size, body)


def _joined(group: list[_Line]) -> str:
    text = ""
    for line in group:
        broken = text.endswith("-") and line.text[:1].islower()
        text = text[:-1] + line.text if broken else f"{text} {line.text}".strip()
    return text


def _body_size(pages: list[list[_Line]]) -> float:
    sizes: Counter[float] = Counter()
    for line in (line for lines in pages for line in lines):
        sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _repeated(pages: list[list[_Line]]) -> set[str]:
    """Find the lines at the edges of most pages: running heads and page numbers."""
    edges = Counter(key for lines in pages for key in {_furniture_key(line) for line in lines[:2] + lines[-2:]})
    return {key for key, times in edges.items() if len(pages) > 1 and times > len(pages) / 2}


def _furniture_key(line: _Line) -> str:
    return "".join("#" if mark.isdigit() else mark for mark in line.text)
