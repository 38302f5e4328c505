"""What operators and officers of privacy do on the pages, in a real browser, and what others see of it."""

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from playwright.async_api import Page, expect

from tests.e2e.test_browser import Chromium, chromium, url
from tests.e2e.windows import window

__all__ = ["chromium", "url"]
pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(bool(os.environ.get("BROWSER_URL")), reason="signs its own people in, with the tests' secret"),
]
# A loaded machine takes its time; nothing here is measured.
PATIENCE_MS = 30_000
OPERATOR, REVIEWER, OFFICER = ("operators",), ("reviewers",), ("privacy",)


async def act(
    page: Page, scope: Any, opener: str | re.Pattern[str], reason: str, button: str | re.Pattern[str]
) -> None:
    """Open a form, say why, and send it: two clicks and a reason."""
    await scope.locator("summary", has_text=opener).first.click()
    form = scope.locator("details.act[open] form").first
    await form.locator("[name=reason]").fill(reason)
    await form.get_by_role("button", name=button).click()
    await page.wait_for_load_state()


async def listening(page: Page) -> None:
    """Wait until the page hears of changes."""
    await expect(page.locator("html[data-listening=yes]")).to_have_count(1, timeout=PATIENCE_MS)


@pytest.mark.proves("CTL-1")
async def test_a_switch_is_turned_in_two_clicks_seen_by_others_without_a_reload_and_undone(chromium: Chromium) -> None:
    async with (
        window(chromium, OPERATOR, "Olga Petrov") as operator,
        window(chromium, REVIEWER, "Hana Lind") as watcher,
        window(chromium, ("sales",), "Sam Reyes") as asker,
    ):
        await watcher.goto(f"{chromium.url}/console")
        await asker.goto(f"{chromium.url}/")
        for page in (watcher, asker):
            await listening(page)
            await page.evaluate("window.same = true")
        await operator.goto(f"{chromium.url}/console/switches")
        try:
            everything = operator.locator(".panel", has=operator.get_by_role("heading", name="Everything"))
            await act(operator, everything, "Pause", "a drill of the browser test", "Pause now")
            told = operator.locator(".banner.change")
            await expect(told).to_contain_text("on → off by olga.petrov")
            for page in (watcher, asker):
                await expect(page.locator("#notices .banner")).to_be_visible(timeout=PATIENCE_MS)
            # The way back stands beside the change.
            await act(operator, told, "Undo", "the drill is over", re.compile(".+"))
            await expect(operator.locator(".banner.change")).to_contain_text("off → on")
        finally:
            await ensure_on(operator, chromium.url)
        for page in (watcher, asker):
            await expect(page.locator("#notices .banner")).to_have_count(0, timeout=PATIENCE_MS)
            assert await page.evaluate("window.same"), "nobody had to reload"


async def ensure_on(page: Page, url: str) -> None:
    """Whatever went wrong before, the AI is on for the next test."""
    await page.goto(f"{url}/console/switches")
    everything = page.locator(".panel", has=page.get_by_role("heading", name="Everything"))
    if await everything.locator("summary", has_text="Resume").count():
        await act(page, everything, "Resume", "the test is over", "Resume now")


async def test_a_form_that_somebody_fills_in_is_not_taken_away(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, "Olga Petrov") as operator, window(chromium, OPERATOR, "Ina Kerr") as other:
        await operator.goto(f"{chromium.url}/console/switches")
        await listening(operator)
        handbook = operator.locator(".panel", has_text="handbook").first
        await handbook.locator("summary", has_text="Pause").first.click()
        field = handbook.locator("details.act[open] [name=reason]").first
        await field.fill("half a sen")
        await other.goto(f"{chromium.url}/console/switches")
        slow = other.locator(".panel", has=other.get_by_role("heading", name=re.compile("slow", re.IGNORECASE))).first
        try:
            await act(other, slow, "Pause", "something else changes", "Pause now")
            await expect(operator.locator(".stale").first).to_be_visible(timeout=PATIENCE_MS)
            assert await field.input_value() == "half a sen"
        finally:
            await other.goto(f"{chromium.url}/console/switches")
            await act(other, slow, "Resume", "the test is over", "Resume now")


