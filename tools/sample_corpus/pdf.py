"""Renders blocks to a PDF whose bytes depend on the source alone."""

from collections.abc import Iterable
from datetime import UTC, datetime

from blocks import Block
from fpdf import FPDF, FontFace

FIXED_DATE = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)
STYLES = {"title": ("B", 18), "heading": ("B", 13), "paragraph": ("", 10.5), "item": ("", 10.5), "hidden": ("", 1)}
SPACE_AFTER_MM = {"title": 3.0, "heading": 1.0, "paragraph": 2.5, "item": 1.0, "hidden": 0.0}


class Page(FPDF):
    """A4 paper with the company's name above and the page number below."""

    def header(self) -> None:
        """Print the company's name."""
        self.set_font("Helvetica", "I", 8)
        self.cell(0, 6, "Tidewater Instruments", align="R", new_x="LMARGIN", new_y="NEXT")
        self.ln(3)

    def footer(self) -> None:
        """Print the page number."""
        self.set_y(-15)
        self.set_font("Helvetica", "", 8)
        self.cell(0, 6, f"Page {self.page_no()}", align="C")


def render(blocks: Iterable[Block]) -> bytes:
    """Return the PDF of the blocks."""
    page = Page()
    # Compressed bytes differ between zlib builds; these files are small.
    page.set_compression(False)
    page.set_creation_date(FIXED_DATE)
    page.set_producer("Tidewater Instruments")
    page.set_margins(22, 18, 22)
    page.add_page()
    for block in blocks:
        draw(page, block)
    return bytes(page.output())


def draw(page: Page, block: Block) -> None:
    """Put one block on the page."""
    if block.kind == "break":
        page.add_page()
    elif block.kind == "table":
        table(page, block.rows)
    else:
        text(page, block)


def text(page: Page, block: Block) -> None:
    """Put a heading, paragraph, list item or hidden line on the page."""
    if block.kind == "title":
        page.set_title(block.text)
    if block.kind == "heading":
        page.ln(2)
    style, size_pt = STYLES[block.kind]
    page.set_font("Helvetica", style, size_pt)
    page.set_text_color(255 if block.kind == "hidden" else 0)
    page.set_x(page.l_margin + (5 if block.kind == "item" else 0))
    page.multi_cell(0, size_pt * 0.5, block.text, align="L", new_x="LMARGIN", new_y="NEXT")
    page.ln(SPACE_AFTER_MM[block.kind])


def table(page: Page, rows: list[list[str]]) -> None:
    """Put a ruled table on the page, its first row as heading."""
    page.set_font("Helvetica", "", 9.5)
    page.set_text_color(0)
    with page.table(line_height=6, text_align="LEFT", headings_style=FontFace(emphasis="BOLD")) as grid:
        for row in rows:
            line = grid.row()
            for cell in row:
                line.cell(cell)
    page.ln(3)
