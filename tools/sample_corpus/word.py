"""Renders blocks to a DOCX whose bytes depend on the source alone."""

import io
import zipfile
from collections.abc import Iterable
from datetime import datetime

from blocks import Block
from docx import Document
from docx.document import Document as Word
from docx.enum.text import WD_BREAK
from docx.shared import Pt, RGBColor

FIXED_DATE = datetime(2026, 5, 1, 9, 0)
ZIP_DATE = (2026, 5, 1, 9, 0, 0)
STYLES = {"title": "Title", "heading": "Heading 1", "paragraph": "Normal"}


def render(blocks: Iterable[Block]) -> bytes:
    """Return the DOCX of the blocks."""
    word = Document()
    for block in blocks:
        draw(word, block)
    stamp(word)
    raw = io.BytesIO()
    word.save(raw)
    return with_fixed_times(raw.getvalue())


def stamp(word: Word) -> None:
    """Set the document's properties, which would hold today's date otherwise."""
    properties = word.core_properties
    properties.author = properties.last_modified_by = "Tidewater Instruments"
    properties.created = properties.modified = FIXED_DATE
    properties.comments = ""
    properties.title = word.paragraphs[0].text


def draw(word: Word, block: Block) -> None:
    """Add one block to the document."""
    if block.kind == "break":
        word.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    elif block.kind == "table":
        table(word, block.rows)
    elif block.kind == "hidden":
        run = word.add_paragraph().add_run(block.text)
        run.font.size = Pt(1)
        run.font.color.rgb = RGBColor(255, 255, 255)
    elif block.kind == "item":
        marker, content = block.text.split(" ", 1)
        word.add_paragraph(content, style="List Bullet" if marker == "-" else "List Number")
    else:
        word.add_paragraph(block.text, style=STYLES[block.kind])


def table(word: Word, rows: list[list[str]]) -> None:
    """Add a ruled table, its first row in bold."""
    grid = word.add_table(rows=0, cols=len(rows[0]), style="Table Grid")
    for index, row in enumerate(rows):
        for cell, content in zip(grid.add_row().cells, row, strict=True):
            cell.paragraphs[0].add_run(content).bold = index == 0
    word.add_paragraph()


def with_fixed_times(raw: bytes) -> bytes:
    """Return the same zip archive with one fixed time on every member."""
    fixed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(fixed, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, ZIP_DATE), old.read(name), zipfile.ZIP_DEFLATED)
    return fixed.getvalue()
