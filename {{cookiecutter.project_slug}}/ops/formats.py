"""Writes docs/reference/formats.md from the readers of documents and their limits; run by `make docs`."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.errors import Unreadable
from app.retrieval import archive, parse, parse_mail, parse_pdf, parse_pptx, parse_xlsx

WORDS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
LIMITS = {
    "bytes of a file": parse.MOST_BYTES,
    "letters of a document": parse.MOST_CHARACTERS,
    "bytes of an Office file, unpacked": archive.MOST_UNPACKED_BYTES,
    "parts of an Office file": archive.MOST_ENTRIES,
    f"growth of an Office file when unpacked (from {archive.RATIO_FROM_BYTES:,} bytes on)": archive.MOST_RATIO,
    "pages of a PDF": parse_pdf.MOST_PAGES,
    "slides": parse_pptx.MOST_SLIDES,
    "sheets": parse_xlsx.MOST_SHEETS,
    "cells of a workbook": parse_xlsx.MOST_CELLS,
    "parts of an e-mail": parse_mail.MOST_PARTS,
    "attachments that are read": parse_mail.MOST_ATTACHMENTS,
    "messages inside each other": parse_mail.MOST_DEPTH,
}


def page() -> str:
    """Give the page's text. Raises KeyError unless the words are about exactly the formats and reasons that exist."""
    formats, reasons = _words("format", parse.READERS), _words("reason", Unreadable.REASONS)
    parts = (
        "# Formats",
        "<!-- Written from app/retrieval/parse.py and ops/formats.toml by `make docs`; do not edit. -->",
        WORDS["intro"],
        _table(("ending", "what is read", "what is hidden from prompts"), formats),
        WORDS["reasons"],
        _table(("reason", "when", "what to do"), ([f"`{name}`", *said] for name, said in reasons)),
        WORDS["limits"],
        _table(("of", "at most"), ((name, f"{most:,}") for name, most in LIMITS.items())),
    )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _words(topic: str, names: Iterable[str]) -> Any:
    written, wanted = WORDS[topic], list(names)
    if wrong := set(wanted) ^ set(written):
        raise KeyError(f"ops/formats.toml, [{topic}]: missing or too many: {', '.join(sorted(wrong))}")
    return [written[name] for name in wanted] if topic == "format" else [(name, written[name]) for name in wanted]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
