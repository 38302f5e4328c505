"""Reads the light Markdown of the sources: headings, paragraphs, lists, tables, page breaks, hidden text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

LIST_ITEM = re.compile(r"(?:-|\d+\.) ")


@dataclass(frozen=True)
class Block:
    """One piece of a document; `rows` is filled for tables only."""

    kind: str  # title | heading | paragraph | item | table | break | hidden
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)


def read(source: str) -> Iterator[Block]:
    """Yield the blocks of a source in order; one line is one block, except that table lines join."""
    rows: list[list[str]] = []
    for line in [*source.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
            continue
        if rows:
            yield Block("table", rows=[row for row in rows if not is_rule(row)])
            rows = []
        if line.strip():
            yield single(line)


def is_rule(row: list[str]) -> bool:
    """Tell whether a table row is the dashes under the heading."""
    return all(set(cell) <= set("-:") and cell for cell in row)


def single(line: str) -> Block:
    """Return the block of one line that is no table."""
    if line.startswith("!hidden "):
        return Block("hidden", line.removeprefix("!hidden "))
    if line == "---":
        return Block("break")
    if line.startswith("# "):
        return Block("title", line[2:])
    if line.startswith("## "):
        return Block("heading", line[3:])
    return Block("item" if LIST_ITEM.match(line) else "paragraph", line)
