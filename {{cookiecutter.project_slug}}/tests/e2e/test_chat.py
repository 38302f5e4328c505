"""The chat page in a real Chromium on the real stack: read the passage, object, send a document, see it paused."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.e2e.test_browser import (
    ANSWER_MS,
    LEAVE,
    PAY,
    TRIAGE,
    Chromium,
    ask,
    become,
    chromium,
    last,
    pick,
    url,
)

__all__ = ["chromium", "url"]
pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.proves("OBS-1")]
PATIENCE_MS = 60_000
PHONE = {"width": 390, "height": 844}
# Speaks the API as the person whose page it is.
CALL = """async ([method, path, body]) => {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(path, { method, headers, body: body ? JSON.stringify(body) : undefined });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}"""


async def call(page: Page, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Use the API in the name of whoever is signed in."""
    return await page.evaluate(CALL, [method, path, body])


async def faults(page: Page) -> list[Any]:
    """Give what axe-core finds serious or critical."""
    found = (await Axe().run(page)).response["violations"]
    return [(each["id"], each["nodes"][0]["target"]) for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.proves("SEC-4")
async def test_a_citation_opens_the_passage_beside_the_answer_and_closes_again(chromium: Chromium) -> None:
    async with chromium.person("erin.holt") as page:
        exchange = await ask(page, PAY)
        cite = exchange.locator(".cite").first
        await cite.click()
        panel = page.locator("#source")
        await expect(panel.locator(".piece.cited")).to_contain_text("285,000")
        await expect(panel.locator("mark").first).to_be_visible()
        await expect(panel.locator("#source-facts")).to_contain_text("group:executives")
        await expect(panel.locator("#source-close")).to_be_focused()
        await expect(page.locator("#question")).to_be_enabled()
        await page.keyboard.press("Escape")
        await expect(panel).to_be_hidden()
        await expect(cite).to_be_focused()


async def test_a_passage_that_one_may_not_read_any_more_shows_nothing_of_it(chromium: Chromium) -> None:
    """The service's part is played here: what it refuses is told, and what was shown before is gone."""
    async with chromium.person("erin.holt") as page:
        exchange = await ask(page, PAY)
        await exchange.locator(".cite").first.click()
        await expect(page.locator("#source .piece.cited")).to_contain_text("285,000")
        await page.route(
            re.compile(r"/passage\?"), lambda route: route.fulfill(status=404, json={"title": "gone", "status": 404})
        )
        await exchange.locator(".cite").first.click()
        await expect(page.locator("#source-note")).to_contain_text("may not read it any more")
        await expect(page.locator("#source-pieces")).to_be_hidden()


async def test_what_stood_in_for_a_model_is_said_with_the_reason(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        exchange = await ask(page, LEAVE)
        await expect(exchange.locator(".how .state")).to_have_text("No model answered")
        await exchange.locator(".skipped summary").click()
        await expect(exchange.locator(".skipped")).to_contain_text("no model is configured")


async def test_a_conversation_is_found_again_renamed_and_deleted_for_good(chromium: Chromium) -> None:
    title = f"Leave {uuid4().hex[:6]}"
    async with chromium.person("priya.nair") as page:
        await ask(page, LEAVE)
        await expect(page.locator("#sessions .open[aria-current]")).to_have_count(1)
        await page.get_by_role("button", name="Rename").first.click()
        await page.get_by_label("New title of").fill(title)
        await page.keyboard.press("Enter")
        await expect(page.locator("#sessions .open").first).to_have_text(title)
        await page.reload()
        await expect(page.locator("article.exchange")).to_have_count(1, timeout=ANSWER_MS)
        await expect(page.locator("article.exchange .answer")).to_contain_text("25 days")
        entry = page.locator("#sessions li", has_text=title)
        await entry.get_by_role("button", name="Delete").click()
        await page.keyboard.press("Escape")
        await expect(entry.locator(".open")).to_be_focused()
        await entry.get_by_role("button", name="Delete").click()
        await page.locator(".retitle").get_by_role("button", name="Delete").click()
        await expect(page.locator("#sessions", has_text=title)).to_have_count(0)
        await expect(page.locator("#welcome")).to_be_visible()
        assert title not in json.dumps(await call(page, "GET", "/v1/sessions"))


async def test_among_many_conversations_one_is_found_by_its_title(chromium: Chromium) -> None:
    at = "2026-11-20T10:00:00Z"
    rows = [{"id": str(uuid4()), "usecase": "handbook", "title": f"About {word}", "created_at": at, "updated_at": at}
            for word in ("leave", "pay", "prices", "optics", "travel", "notes", "cars", "bikes", "trains")]  # fmt: skip
    async with chromium.person("priya.nair") as page:
        await page.route(re.compile(r"/v1/sessions\?"), lambda route: route.fulfill(json=rows))
        await page.reload()
        await page.get_by_label("Find a conversation").fill("BIKES")
        await expect(page.locator("#sessions .open")).to_have_text(["About bikes"])
        await page.get_by_label("Find a conversation").fill("boats")
        await expect(page.locator("#no-sessions")).to_have_text("None of that name.")


async def test_an_opinion_is_remembered_and_can_be_taken_back(chromium: Chromium) -> None:
    async with chromium.person("tom.becker") as page:
        exchange = await ask(page, LEAVE)
        good = exchange.get_by_role("button", name="Good answer")
        await good.click()
        await expect(good).to_have_attribute("aria-pressed", "true")
        await page.reload()
        again = page.locator("article.exchange").last.get_by_role("button", name="Good answer")
        await expect(again).to_have_attribute("aria-pressed", "true", timeout=ANSWER_MS)
        await again.click()
        await expect(again).to_have_attribute("aria-pressed", "false")


async def test_escape_stops_an_answer_and_the_question_can_be_changed_and_asked_again(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        await pick(page, ("slow",))
        await page.fill("#question", "100 words, please")
        await page.keyboard.press("Enter")
        await expect(page.locator("article.exchange .growing")).to_contain_text("word1")
        await page.keyboard.press("Escape")
        stopped = await last(page)
        await expect(stopped).to_contain_text("You stopped this answer")
        await page.focus("#question")
        await page.keyboard.press("ArrowUp")
        await expect(page.locator("#question")).to_have_value("100 words, please")
        await page.fill("#question", "2 words, please")
        await page.keyboard.press("Enter")
        done = await last(page)
        await expect(done.locator(".prose")).to_have_text("word0 word1")
        await done.get_by_role("button", name="Ask again").click()
        await expect(page.locator("article.exchange")).to_have_count(3)
        await expect((await last(page)).locator(".prose")).to_have_text("word0 word1")
        await done.get_by_role("button", name="Change the question").click()
        await expect(page.locator("#question")).to_be_focused()


async def test_a_document_is_sent_and_asked_about_by_those_who_may_read_it(chromium: Chromium) -> None:
    word = f"Quokka{uuid4().hex[:6]}"
    note = {
        "name": "note.md",
        "mimeType": "text/markdown",
        "buffer": f"# {word}\n\nThe {word} sleeps at noon.".encode(),
    }
    async with chromium.person("maya.okafor") as page:
        await pick(page, ("handbook", "policy_answers"))
        await page.get_by_role("button", name="Add a document").click()
        await expect(page.get_by_label("only me")).to_be_checked()
        await page.set_input_files("#upload-file", note)
        await page.fill("#upload-name", word)
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("#upload-said")).to_contain_text("is read", timeout=PATIENCE_MS)
        await page.locator("#upload").get_by_role("button", name="Close").click()
        exchange = await ask(page, f"When does the {word} sleep?")
        await expect(exchange.locator(".answer")).to_contain_text("noon")
        await page.get_by_text("Who am I, and what can I see?").click()
        await page.get_by_label("Find a document").fill(word)
        await expect(page.locator("#documents li")).to_contain_text("sent by you")
        await become(page, chromium.url, "sam.reyes")
        refused = await ask(page, f"When does the {word} sleep?")
        await expect(refused).not_to_contain_text("noon")


async def test_a_file_that_cannot_be_read_is_told_so(chromium: Chromium) -> None:
    broken = {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 and nothing more"}
    async with chromium.person("maya.okafor") as page:
        await pick(page, ("handbook", "policy_answers"))
        await page.get_by_role("button", name="Add a document").click()
        await page.get_by_label("only me").uncheck()
        await page.set_input_files("#upload-file", broken)
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("#upload-said")).to_contain_text("at least one reader")
        await page.get_by_label("only me").check()
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("#upload-said")).to_contain_text("could not be read", timeout=PATIENCE_MS)


async def test_who_i_am_and_what_i_can_see_and_what_is_kept_of_me(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        await page.get_by_text("Who am I, and what can I see?").click()
        await expect(page.locator("#me")).to_contain_text("Sales")
        await expect(page.locator("#my-cases")).to_contain_text("send documents")
        await expect(page.locator("#kept")).to_contain_text("conversation")
        async with page.expect_download() as taken:
            await page.get_by_role("link", name="Take all of it along").click()
        assert (await taken.value).suggested_filename == "my-data.json"


@pytest.mark.proves("CTL-1")
async def test_everybody_sees_at_once_that_the_ai_is_off_and_that_it_is_back(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as asker, chromium.person("olga.petrov") as operator:
        await pick(asker, ("handbook", "policy_answers"))
        name = await asker.input_value("#usecase")
        await expect(asker.locator("#paused")).to_be_hidden()
        flip = {"subject": name, "reason": "a drill of the chat page"}
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        try:
            await call(operator, "POST", "/v1/admin/flags", {**flip, "enabled": False, "until": until})
            await expect(asker.locator("#paused")).to_contain_text("is paused", timeout=ANSWER_MS)
            await expect(asker.locator("#paused")).to_contain_text("It goes on by itself at")
            await expect(asker.locator("#paused")).to_contain_text("questions are not answered")
            await expect(asker.locator("#usecase option:checked")).to_contain_text("(paused)")
            assert not await faults(asker)
        finally:
            await call(operator, "POST", "/v1/admin/flags", {**flip, "enabled": True})
        await expect(asker.locator("#paused")).to_be_hidden(timeout=ANSWER_MS)
        await expect(asker.locator("#usecase option:checked")).not_to_contain_text("(paused)")


@pytest.mark.proves("CTL-1")
async def test_an_answer_that_is_being_written_stops_when_the_ai_is_turned_off(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as asker, chromium.person("olga.petrov") as operator:
        await pick(asker, ("slow",))
        flip = {"subject": "slow", "reason": "a drill of the chat page"}
        await asker.fill("#question", "110 words, please")
        await asker.keyboard.press("Enter")
        await expect(asker.locator("article.exchange .growing")).to_contain_text("word1")
        try:
            await call(operator, "POST", "/v1/admin/flags", {**flip, "enabled": False})
            stopped = await last(asker)
        finally:
            await call(operator, "POST", "/v1/admin/flags", {**flip, "enabled": True})
        await expect(stopped.locator(".verdict")).to_contain_text("the AI is paused")
        await expect(stopped).not_to_contain_text("word1")


@pytest.mark.proves("REL-2")
async def test_what_a_reviewer_decides_reaches_the_page_that_waits_for_it(chromium: Chromium) -> None:
    async with chromium.person("hana.lind") as asker, chromium.person("olga.petrov") as reviewer:
        exchange = await ask(asker, "The invoice for our sensors names a wrong amount, please correct it.", TRIAGE)
        await expect(exchange.locator(".reviews")).to_contain_text("is with a person")
        await decide(reviewer, exchange, {"approve": True, "reason": "the labels are right"})
        await expect(exchange.locator(".reviews")).to_contain_text("the answer above is theirs", timeout=ANSWER_MS)
        await expect(exchange.locator(".verdict")).to_contain_text("A person has looked at this")


@pytest.mark.proves("REL-2")
async def test_a_complaint_goes_to_a_person_and_its_answer_comes_back(chromium: Chromium) -> None:
    async with chromium.person("tom.becker") as asker, chromium.person("olga.petrov") as reviewer:
        exchange = await ask(asker, LEAVE)
        await exchange.get_by_role("button", name="Complain").click()
        await expect(exchange.get_by_label("What is wrong?")).to_be_focused()
        await exchange.get_by_label("What is wrong?").fill("It leaves out part-time work.")
        assert not await faults(asker)
        await exchange.get_by_role("button", name="Send").click()
        await expect(exchange.get_by_role("status")).to_contain_text("A person reads it")
        await expect(exchange.locator(".reviews")).to_contain_text("Your complaint is with a person")
        await decide(reviewer, exchange, {"approve": False, "reason": "part-time work is on the next page"})
        await expect(exchange.locator(".reviews")).not_to_contain_text("is with a person", timeout=ANSWER_MS)
        await asker.reload()
        again = asker.locator("article.exchange").last
        await expect(again.locator(".reviews")).to_contain_text("has read your complaint", timeout=ANSWER_MS)


async def decide(reviewer: Page, exchange: Any, decision: dict[str, Any]) -> None:
    """Decide on the review of the turn that the exchange shows."""
    link = await exchange.get_by_role("link", name="What happened").get_attribute("href")
    turn = link.rsplit("/", 1)[-1]
    waiting = await call(reviewer, "GET", "/v1/admin/reviews")
    review = next(each["id"] for each in waiting if each["turn_id"] == turn)
    await call(reviewer, "POST", f"/v1/admin/reviews/{review}", decision)


async def places(page: Page) -> AsyncIterator[str]:
    """Go through what the chat page can show."""
    await expect(page.locator("#welcome")).to_be_visible()
    yield "empty"
    await pick(page, ("handbook", "policy_answers"))
    await page.get_by_role("button", name="Add a document").click()
    await page.locator("#upload-readers input").first.wait_for()
    yield "upload"
    await page.locator("#upload").get_by_role("button", name="Close").click()
    exchange = await ask(page, PAY)
    yield "answered"
    await exchange.get_by_role("button", name="Bad answer").click()
    await exchange.get_by_label("What should it have said?").wait_for()
    yield "correction"
    if await page.locator("#side > summary").is_visible():
        await page.locator("#side > summary").click()
    await page.locator("#rights > summary").click()
    await page.locator("#documents li").first.wait_for()
    yield "rights"
    await page.get_by_role("button", name="Rename").first.click()
    yield "rename"
    await page.keyboard.press("Escape")
    await exchange.locator(".cite").first.click()
    await page.locator("#source .piece").first.wait_for()
    yield "passage"


@pytest.mark.parametrize(("scheme", "size"), [("light", PHONE), ("dark", {"width": 1280, "height": 860})])
async def test_nothing_on_the_page_keeps_people_out_or_leaves_the_screen(
    chromium: Chromium, scheme: Any, size: Any
) -> None:
    """Checked with axe-core; anything serious or critical fails."""
    found: list[Any] = []
    options = {"color_scheme": scheme, "viewport": size, "reduced_motion": "reduce"}
    async with chromium.person("erin.holt", **options) as page:
        async for name in places(page):
            found += [(name, each) for each in await faults(page)]
            if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append((name, "wider than the screen"))
    assert not found
