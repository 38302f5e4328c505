"""Writes docs/reference/events.md from the kinds of events and their fields; run by `make docs`."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.domain.event import KINDS

TEXTS: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def page() -> str:
    """Give the page's text. Raises KeyError unless the words are about exactly the fields that exist."""
    told = TEXTS["field"]
    if wrong := {field for kind in KINDS.values() for field in kind.fields} ^ set(told):
        raise KeyError(f"ops/events.toml, [field]: missing or too many: {', '.join(sorted(wrong))}")
    kinds = [f"| `{name}` | {kind.what} | {_names(kind.fields)} |" for name, kind in KINDS.items()]
    fields = [f"| `{name}` | {says} |" for name, says in sorted(told.items())]
    parts = (
        "# Events",
        "<!-- Written from app/domain/event.py and ops/events.toml by `make docs`; do not edit. -->",
        TEXTS["intro"],
        "\n".join(["| kind | when | data |", "| --- | --- | --- |", *kinds]),
        TEXTS["words"],
        TEXTS["fields"],
        "\n".join(["| field | meaning |", "| --- | --- |", *fields]),
    )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _names(fields: Iterable[str]) -> str:
    return ", ".join(f"`{field}`" for field in fields)
