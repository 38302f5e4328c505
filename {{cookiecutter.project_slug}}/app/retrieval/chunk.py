"""Pieces of documents: what the readers of formats find, packed to a size that can be searched and quoted."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

# Words of a chunk: aimed at, and the most it may have.
AIM, MOST = 180, 220
# A tail shorter than this joins the piece before it.
TAIL = 40
HEADING_SEPARATOR = " > "

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(A-Z0-9])")
# Marks that reorder, join or hide text without being seen; soft hyphens and the byte order mark are among them.
_UNSEEN_CATEGORIES = {"Cf", "Cc", "Co", "Cn"}


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list item or table row below its headings; `is_hidden` text is in the file but not on the page."""

    text: str
    heading: tuple[str, ...] = ()
    page: int | None = None
    is_row: bool = False
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document of about AIM words; `page` counts from 1 where the format has pages."""

    heading: str
    page: int | None
    text: str


class Parsed(NamedTuple):
    """What a document says, and the text that its readers would not see."""

    chunks: list[Chunk]
    hidden: str


def clean(text: str) -> str:
    """Drop invisible characters and fold white space inside lines."""
    kept = "".join(mark for mark in text if mark in "\n\t" or unicodedata.category(mark) not in _UNSEEN_CATEGORIES)
    return "\n".join(line for line in (" ".join(line.split()) for line in kept.split("\n")) if line)


def rows_as_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write each row of a table as `column: value; ...`, to be read alone; the first row names the columns."""
    if len(rows) < 2:
        return ["; ".join(cell for cell in row if cell) for row in rows]
    header = rows[0]
    lines = []
    for row in rows[1:]:
        named = zip([*header, *[""] * len(row)], row, strict=False)
        lines.append("; ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell))
    return [line for line in lines if line]


def pack(blocks: Iterable[Block]) -> Parsed:
    """Join the blocks below one heading and on one page to chunks; rows and sentences stay whole."""
    cleaned = [
        replace(block, text=clean(block.text), heading=tuple(filter(None, map(clean, block.heading))))
        for block in blocks
    ]
    seen = [block for block in cleaned if block.text and not block.is_hidden]
    chunks = [
        Chunk(HEADING_SEPARATOR.join(heading), page, text)
        for (heading, page), group in groupby(seen, key=lambda block: (block.heading, block.page))
        for text in _texts(group)
    ]
    return Parsed(chunks, "\n".join(block.text for block in cleaned if block.is_hidden and block.text))


def _texts(blocks: Iterable[Block]) -> list[str]:
    texts: list[list[str]] = [[]]
    for piece in (piece for block in blocks for piece in _pieces(block)):
        if texts[-1] and _size(*texts[-1], piece) > MOST:
            texts.append([])
        texts[-1].append(piece)
    if len(texts) > 1 and _size(*texts[-1]) < TAIL:
        texts[-2:] = [texts[-2] + texts[-1]]
    return ["\n".join(pieces) for pieces in texts if pieces]


def _pieces(block: Block) -> Iterator[str]:
    if block.is_row or _size(block.text) <= MOST:
        yield block.text
        return
    piece: list[str] = []
    for part in (part for sentence in _SENTENCE_END.split(block.text) for part in _slices(sentence)):
        if piece and _size(*piece, part) > AIM:
            yield " ".join(piece)
            piece = []
        piece.append(part)
    yield " ".join(piece)


def _slices(sentence: str) -> Iterator[str]:
    found = sentence.split(" ")
    for start in range(0, len(found), AIM):
        yield " ".join(found[start : start + AIM])


def _size(*texts: str) -> int:
    return sum(len(text.split()) for text in texts)
