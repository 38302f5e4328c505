"""Every page of the console in a real browser: for whom it is, whether it keeps people out, by phone."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from app.console.html import PAGES
from ops.pages import picture
from tests.e2e.lived import Lived, live, over
from tests.e2e.test_browser import PAID, PAY, Chromium, ask, become, chromium, readers, url, why
from tests.e2e.weeks import House
from tests.e2e.windows import EVERYTHING, ROLES, allowed, window

__all__ = ["chromium", "url"]
pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(bool(os.environ.get("BROWSER_URL")), reason="signs its own people in, with the tests' secret"),
]
BELOW = {f"{name}-one" for name in ("turns", "rollouts", "shadows", "reviews", "jobs", "webhooks", "evaluations")}
# Pages that say little without rows: the house has some for each of them.
FILLED = {"turns", "evaluations", "rollouts", "shadows", "reviews", "captured", "incidents", "jobs", "webhooks"}
FILLED |= {"documents", "keys", "restrictions", "people", "audit"}
SIZE, TELEPHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
async def lived_in(stack: Any, token: Any, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Something on every page: two weeks of turns, and what operators, reviewers and officers did."""
    lived = Lived(stack, token, House("handbook", "triage", per_day=60))
    await live(lived)
    # What was proved in this run so far: the page of readiness shows nothing else.
    evidence: Any = request.config.pluginmanager.get_plugin("evidence")
    evidence.write(stack.folder / "evidence")
    yield
    over(lived)


def name_of(path: str) -> str:
    return picture(path).removesuffix(".png")


@pytest.mark.proves("CTL-1", "SEC-3")
@pytest.mark.parametrize("role", ROLES)
async def test_each_role_opens_its_pages_and_no_other(chromium: Chromium, role: str) -> None:
    mine = allowed(ROLES[role])
    async with window(chromium, ROLES[role]) as page:
        for label, path, permission, _ in PAGES:
            response = await page.goto(chromium.url + path)
            assert response is not None
            if path not in mine:
                assert response.status == 403, f"{role} opened {path}"
                await expect(page.locator("main")).to_contain_text(permission.value)
                continue
            assert response.status == 200, f"{role} and {path}"
            await expect(page.locator("main h1")).to_be_visible()
            await expect(page.locator("#pages [aria-current=page]")).to_have_text(label)
            linked = await page.locator("#pages a").evaluate_all(
                "links => links.map(link => link.getAttribute('href'))"
            )
            assert sorted(linked) == sorted(mine)
    assert bool(mine) == (role != "nobody")


async def tour(page: Page, url: str) -> AsyncIterator[str]:
    """Go through every page with something on each, and through one of each kind below them."""
    for _, path, *_ in PAGES:
        await page.goto(url + path)
        if path == "/console/costs":
            assert await page.evaluate("scrollY") == 0, "a page with two rows of tabs begins at its beginning"
        elif path == "/console/why":
            await why(page, PAY, person="sam.reyes", document=PAID)
        elif path == "/console/readers":
            await readers(page, PAID)
        # What opens on a page belongs to it.
        for opened in ("main details.act > summary", "main details.numbers > summary"):
            if await page.locator(opened).count() and await page.locator(opened).first.is_visible():
                await page.locator(opened).first.click()
        yield name_of(path)
        below = await page.locator(f"main a[href^='{path}/']").evaluate_all("links => links.map(link => link.href)")
        if path != "/console" and below:
            await page.goto(below[0])
            yield f"{name_of(path)}-one"
    await page.goto(f"{url}/console/guides/ops/runbooks/TurnAiOff.md")
    yield "guide"
    await page.goto(f"{url}/console/turns/nothing")
    yield "fault"


async def people(page: Page, url: str) -> AsyncIterator[str]:
    """Go through the pages of people who ask: sign-in, chat, a passage."""
    await page.goto(f"{url}/console/sign-in")
    yield "sign-in"
    await become(page, url, "erin.holt")
    await ask(page, PAY)
    yield "chat"
    await page.locator(".cite").first.click()
    yield "passage"


async def serious(page: Page) -> list[tuple[str, list[Any]]]:
    """Give what keeps people out of a page, by axe-core."""
    faults = (await Axe().run(page)).response["violations"]
    return [
        (fault["id"], [node["target"] for node in fault["nodes"]][:3])
        for fault in faults
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("lived_in")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_keeps_people_out_on_a_screen_or_a_telephone(chromium: Chromium, scheme: Any) -> None:
    """Checked with axe-core: anything serious or critical fails, and so does what is wider than a telephone."""
    found, seen, empty = {}, [], set()
    # In the dark on a telephone: what is small there is no less to be read.
    size = SIZE if scheme == "light" else TELEPHONE
    async with window(chromium, EVERYTHING, color_scheme=scheme, reduced_motion="reduce", viewport=size) as page:
        for part in (tour, people):
            async for name in part(page, chromium.url):
                seen.append(name)
                if await page.locator("main .empty").count():
                    empty.add(name)
                if faults := await serious(page):
                    found[name] = faults
                if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    found[f"{name} is too wide"] = []
    assert not found
    assert {name_of(path) for _, path, *_ in PAGES} | BELOW | {"chat", "guide"} <= set(seen)
    assert not empty & FILLED, "a page without its rows says nothing about them"
