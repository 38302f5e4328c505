"""The pictures of docs/screenshots: the use cases as they ship, in a house that has worked with them for two weeks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from app.console.html import PAGES
from app.settings import ROOT
from ops.drills.stack import Stack
from ops.pages import MORE, picture
from tests.conftest import started
from tests.e2e.lived import Lived, live
from tests.e2e.test_browser import (
    ANSWER_MS,
    LEAVE,
    PAID,
    PAY,
    SCREENSHOTS,
    Chromium,
    ask,
    chromium,
    last,
    readers,
    url,
    why,
)
from tests.e2e.test_chat import PHONE, call
from tests.e2e.weeks import CANDIDATE, House
from tests.evidence import FOLDER

__all__ = ["chromium", "url"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("pictures"),
    pytest.mark.skipif(os.environ.get("SCREENSHOTS") != "1", reason="SCREENSHOTS=1 takes the pictures"),
]
SIZE, WIDE, TALLEST = {"width": 1280, "height": 860}, {"width": 1440, "height": 900}, 2000
HOUSE = House("policy_answers", "ticket_triage", per_day=420)
ACCOUNT = '[service_accounts.crm]\nowner = "olga.petrov"\ngroups = ["sales"]\npurpose = "the side panel of the CRM"'
# What the contracts get besides: something to roll out, and something to try unseen.
CONTRACTS = {
    HOUSE.policy: f'\n[[candidates]]\nname = "{CANDIDATE}"\nrole = "cheap"\n',
    HOUSE.triage: '\n[shadow]\nrole = "cheap"\nshare = 0.05\n',
}
ASKED_WHY = "Sam asks why he gets no answer"
# Longer than a window, and worth seeing whole.
FULL = ("/console", "/console/costs", "/console/why", "/console/readers", "/console/shadows")
# What each page is opened with: a week says more than a day.
ASKED = {"/console": "?hours=168", "/console/evaluations": f"?usecase={HOUSE.policy}"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The service over the use cases of the project, and not those of the tests."""
    # Code of use cases is imported from the project alone.
    with tempfile.TemporaryDirectory(prefix="shipped_", dir=Path(__file__).parent) as folder:
        for name, more in CONTRACTS.items():
            shutil.copytree(ROOT / "usecases" / name, Path(folder) / name)
            contract = Path(folder) / name / "contract.toml"
            contract.write_text(contract.read_text() + more)
        with started(Path(folder), {"roles.toml": ACCOUNT}) as running:
            # What earlier test runs on this machine have proved.
            shutil.copytree(FOLDER, running.folder / "evidence") if FOLDER.exists() else None
            yield running


@pytest.fixture(scope="module", autouse=True)
async def lived_in(stack: Stack, token: Any) -> None:
    """Two weeks of work."""
    await live(Lived(stack, token, HOUSE))


async def shot(page: Page, name: str, *, full: bool = False) -> None:
    """Take a picture once nothing moves; a full one is as high as the page, up to what one likes to scroll."""
    await page.evaluate("document.fonts.ready")
    options: dict[str, Any] = {}
    if full:
        # The page's head sticks to where the window is.
        await page.evaluate("scrollTo(0, 0)")
        width, height = await page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        options = {"full_page": True, "clip": {"x": 0, "y": 0, "width": width, "height": min(height, TALLEST)}}
    await page.screenshot(path=SCREENSHOTS / name, animations="disabled", **options)


async def test_pictures_of_the_console(chromium: Chromium) -> None:
    async with chromium.person("olga.petrov", viewport=SIZE) as page:
        # The audit first: what the pictures do stands in it afterwards.
        for _, path, *_ in sorted(PAGES, key=lambda each: each[1] != "/console/audit"):
            if path == "/console/people":
                continue
            await page.goto(chromium.url + path + ASKED.get(path, ""))
            if path == "/console/why":
                await why(page, PAY, person="sam.reyes", document=PAID, reason=ASKED_WHY)
            elif path == "/console/readers":
                await readers(page, PAID, reason=ASKED_WHY)
            elif path == "/console/switches":
                await page.locator("main details.act > summary").first.click()
            await shot(page, picture(path), full=path in FULL)
        await page.goto(f"{chromium.url}/console/rollouts/{HOUSE.policy}")
        await expect(page.locator("#standing .figures")).to_contain_text("percent:10")
        await shot(page, "rollout.png", full=True)
        await page.goto(chromium.url + "/console")
        await page.emulate_media(color_scheme="dark")
        await shot(page, "console-dark.png")
    async with chromium.person("dana.weiss", viewport=SIZE) as page:
        await page.goto(f"{chromium.url}/console/people")
        await shot(page, "people.png", full=True)
    taken = {picture.name for picture in SCREENSHOTS.glob("*.png")}
    assert {picture(path) for _, path, *_ in PAGES} | {name for _, name in MORE.values()} <= taken


async def test_pictures_of_the_console_on_a_phone(chromium: Chromium) -> None:
    async with chromium.person("olga.petrov", viewport=PHONE) as page:
        await page.goto(f"{chromium.url}/console?hours=168")
        await shot(page, "overview-phone.png")
        await page.goto(f"{chromium.url}/console/reviews")
        await shot(page, "reviews-phone.png")


async def test_pictures_of_a_turn(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes", viewport=SIZE) as page:
        await (await ask(page, PAY)).locator("select").select_option("erin.holt")
        await page.wait_for_selector(".earlier")
        await last(page)
        await shot(page, "chat.png")
    async with chromium.person("erin.holt", viewport=SIZE) as page:
        await (await ask(page, PAY)).get_by_role("link", name="What happened").click()
        await page.wait_for_url("**/turns/*-*")
        await shot(page, "turn.png", full=True)
        await page.locator("#evidence").evaluate("heading => scrollTo(0, heading.offsetTop - 80)")
        await shot(page, "evidence.png")


async def test_pictures_of_the_chat_page(chromium: Chromium) -> None:
    async with chromium.person("erin.holt", viewport=WIDE) as page:
        exchange = await ask(page, PAY)
        await exchange.locator(".cite").first.click()
        await page.locator("#source mark").first.wait_for()
        await shot(page, "chat-passage.png")
    async with chromium.person("sam.reyes", viewport=WIDE, color_scheme="dark") as page:
        await ask(page, LEAVE)
        await page.locator("#rights > summary").click()
        await page.locator("#documents li").first.wait_for()
        await shot(page, "chat-rights.png")
    async with chromium.person("tom.becker", viewport=PHONE) as page:
        exchange = await ask(page, LEAVE)
        await exchange.get_by_role("button", name="Complain").click()
        await shot(page, "chat-phone.png")
    async with chromium.person("priya.nair", viewport=WIDE) as asker, chromium.person("olga.petrov") as operator:
        flip = {"subject": HOUSE.policy, "reason": "the prices in it are of last year"}
        try:
            await call(operator, "POST", "/v1/admin/flags", {**flip, "enabled": False})
            await expect(asker.locator("#paused")).to_be_visible(timeout=ANSWER_MS)
            await shot(asker, "chat-paused.png")
        finally:
            await call(operator, "POST", "/v1/admin/flags", {**flip, "enabled": True})