async def test_somebody_is_kept_out_and_let_in_again_by_undo(chromium: Chromium) -> None:
    person = f"user:nobody.{uuid4().hex[:6]}"
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console/restrictions")
        await page.fill("#subject", person)
        await page.fill("#minutes", "60")
        await page.fill("#reason", "a drill of the browser test")
        await page.get_by_role("button", name="Keep out").click()
        told = page.locator(".banner.change")
        await expect(told).to_contain_text(f"{person}: may not ask by olga.petrov")
        await act(page, told, "Undo", "the drill is over", "Lift it")
        await expect(told).to_contain_text("may not ask → let in")
        await act(page, told, "Undo", "once more", "Keep out again")
        row = page.locator("tr", has_text=person).first
        await expect(row.locator("time").first).to_be_visible()
        await act(page, row, "Lift", "the drill is over", "Lift now")
        await expect(told).to_contain_text("let in")
        await page.fill("#subject", person)
        await page.select_option("#what", "everything")
        await page.fill("#reason", "a drill of the browser test")
        await page.get_by_role("button", name="Keep out").click()
        await expect(row.locator(".state.off")).to_have_text("everything")
        await act(page, row, "Lift", "the drill is over", "Lift now")


async def test_a_key_is_made_rotated_and_revoked(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console/keys")
        name = f"made in the browser {uuid4().hex[:6]}"
        await page.fill("#name", name)
        await page.fill("#reason", "the browser test")
        await page.get_by_role("button", name="Make a key").click()
        await expect(page.locator("#key")).to_contain_text("appkey_")
        first = await page.locator("#key").inner_text()
        await act(page, page.locator("tr", has_text=name), "Change", "the browser test", "Rotate")
        await expect(page.locator("#key")).to_contain_text("appkey_")
        assert await page.locator("#key").inner_text() != first
        replaced = page.locator("tr", has=page.locator("td .state", has_text="replaced")).filter(has_text=name)
        await act(page, replaced, "Change", "the browser test", "Revoke now")
        await expect(page.locator(".banner")).to_contain_text("revoked")
        async with httpx2.AsyncClient(base_url=chromium.url) as door:
            refused = await door.get("/v1/me", headers={"Authorization": f"Bearer {first}"})
        assert refused.status_code == 401


async def test_a_legal_hold_is_placed_and_released_by_undo(chromium: Chromium) -> None:
    async with window(chromium, OFFICER, "Dana Weiss") as page:
        await page.goto(f"{chromium.url}/console/people")
        await page.fill("#hold-person", "priya.nair")
        await page.fill("#hold-reason", "a drill of the browser test")
        await page.fill("#hold-told", "Your data is kept for a while.")
        await page.get_by_role("button", name="Hold", exact=True).click()
        told = page.locator(".banner.change")
        await expect(told).to_contain_text("placed by dana.weiss")
        await act(page, told, "Undo", "the drill is over", "Release it")
        await expect(told).to_contain_text("released by dana.weiss")


async def test_a_person_is_exported_and_erased(chromium: Chromium) -> None:
    person = f"nobody.{uuid4().hex[:6]}"
    async with window(chromium, OFFICER, "Dana Weiss") as page:
        await page.goto(f"{chromium.url}/console/people")
        await page.fill("#export-person", "sam.reyes")
        await page.fill("#export-reason", "a drill of the browser test")
        # Twice: what answers with a file leaves the page, and its button, as it was.
        for _ in range(2):
            async with page.expect_download() as given:
                await page.get_by_role("button", name="Export", exact=True).click()
            told = json.loads(await asyncio.to_thread(Path(await (await given.value).path()).read_text))
            assert told["person"]["id"] == "sam.reyes"
        await page.fill("#erase-person", person)
        await page.fill("#erase-confirm", person)
        await page.fill("#erase-reason", "they asked for it")
        await page.get_by_role("button", name="Erase", exact=True).click()
        row = page.locator("tr", has_text=person).first
        await expect(row).to_contain_text("they asked for it")
        await expect(row.locator("summary")).to_contain_text("proven", timeout=PATIENCE_MS)


async def test_an_incident_is_closed_and_opened_again(chromium: Chromium, stack: Any) -> None:
    mark = f"a drill {uuid4().hex[:6]}"
    row = (uuid4(), "leak", uuid4(), "handbook", "sam.reyes", "api", mark)
    with psycopg.connect(stack.engines.database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO incidents (id, kind, turn_id, usecase, user_id, channel, detail)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            row,
        )
    async with window(chromium, REVIEWER, "Rae Winter") as page:
        await page.goto(f"{chromium.url}/console/incidents")
        found = page.locator("article", has_text=mark)
        await found.locator("[name=reason]").fill("nothing left")
        await found.get_by_role("button", name="Close").click()
        await expect(page.locator(".banner.change")).to_contain_text("rae.winter")
        await page.goto(f"{chromium.url}/console/incidents?status=closed")
        await act(page, found, "Open again", "look once more", "Open again now")
        await page.goto(f"{chromium.url}/console/incidents")
        await expect(found.get_by_role("button", name="Close")).to_be_visible()
        await found.locator("[name=reason]").fill("the drill is over")
        await found.get_by_role("button", name="Close").click()


async def test_a_flag_says_something_else_for_a_while(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console/switches/history?key=greeting")
        await expect(page.locator("#variant")).to_have_value("short")
        await page.locator("summary", has_text="Change").first.click()
        await page.locator("#variant").select_option("long")
        await page.fill("#variant-why", "a drill of the browser test")
        await page.get_by_role("button", name="Change now").click()
        await page.goto(f"{chromium.url}/console/switches/history?key=greeting")
        await expect(page.locator("#variant")).to_have_value("long")
        await act(page, page.locator("main table"), "Undo", "the drill is over", "Undo now")
        await page.goto(f"{chromium.url}/console/switches/history?key=greeting")
        await expect(page.locator("#variant")).to_have_value("short")


async def test_every_page_is_reached_by_keys_and_they_can_be_switched_off(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console")
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("?")
        await expect(page.locator("#shortcuts")).to_be_visible()
        letter = await page.locator("#pages a[href='/console/switches']").get_attribute("data-key")
        await expect(page.locator("#shortcuts")).to_contain_text(f"g {letter}")
        await page.keyboard.press("Escape")
        await expect(page.locator("#shortcuts")).to_be_hidden()
        await page.keyboard.press("g")
        await page.keyboard.press(letter or "")
        await page.wait_for_url("**/console/switches", timeout=PATIENCE_MS)
        await page.locator("summary", has_text="Everything").first.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("details.act[open] [name=reason]").first).to_be_focused()
        # What is typed stays text: a letter is no command there.
        await page.keyboard.type("g?")
        assert await page.locator("details.act[open] [name=reason]").first.input_value() == "g?"
        await page.keyboard.press("Escape")
        await expect(page.locator("details.act[open]")).to_have_count(0)
        await page.locator("#show-shortcuts").click()
        await page.locator("#use-shortcuts").uncheck()
        await page.get_by_role("button", name="Close").click()
        await page.keyboard.press("?")
        await expect(page.locator("#shortcuts")).to_be_hidden()


async def test_a_telephone_opens_the_list_of_pages_with_a_button(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, viewport={"width": 390, "height": 844}, has_touch=True) as page:
        await page.goto(f"{chromium.url}/console")
        bar = await page.locator(".bar").bounding_box()
        assert bar is not None and bar["height"] < 90, "the name of the service keeps to a line"
        await expect(page.locator("#pages")).to_be_hidden()
        await page.get_by_role("button", name="Pages").tap()
        await expect(page.locator("#pages")).to_be_visible()
        await page.locator("#pages a[href='/console/switches']").tap()
        await page.wait_for_url("**/console/switches", timeout=PATIENCE_MS)
        await expect(page.locator("#pages")).to_be_hidden()


async def test_a_page_works_without_script(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, java_script_enabled=False) as page:
        await page.goto(f"{chromium.url}/console")
        await expect(page.locator("figure.chart").first).to_be_visible()
        await page.locator("#pages a[href='/console/audit']").click()
        await expect(page.locator("h1")).to_have_text("Audit")
