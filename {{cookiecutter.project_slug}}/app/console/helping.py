"""The paragraph of help on each page, from help.toml: what the page is for, and where to read on."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GUIDES = "/console/guides/"


@dataclass(frozen=True, slots=True)
class Link:
    """Where to read on."""

    label: str
    address: str


@dataclass(frozen=True, slots=True)
class Help:
    """What a page says about itself."""

    text: str
    links: Sequence[Link]


def _links(written: dict[str, str]) -> Iterator[Link]:
    for key, label in (("guide", "How to"), ("runbook", "Runbook")):
        path = written.get(key, "")
        # An answer to the template's questions may have left a page out.
        if path and (ROOT / path).exists():
            yield Link(label, GUIDES + path)


def _read() -> dict[str, Help]:
    written = tomllib.loads((HERE / "help.toml").read_text("utf-8"))
    return {path: Help(" ".join(each["text"].split()), tuple(_links(each))) for path, each in written.items()}


HELP = _read()


def help_of(path: str) -> Help | None:
    """Give the help of a page, else of `/*` beside it, else of the page above; the first page has only its own."""
    while path not in HELP:
        path = path.rpartition("/")[0]
        if path in ("", "/console"):
            return None
        if (below := f"{path}/*") in HELP:
            return HELP[below]
    return HELP[path]
