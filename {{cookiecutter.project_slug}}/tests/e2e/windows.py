"""Browser windows of people with exactly the groups that a test wants, and the pages that those may open."""

import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Page

from app.console.html import PAGES
from app.control.auth import COOKIE
from app.control.development import DevelopmentIssuer
from app.settings import ROOT
from tests.conftest import SECRET
from tests.e2e.test_browser import Chromium

# Somebody who may open every page, and those whom the pages are for, each with nothing else.
EVERYTHING = ("operators", "reviewers", "auditors", "privacy")
ROLES = {"operator": ("operators",), "reviewer": ("reviewers",), "auditor": ("auditors",), "nobody": ()}


@asynccontextmanager
async def window(
    chromium: Chromium, groups: Sequence[str], name: str = "Rae Winter", **options: Any
) -> AsyncIterator[Page]:
    """Open a window in which somebody of these groups is signed in."""
    person = name.lower().replace(" ", ".")
    issuer = DevelopmentIssuer(SECRET, {person: {"name": name, "groups": list(groups), "unit": "Tests"}})
    context = await chromium.browser.new_context(**options)
    try:
        await context.add_cookies([{"name": COOKIE, "value": issuer.token(person), "url": chromium.url}])
        yield await chromium._page(context)
    finally:
        await context.close()


def allowed(groups: Sequence[str]) -> list[str]:
    """Give the paths of the pages that these groups may open, as config/roles.toml has it."""
    granted = tomllib.loads((ROOT / "config" / "roles.toml").read_text())["permissions"]
    held = {each for group in ("everyone", *groups) for each in granted.get(group, ())}
    return [path for _, path, permission, _ in PAGES if permission.value in held]
