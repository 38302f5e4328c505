"""Writes docs/explanation/attacks.md from the table of attempts: `python -m tests.attacks.page`."""

import importlib
import sys

from app.settings import ROOT
from tests.attacks.ground import ATTACKS

PAGE = ROOT / "docs" / "explanation" / "attacks.md"
THEMES = (
    "as_another",
    "instructions",
    "uploads",
    "rights",
    "caches",
    "leaks",
    "sessions",
    "queues",
    "doors",
)
HEAD = """\
# Attacks

<!-- Written from the table in tests/attacks by `python -m tests.attacks.page`; do not edit. -->

What has been tried to get at a document that one may not read. Each line is an attempt that runs with every `make test`
against the whole service, through its public doors, and gets nothing.

Every attempt is at a *secret*: a document about a made-up subject that only some may read, whose text, title, heading
and file name hold a word that stands nowhere else. The attacker knows the subject, often the document's id, and may
order the model, which obeys. Afterwards the word must be in no byte of what the attacker was sent (headers and errors
too), in no prompt that the model received on their behalf, and, whoever asked, in no line of the logs, no span and no
metric. It is looked for as it is, backwards, in hexadecimal and in base64.

Where an attempt would be empty without it, somebody who *may* read the document asks and gets the word: an attack on a
service that answers nobody proves nothing.

What this does not prevent: somebody who may read a document can tell others what it says; whoever may write documents
can put text before those who share a group with them (`everyone` is one that all share: see `documents.write` in
config/roles.toml); and what was read before a right was taken away has been read.
"""


def load() -> None:
    """Fill the table."""
    for theme in THEMES:
        importlib.import_module(f"tests.attacks.{theme}")


def text() -> str:
    """Give the page."""
    load()
    rows = [f"| {theme} | {name} |" for name, (theme, _) in ATTACKS.items()]
    count = f"\n{len(rows)} attempts:\n\n"
    return HEAD + count + "\n".join(["| about | attempt |", "| --- | --- |", *rows]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
