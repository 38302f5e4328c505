"""Plain text and CSV."""

import csv
import io
import re
from collections.abc import Iterator

from app.retrieval.chunk import Block, rows_as_lines
from app.retrieval.encoding import decode

# A line this long was probably broken by an editor, not by the author.
_WRAPPED = 50
_RULE = re.compile(r"^[=\-_*~#]{3,}$")
_NUMBERED = re.compile(r"^(\d+(\.\d+)*[.)]?|[A-Z][A-Z ]* \d+:)\s+\S")


def read(content: bytes) -> Iterator[Block]:
    """Read paragraphs; short lines that stand above a paragraph become its heading."""
    heading: tuple[str, ...] = ()
    for paragraph in re.split(r"\n\s*\n", decode(content).replace("\r\n", "\n").replace("\r", "\n")):
        lines = [line.strip() for line in paragraph.strip().split("\n")]
        if _is_heading(lines) or (len(lines) > 1 and _RULE.match(lines[1])):
            heading = (lines.pop(0),)
        lines = [line for line in lines if not _RULE.match(line)]
        for text in _unwrapped(lines):
            yield Block(text, heading)


def read_csv(content: bytes) -> Iterator[Block]:
    """Read rows as `column: value` lines."""
    text = decode(content)
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:10_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), dialect)]
    header, *body = [row for row in rows if any(row)] or [[]]
    for row in body or [header]:
        for line in rows_as_lines([_titled(header), row] if body else [row]):
            yield Block(line, is_row=True)


def _titled(header: list[str]) -> list[str]:
    return [name.replace("_", " ") for name in header]


def _is_heading(lines: list[str]) -> bool:
    first = lines[0]
    if len(first) > 80 or first.endswith((".", "!", "?", ",", ";", ":")):
        return False
    if first.isupper() or len(lines) == 1:
        return first.isupper()
    return bool(_NUMBERED.match(first)) or (lines[1][:1].isupper() and len(first) < _WRAPPED)


def _unwrapped(lines: list[str]) -> Iterator[str]:
    paragraph = ""
    for line in lines:
        if paragraph and (len(paragraph) < _WRAPPED or paragraph.endswith((".", "!", "?", ":"))):
            yield paragraph
            paragraph = ""
        paragraph = f"{paragraph} {line}".strip()
    if paragraph:
        yield paragraph
