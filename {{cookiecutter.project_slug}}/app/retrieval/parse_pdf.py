"""PDF: lines put together from fragments by their place on the page; headings by the size of their letters."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pypdf import PageObject, PdfReader
from pypdf.errors import LimitReachedError
from pypdf.generic import ArrayObject, DictionaryObject

from app.errors import Unreadable
from app.retrieval.chunk import Block, rows_as_lines
from app.retrieval.parse_pdf_ink import Fragment, Ink

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
    """Read paragraphs, headings, simple tables and filled forms with their page; what is not seen as hidden blocks.

    Raises Unreadable for a locked PDF, one that holds pictures only, and one too large.
    """
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("The PDF is protected by a password.", reason="encrypted")
    if len(reader.pages) > MOST_PAGES:
        raise Unreadable(f"The PDF has {len(reader.pages):,} pages; allowed are {MOST_PAGES:,}.", reason="oversized")
    try:
        found = [Ink(page).follow() for page in reader.pages]
    except LimitReachedError as error:
        raise Unreadable("The PDF unpacks to more than it may, or points back to itself.", reason="bomb") from error
    if not any(ink.fragments for ink in found) and any(_has_picture(page) for page in reader.pages):
        raise Unreadable("The PDF holds pictures of pages only. It needs text recognition first.", reason="scanned")
    yield from (Block(text, is_hidden=True) for ink in found for text in ink.hidden)
    pages = [_lines(ink.fragments) for ink in found]
    for text in (line.text for lines in pages for line in lines if line.size <= _TINY_POINTS):
        yield Block(text, is_hidden=True)
    yield from _blocks([[line for line in lines if line.size > _TINY_POINTS] for lines in pages])
    for number, page in enumerate(reader.pages, start=1):
        yield from _notes(page, number)


def _has_picture(page: PageObject) -> bool:
    objects = page.get("/Resources", DictionaryObject()).get_object().get("/XObject", DictionaryObject()).get_object()
    return any(item.get_object().get("/Subtype") == "/Image" for item in objects.values())


def _notes(page: PageObject, number: int) -> Iterator[Block]:
    """Read what people typed into fields, and as hidden what they remarked at the margin."""
    for item in page.get("/Annots", ArrayObject()).get_object():
        note = item.get_object()
        name, value, remark = (note.get(key) for key in ("/T", "/V", "/Contents"))
        if note.get("/Subtype") == "/Widget":
            if isinstance(value, str) and isinstance(name, str) and note.get("/FT") in ("/Tx", "/Ch"):
                yield Block(f"{name}: {value}", (), number, is_row=True)
        elif isinstance(remark, str):
            yield Block(remark, is_hidden=True)


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


def _lines(fragments: list[Fragment]) -> list[_Line]:
    lines: list[list[Fragment]] = []
    for fragment in fragments:
        if lines and abs(lines[-1][-1].y - fragment.y) < 0.5 * fragment.height:
            lines[-1].append(fragment)
        else:
            lines.append([fragment])
    return [_line(line) for line in lines]


def _line(fragments: list[Fragment]) -> _Line:
    cells = tuple(text.strip() for _, _, _, text in fragments if text.strip())
    places = tuple(round(x) for x, _, _, text in fragments if text.strip())
    return _Line(cells, places, fragments[0].y, round(max(size for _, _, size, _ in fragments), 1))


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
