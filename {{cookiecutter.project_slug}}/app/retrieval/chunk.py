"""Pieces of documents: what the readers of formats find, packed to a size that can be searched and quoted."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil
from typing import NamedTuple

# Words of a chunk: aimed at, and the most it may have; in scripts without spaces, what is as long to a model.
AIM, MOST = 180, 220
# A row of a table stays whole up to this size.
MOST_ROW = 3 * MOST
# A tail shorter than this joins the piece before it.
TAIL = 40
HEADING_SEPARATOR = " > "
MOST_HEADING_CHARACTERS = 200

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(A-Z0-9])|(?<=[。！？])")
# Han and kana: a character is about a token. Elsewhere a word of this many characters is more than one.
_DENSE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_DENSE_PER_WORD, _LETTERS_PER_WORD = 1.3, 15
# Marks that reorder, join or hide text without being seen; soft hyphens and the byte order mark are among them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
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
    """What a document says, the text that its readers would not see, and its language as PostgreSQL names it, or ""."""

    chunks: list[Chunk]
    hidden: str
    language: str = ""


def clean(text: str) -> str:
    """Drop invisible characters and fold white space inside lines."""
    kept = _CONTROL.sub("", text) if text.isascii() else "".join(filter(_is_seen, text))
    return "\n".join(line for line in (" ".join(line.split()) for line in kept.split("\n")) if line)


def _is_seen(mark: str) -> bool:
    return mark in "\n\t" or unicodedata.category(mark) not in _UNSEEN_CATEGORIES


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
        replace(block, text=clean(block.text), heading=tuple(filter(None, map(_short, block.heading))))
        for block in blocks
    ]
    seen = [block for block in cleaned if block.text and not block.is_hidden]
    chunks = [
        Chunk(HEADING_SEPARATOR.join(heading), page, text)
        for (heading, page), group in groupby(seen, key=lambda block: (block.heading, block.page))
        for text in _texts(group)
    ]
    return Parsed(chunks, "\n".join(block.text for block in cleaned if block.is_hidden and block.text))


def _short(heading: str) -> str:
    cleaned = " ".join(clean(heading).split())
    return cleaned if len(cleaned) <= MOST_HEADING_CHARACTERS else cleaned[: MOST_HEADING_CHARACTERS - 1] + "…"


def _texts(blocks: Iterable[Block]) -> list[str]:
    texts: list[list[str]] = [[]]
    size = 0
    for piece in (piece for block in blocks for piece in _pieces(block)):
        longer = _size(piece)
        if texts[-1] and size + longer > MOST:
            texts.append([])
            size = 0
        texts[-1].append(piece)
        size += longer
    if len(texts) > 1 and size < TAIL:
        texts[-2:] = [texts[-2] + texts[-1]]
    return ["\n".join(pieces) for pieces in texts if pieces]


def _pieces(block: Block) -> Iterator[str]:
    if _size(block.text) <= (MOST_ROW if block.is_row else MOST):
        yield block.text
        return
    piece, size = "", 0
    for part, gap in _parts(block.text):
        longer = _size(part)
        if piece and size + longer > AIM:
            yield piece
            piece, size = "", 0
        piece = f"{piece}{gap}{part}" if piece else part
        size += longer
    yield piece


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Cut into sentences, and those that are too long into words, and those into letters; with the gap before each."""
    for sentence in filter(None, _SENTENCE_END.split(text)):
        gap = "" if _DENSE.match(sentence) else " "
        if _size(sentence) <= AIM:
            yield sentence, gap
            continue
        for word in sentence.split(" "):
            step = AIM if _DENSE.search(word) else AIM * _LETTERS_PER_WORD
            for start in range(0, len(word), step):
                yield word[start : start + step], gap if start == 0 else ""


def _size(text: str) -> int:
    """Count words as a model would: long ones and those of dense scripts count for several."""
    return sum(1 if len(word) <= _LETTERS_PER_WORD and word.isascii() else _weight(word) for word in text.split())


def _weight(word: str) -> int:
    dense = 0 if word.isascii() else len(_DENSE.findall(word))
    return max(1, ceil(dense / _DENSE_PER_WORD + (len(word) - dense) / _LETTERS_PER_WORD))
