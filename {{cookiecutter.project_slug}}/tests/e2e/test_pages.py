"""Every page of the console in a real browser: for whom it is, whether it keeps people out, by phone, as a picture."""

import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from app.console.html import PAGES
from ops.pages import picture
from tests.e2e.test_browser import (
    LEAVE,
    PAID,
    PAY,
    SCREENSHOTS,
    Chromium,
    ask,
    become,
    chromium,
    last,
    readers,
    url,
    why,
)
from tests.e2e.windows import EVERYTHING, ROLES, allowed, window

__all__ = ["chromium", "url"]
pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(bool(os.environ.get("BROWSER_URL")), reason="signs its own people in, with the tests' secret"),
]
SIZE, TELEPHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
RUN = (
    "INSERT INTO evaluations"
    " (id, usecase, revision, commit, passed, total, pass_rate, low, high, threshold, good, report, at)"
    " VALUES (%s, 'handbook', 'answer.v1', 'abc1234', %s, 20, %s, %s, %s, 0.9, %s, %s,"
    " now() - make_interval(days => %s))"
)


@pytest.fixture(scope="module")
def lived_in(stack: Any, token: Any) -> None:
    """Something on every page: turns of some days, a queue of reviews, a job, evaluations."""

    def door(person: str) -> httpx2.Client:
        return httpx2.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token(person)}"}, timeout=60)

    with door("sam.reyes") as sam, door("olga.petrov") as olga, door("hana.lind") as hana:
        for question in (LEAVE, PAY, "How much notice does my manager need before I take leave?"):
            sam.post("/v1/usecases/handbook/turns", json={"question": question}).raise_for_status()
        hana.post("/v1/usecases/triage/turns", json={"question": "The invoice for March names a wrong amount."})
        job = {"items": [{"question": LEAVE}, {"question": PAY}]}
        olga.post("/v1/usecases/handbook/jobs", json=job).raise_for_status()
    with psycopg.connect(stack.engines.database_url, autocommit=True) as connection:
        for days, passed in enumerate((19, 17, 19, 20, 18)):
            rate = passed / 20
            numbers = (uuid4(), passed, rate, rate - 0.1, min(1, rate + 0.05), rate >= 0.9)
            connection.execute(RUN, (*numbers, '{"results": [], "by_tag": {"leave": [9, 10]}}', days))


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
        if path == "/console/why":
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
    found, seen = {}, []
    # In the dark on a telephone: what is small there is no less to be read.
    size = SIZE if scheme == "light" else TELEPHONE
    async with window(chromium, EVERYTHING, color_scheme=scheme, reduced_motion="reduce", viewport=size) as page:
        for part in (tour, people):
            async for name in part(page, chromium.url):
                seen.append(name)
                if faults := await serious(page):
                    found[name] = faults
                if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    found[f"{name} is too wide"] = []
    assert not found
    assert {name_of(path) for _, path, *_ in PAGES} <= set(seen) and {"turns-one", "chat", "guide"} <= set(seen)


@pytest.mark.slow
@pytest.mark.usefixtures("lived_in")
@pytest.mark.skipif(os.environ.get("SCREENSHOTS") != "1", reason="SCREENSHOTS=1 takes the pictures of docs/screenshots")
async def test_pictures_of_the_pages(chromium: Chromium) -> None:
    async with chromium.person("olga.petrov", viewport=SIZE) as page:
        for _, path, *_ in PAGES:
            if path == "/console/people":
                continue
            await page.goto(chromium.url + path)
            if path == "/console/why":
                await why(page, PAY, person="sam.reyes", document=PAID)
            elif path == "/console/readers":
                await readers(page, PAID)
            elif path == "/console/switches":
                await page.locator("main details.act > summary").first.click()
            await page.screenshot(path=SCREENSHOTS / picture(path), full_page=path in FULL)
        await page.goto(chromium.url + "/console?hours=1")
        await page.emulate_media(color_scheme="dark")
        await page.screenshot(path=SCREENSHOTS / "console-dark.png")
    async with chromium.person("dana.weiss", viewport=SIZE) as page:
        await page.goto(f"{chromium.url}/console/people")
        await page.screenshot(path=SCREENSHOTS / "people.png")
    async with chromium.person("sam.reyes", viewport=SIZE) as page:
        await (await ask(page, PAY)).locator("select").select_option("erin.holt")
        await page.wait_for_selector(".earlier")
        await last(page)
        await page.screenshot(path=SCREENSHOTS / "chat.png")
    async with chromium.person("erin.holt", viewport=SIZE) as page:
        await (await ask(page, PAY)).get_by_role("link", name="What happened").click()
        await page.wait_for_url("**/turns/*-*")
        await page.screenshot(path=SCREENSHOTS / "turn.png", full_page=True)
        await page.locator("#evidence").evaluate("heading => scrollTo(0, heading.offsetTop - 80)")
        await page.screenshot(path=SCREENSHOTS / "evidence.png")
    taken = {picture.stem for picture in SCREENSHOTS.glob("*.png")}
    assert {name_of(path) for _, path, *_ in PAGES} | {"turn", "evidence", "console-dark"} <= taken


# Longer than a window, and worth seeing whole.
FULL = ("/console", "/console/why", "/console/readers")
