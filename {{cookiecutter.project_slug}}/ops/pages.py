"""Writes docs/reference/pages.md from the console's pages, their help and their pictures; run by `make docs`."""

from itertools import groupby
from pathlib import PurePosixPath

from app.console.helping import GUIDES, HELP
from app.console.html import PAGES
from app.domain.identity import Permission

INTRO = """
Who sees which: the permission behind the name, given to groups in `config/roles.toml`
([permissions](permissions.md)). Where a click leads, and how to work without a pointer:
[use the console](../how-to/use-the-console.md). The pictures are taken by the tests (`SCREENSHOTS=1 uv run pytest
tests/e2e/test_pictures.py`), of the use cases as they ship, in a house that the tests invent.
"""
# Pages below one of them that are pictured as well.
MORE = {"/console/rollouts": ("A rollout and its arms", "rollout.png")}


def picture(path: str) -> str:
    """Give the file name of a page's picture."""
    return f"{path.removeprefix('/console').strip('/') or 'console-overview'}.png"


def page() -> str:
    """Give the page's text."""
    parts = ["# Pages of the console", "<!-- Written from app/console by `make docs`; do not edit. -->", INTRO.strip()]
    for group, pages in groupby(PAGES, key=lambda each: each[3]):
        parts.append(f"## {group}")
        for label, path, permission, _ in pages:
            parts += [f"### {label}", *_told(path, permission), f"![{label}](../screenshots/{picture(path)})"]
            if path in MORE:
                parts.append("![{}](../screenshots/{})".format(*MORE[path]))
    return "\n\n".join(parts) + "\n"


def _told(path: str, permission: Permission) -> tuple[str, str]:
    known = HELP[path]
    links = [
        f"[{link.label.lower()}]({PurePosixPath('../..') / link.address.removeprefix(GUIDES)})" for link in known.links
    ]
    return f"`{path}`, permission `{permission.value}`", " · ".join((known.text, *links))
