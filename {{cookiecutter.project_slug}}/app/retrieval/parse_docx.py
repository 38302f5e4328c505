"""Word documents: paragraphs and tables in reading order."""

import io
import re
import zipfile
from collections.abc import Iterator

from docx import Document
from docx.oxml.ns import qn
from docx.oxml.text.run import CT_R
from docx.table import Table
from docx.text.paragraph import Paragraph

from app.errors import Unreadable
from app.retrieval.chunk import Block, rows_as_lines

MOST_UNPACKED_BYTES = 100_000_000
_HEADING_STYLE = re.compile(r"^(?:heading (\d)|(title))$", re.IGNORECASE)
# Half-points: text of two points or less is there for machines.
_TINY = 4


def read(content: bytes) -> Iterator[Block]:
    """Read blocks; hidden, white and tiny text comes as hidden blocks. Raises Unreadable for a zip bomb."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_UNPACKED_BYTES:
            raise Unreadable(f"Unpacked, the file has more than {MOST_UNPACKED_BYTES:,} bytes.", reason="oversized")
    headings: dict[int, str] = {}
    for item in Document(io.BytesIO(content)).iter_inner_content():
        path = tuple(headings[level] for level in sorted(headings))
        if isinstance(item, Table):
            yield from (Block(line, path, is_row=True) for line in rows_as_lines(list(_rows(item))))
            continue
        yield Block(_text(item, hidden=True), path, is_hidden=True)
        level = _level(item)
        if level is None:
            yield Block(_bullet(item) + _text(item), path)
        elif _text(item).strip():
            headings = {key: text for key, text in headings.items() if key < level} | {level: _text(item)}


def _rows(table: Table) -> Iterator[list[str]]:
    for row in table.rows:
        # A merged cell is listed once for every column that it spans.
        cells = [cell for place, cell in enumerate(row.cells) if place == 0 or cell is not row.cells[place - 1]]
        yield [" ".join(_text(paragraph) for paragraph in cell.paragraphs).strip() for cell in cells]


def _level(paragraph: Paragraph) -> int | None:
    match = _HEADING_STYLE.match((paragraph.style.name if paragraph.style else "") or "")
    return int(match.group(1) or 0) if match else None


def _bullet(paragraph: Paragraph) -> str:
    return "- " if paragraph.style and "list" in (paragraph.style.name or "").lower() and paragraph.text.strip() else ""


def _text(paragraph: Paragraph, *, hidden: bool = False) -> str:
    runs = paragraph._p.iter(qn("w:r"))
    return "".join(run.text for run in runs if isinstance(run, CT_R) and _is_hidden(run) is hidden)


def _is_hidden(run: CT_R) -> bool:
    properties = run.rPr
    if properties is None:
        return False
    colour, size, vanish = (properties.find(qn(f"w:{name}")) for name in ("color", "sz", "vanish"))
    return (
        (vanish is not None and vanish.get(qn("w:val")) not in ("0", "false"))
        or (colour is not None and (colour.get(qn("w:val")) or "").upper() == "FFFFFF")
        or (size is not None and float(size.get(qn("w:val")) or _TINY + 1) <= _TINY)
    )
