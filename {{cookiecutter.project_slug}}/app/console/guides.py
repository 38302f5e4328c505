"""How-to pages and runbooks, as pages of the console: what a help paragraph links is one click away, offline too."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markupsafe import Markup

from app.console.helping import GUIDES
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Visitor
from app.errors import NotFound, quoted

router = APIRouter(route_class=PageRoute, include_in_schema=False)
ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "ops/runbooks")
TYPES = {".md": "text/html", ".png": "image/png", ".svg": "image/svg+xml"}
# Listed once: a name that is not in here does not exist, so no path can lead out of the folders.
KNOWN = frozenset(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*")
    if path.suffix in TYPES
)


@dataclass(frozen=True, slots=True)
class Guide:
    """A page of the documentation, rendered."""

    path: str
    title: str
    body: Markup


@router.get("/console/guides/{path:path}")
async def guide(request: Request, path: str, who: Visitor) -> Response:
    """Show a how-to page or a runbook of this repository."""
    if path not in KNOWN:
        raise NotFound(f"There is no guide {quoted(path)}.")
    kind = TYPES[PurePosixPath(path).suffix]
    if kind != "text/html":
        return Response((ROOT / path).read_bytes(), media_type=kind)
    return page(request, "guide.html", who, guide=rendered(path))


def rendered(path: str) -> Guide:
    """Turn a page of Markdown into HTML; HTML inside of it stays text."""
    text = (ROOT / path).read_text("utf-8")
    tokens = _MARKDOWN.parse(text)
    for heading, words in pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrs["id"] = _anchor(words.content)
    for token in tokens:
        for child in token.children or ():
            _lead(child, PurePosixPath(path).parent)
    title = next((line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")), path)
    # The renderer escapes everything but the tags that it writes itself.
    return Guide(path, title, Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})))  # noqa: S704


def _lead(token: Any, folder: PurePosixPath) -> None:
    # A link to another page leads to it here; one to a file that is no page leads nowhere and is none.
    for name in ("href", "src"):
        target = str(token.attrs.get(name, ""))
        if not target or urlsplit(target).scheme or target.startswith("#"):
            continue
        there, part = normpath(folder / urlsplit(target).path), urlsplit(target).fragment
        if there in KNOWN:
            token.attrs[name] = GUIDES + there + (f"#{part}" if part else "")
        else:
            del token.attrs[name]


def _anchor(heading: str) -> str:
    """Give a heading's address as code hosts make it, so that links to a part of a page lead there."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _fence(_: Any, tokens: Any, place: int, *__: Any) -> str:
    return f'<pre tabindex="0"><code>{escapeHtml(tokens[place].content)}</code></pre>\n'


def _table(_: Any, tokens: Any, place: int, *__: Any) -> str:
    return '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>\n'


def _table_end(_: Any, tokens: Any, place: int, *__: Any) -> str:
    return "</table></div>\n"


def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable("table")
    rules = {"fence": _fence, "code_block": _fence, "table_open": _table, "table_close": _table_end}
    for name, rule in rules.items():
        made.add_render_rule(name, rule)
    return made


_MARKDOWN = _markdown()
