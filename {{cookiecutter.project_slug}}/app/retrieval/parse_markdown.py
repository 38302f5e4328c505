"""Markdown: paragraphs, lists, code and tables below their headings, without the markup."""

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup
from bs4.formatter import HTMLFormatter

from app.retrieval.chunk import Block, rows_as_lines
from app.retrieval.encoding import decode
from app.retrieval.parse_html import take_hidden

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(-->|\Z)|^\[//\]: #.*$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_ITEM = re.compile(r"^\s*([-*+]|\d+[.)])\s+")
_TABLE_RULE = re.compile(r"^\s*\|?[\s:|-]*-[\s:|-]*$")
_HIDING_MARKUP = re.compile(r"<\w+[^>]*(style\s*=|\shidden)", re.IGNORECASE)
_INLINE = (
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^<>]*>"), ""),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"`([^`]+)`"), r"\1"),
)


def read(content: bytes) -> Iterator[Block]:
    """Read blocks; comments and hidden HTML come as hidden blocks."""
    text = _FRONT_MATTER.sub("", decode(content).replace("\r\n", "\n"))
    yield from (Block(match.group(), is_hidden=True) for match in _COMMENT.finditer(text))
    text = _COMMENT.sub("", text)
    if _HIDING_MARKUP.search(text):
        soup = BeautifulSoup(text, "html.parser")
        yield from (Block(hidden, is_hidden=True) for hidden in take_hidden(soup))
        text = soup.decode(formatter=HTMLFormatter(entity_substitution=str))
    yield from _blocks(text.split("\n"))


def _blocks(lines: list[str]) -> Iterator[Block]:
    headings: dict[int, str] = {}
    for kind, group in _groups(lines):
        path = tuple(headings[level] for level in sorted(headings))
        if kind == "heading" and (match := _HEADING.match(group[0])):
            level = len(match.group(1))
            headings = {key: text for key, text in headings.items() if key < level} | {level: _plain(match.group(2))}
        elif kind == "table":
            rows = [[_plain(cell.strip()) for cell in line.strip().strip("|").split("|")] for line in group]
            yield from (Block(line, path, is_row=True) for line in rows_as_lines(rows))
        elif kind == "code":
            yield Block("\n".join(group), path)
        else:
            yield Block(_plain(" ".join(line.strip().removeprefix(">").strip() for line in group)), path)


def _groups(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Cut the lines into headings, code, tables and paragraphs; a list item is a paragraph."""
    group: list[str] = []
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            if mark and mark.group(1) == fence:
                yield "code", group
                group, fence = [], ""
            else:
                group.append(line)
            continue
        starts = bool(mark or _HEADING.match(line) or _ITEM.match(line) or not line.strip())
        if group and (starts or _is_row(line) != _is_row(group[-1])):
            yield _kind(group), _without_rule(group)
            group = []
        if mark:
            fence = mark.group(1)
        elif _HEADING.match(line):
            yield "heading", [line]
        elif line.strip():
            group.append(line)
    if group:
        yield ("code" if fence else _kind(group)), _without_rule(group)


def _is_row(line: str) -> bool:
    return line.lstrip().startswith("|")


def _kind(group: list[str]) -> str:
    return "table" if _is_row(group[0]) else "paragraph"


def _without_rule(group: list[str]) -> list[str]:
    return [line for line in group if not _TABLE_RULE.match(line)]


def _plain(text: str) -> str:
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text
