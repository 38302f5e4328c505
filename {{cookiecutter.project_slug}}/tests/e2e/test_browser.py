"""A real Chromium on the real stack: what a person does and sees, as several people, in light and dark."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Response, async_playwright, expect

ARGS = [
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SCREENSHOTS = Path(__file__).parents[2] / "docs" / "screenshots"
LEAVE = "How many days of annual leave do employees have?"
PAY = "How much is the chief executive paid?"
PAID = "Executive pay"
ASKED = ("policy_answers", "handbook")
TRIAGE = ("ticket_triage", "triage")
ANSWER_MS = 15_000
LOOKS = "the browser test looks"
# Texts that the last answer had while it grew.
WATCH = """
window.grown = [];
new MutationObserver(() => {
  const answer = document.querySelector("article.exchange:last-child .answer.growing");
  if (answer && answer.textContent !== window.grown.at(-1)) window.grown.push(answer.textContent);
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


pytestmark = pytest.mark.xdist_group("stack")


@dataclass(frozen=True)
class Sent:
    """A form of the console that was sent by hand: where to, what it said, and the status of the answer."""

    path: str
    fields: dict[str, str]
    status: int


# In any window of this run.
SENT: list[Sent] = []


class Stack(Protocol):
    """The running service: real processes behind one address."""

    url: str


@dataclass
class Chromium:
    """The browser, and the address it looks at."""

    browser: Browser
    url: str
    faults: list[str]

    @asynccontextmanager
    async def person(self, name: str, **options: Any) -> AsyncIterator[Page]:
        """A window of their own in which this person is signed in."""
        context = await self.browser.new_context(**options)
        try:
            page = await self._page(context)
            await become(page, self.url, name)
            yield page
        finally:
            await context.close()

    async def _page(self, context: BrowserContext) -> Page:
        page = await context.new_page()
        await page.add_init_script(WATCH)
        page.on("response", note_sent)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on(
            "console", lambda said: self.faults.append(said.text) if "Content Security Policy" in said.text else None
        )
        return page


def note_sent(answered: Response) -> None:
    """Remember what was sent to the console, and how it was answered."""
    made, path = answered.request, urlsplit(answered.url).path
    if made.method == "POST" and path.startswith("/console/"):
        SENT.append(Sent(path, dict(parse_qsl(made.post_data or "", keep_blank_values=True)), answered.status))


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest) -> str:
    """Where the service is: BROWSER_URL names one that runs already, such as that of `make up`."""
    running: Stack | None = None if os.environ.get("BROWSER_URL") else request.getfixturevalue("stack")
    return running.url if running else os.environ["BROWSER_URL"]


@pytest.fixture(scope="module")
async def chromium(url: str) -> AsyncIterator[Chromium]:
    """One Chromium for all tests here; no script may fail and nothing may offend the security policy."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        missing = "not measured: chromium missing, install with `apt-get install chromium` or set CHROMIUM"
        pytest.fail(missing) if os.environ.get("REQUIRE_TOOLS") == "1" else pytest.skip(missing)
    # As root, which containers often are, Chromium has no sandbox.
    args = [*ARGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=args)
        window = Chromium(browser, url, [])
        yield window
        await browser.close()
    assert not window.faults


async def become(page: Page, url: str, name: str) -> None:
    """Sign in through the picker."""
    await page.goto(f"{url}/console/sign-in")
    await page.click(f".cards button[value='{name}']")
    await page.wait_for_url(f"{url}/")


async def pick(page: Page, names: tuple[str, ...]) -> None:
    """Choose the first of these use cases that this stack has."""
    there = await page.locator("#usecase option").evaluate_all("options => options.map(option => option.value)")
    name = next((name for name in names if name in there), None)
    if name is None:
        pytest.skip(f"not measured: this stack has none of {names}")
    if await page.input_value("#usecase") != name:
        await page.select_option("#usecase", name)


async def ask(page: Page, question: str, names: tuple[str, ...] = ASKED) -> Any:
    """Ask, wait for the end, and give the exchange."""
    await pick(page, names)
    await page.fill("#question", question)
    await page.keyboard.press("Enter")
    return await last(page)


async def last(page: Page) -> Any:
    """Give the newest exchange once it has ended."""
    await expect(page.locator("#stop")).to_be_hidden(timeout=ANSWER_MS)
    exchange = page.locator("article.exchange").last
    await expect(exchange).to_have_attribute("aria-busy", "false", timeout=ANSWER_MS)
    return exchange


async def test_an_answer_grows_on_the_page_and_its_citation_opens(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        exchange = await ask(page, LEAVE)
        await expect(exchange.locator(".answer")).to_contain_text("25 days")
        assert await page.evaluate("window.grown.length") > 0, "no delta was shown before the end"
        await expect(exchange.locator(".rung")).to_contain_text("without a model: quoted from documents")
        await exchange.locator(".cite").first.click()
        await expect(page.locator("#source")).to_be_visible()
        await expect(page.locator("#source-quote")).not_to_be_empty()
        await expect(page.locator("#source-facts")).to_contain_text("everyone")
        await page.keyboard.press("Escape")
        await expect(page.locator("#source")).to_be_hidden()


async def test_the_same_question_is_refused_to_one_and_answered_to_another(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        refused = await ask(page, PAY)
        await expect(refused.locator(".verdict")).to_contain_text("no document that you may read")
        assert "285,000" not in await page.content()
        await refused.locator("select").select_option("erin.holt")
        await expect(page.locator(".earlier")).to_contain_text("What Sam Reyes was told")
        answered = await last(page)
        await expect(answered.locator(".answer")).to_contain_text("285,000")
        await expect(answered.locator(".cite").first).to_be_visible()
        await expect(page.locator("#person-menu summary")).to_contain_text("Erin Holt")


async def test_a_conversation_goes_on_after_a_reload(chromium: Chromium) -> None:
    async with chromium.person("priya.nair") as page:
        await ask(page, LEAVE)
        await ask(page, "And who approves it?")
        await page.reload()
        await page.locator("#sessions .open").first.click()
        await expect(page.locator("article.exchange")).to_have_count(2)
        await expect(page.locator("article.exchange .answer").first).to_contain_text("25 days")


async def test_an_opinion_and_a_correction_are_taken(chromium: Chromium) -> None:
    async with chromium.person("tom.becker") as page:
        exchange = await ask(page, LEAVE)
        await page.route("**/feedback", lambda route: route.abort())
        await exchange.get_by_role("button", name="Bad answer").click()
        await expect(page.get_by_role("alert")).to_contain_text("does not answer")
        await page.unroute("**/feedback")
        await exchange.get_by_role("button", name="Bad answer").click()
        await exchange.get_by_label("What should it have said?").fill("Look at the table.")
        await exchange.get_by_role("button", name="Send").click()
        await expect(exchange.get_by_role("status")).to_contain_text("Thank you")


async def test_what_i_may_see_is_said(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        await page.get_by_text("Who am I, and what can I see?").click()
        await expect(page.locator("#me")).to_contain_text("group:sales")
        await expect(page.locator("#documents li").first).to_be_visible()
        await expect(page.locator("#documents")).not_to_contain_text("Executive pay")


async def test_an_answer_can_be_stopped(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        await pick(page, ("slow",))
        await page.fill("#question", "100 words, please")
        await page.keyboard.press("Enter")
        await expect(page.locator("article.exchange .growing")).to_contain_text("word2")
        await page.get_by_role("button", name="Stop").click()
        exchange = await last(page)
        await expect(exchange).to_contain_text("You stopped this answer")
        await expect(exchange).to_contain_text("word2")


async def test_an_operator_pauses_with_a_reason_and_the_next_turn_of_everybody_is_refused(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as asker, chromium.person("olga.petrov") as operator:
        await ask(asker, LEAVE)
        try:
            await turn_switch(operator, chromium.url, "Pause", "a drill of the browser test")
            await expect(operator.locator(".banner.good")).to_contain_text("on → off by olga.petrov")
            await asyncio.sleep(2)
            paused = await ask(asker, LEAVE)
            await expect(paused.locator(".verdict")).to_contain_text("the AI is paused")
            await expect(asker.locator("#paused")).to_be_visible()
        finally:
            await turn_switch(operator, chromium.url, "Resume", "the drill is over")
        await operator.goto(f"{chromium.url}/console/audit")
        await expect(operator.locator(".audit")).to_contain_text("a drill of the browser test")
        await expect(asker.locator("#paused")).to_be_hidden(timeout=ANSWER_MS)
        again = await ask(asker, LEAVE)
        await expect(again.locator(".answer")).to_contain_text("25 days")


async def turn_switch(page: Page, url: str, verb: str, reason: str) -> None:
    """Two clicks and a reason."""
    await page.goto(f"{url}/console/switches")
    panel = page.locator(".panel", has=page.get_by_role("heading", name="Everything"))
    await panel.locator("summary").click()
    await panel.get_by_label("Why?").fill(reason)
    await panel.get_by_role("button", name=f"{verb} now").click()
    await page.wait_for_url("**/switches?changed=ai")


async def test_what_a_model_says_stays_text(chromium: Chromium) -> None:
    """The service's part is played here: whatever comes over the wire, nothing of it becomes a page."""
    evil = "<img src=x onerror=alert(1)> **bold** [1]\n- <script>alert(2)</script>"
    citation = {"marker": 1, "document_id": "d", "title": "<b>t</b>", "uri": "javascript:alert(3)", "quote": evil}
    turn = {
        "turn_id": "t",
        "session_id": None,
        "outcome": "answered_model",
        "model": "<i>m</i>",
        "answer": evil,
        "citations": [citation],
        "data": {"<u>k</u>": evil},
        "skipped": [{"rung": "<s>r</s>", "reason": evil}],
    }
    frames = f"event: delta\ndata: {json.dumps({'text': evil})}\n\nevent: end\ndata: {json.dumps(turn)}\n\n"
    async with chromium.person("sam.reyes") as page:
        await page.route("**/turns", lambda route: route.fulfill(content_type="text/event-stream", body=frames))
        exchange = await ask(page, evil)
        await exchange.locator(".cite").click()
        await expect(page.locator("#source-quote")).to_contain_text("<img src=x")
        made = "#thread :is(img, script, i, b, u, s, a[href^='javascript']), #source :is(img, script, b, a)"
        assert await page.locator(made).count() == 0
        assert await exchange.locator("strong").inner_text() == "bold"


async def test_the_end_replaces_what_was_shown_and_says_how_old_it_is(chromium: Chromium) -> None:
    fields = [{"topic": "leave"}, {"topic": "leave", "days": 12}]
    turn = {"turn_id": "t", "session_id": None, "outcome": "answered_cached", "answer": "It is 12 days.", "age_s": 200}
    shown = [("delta", {"text": "Half an answer"}), *(("partial", {"data": each}) for each in fields)]
    told = [*shown, ("end", {**turn, "data": fields[-1], "citations": [], "skipped": []})]
    frames = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told)
    async with chromium.person("sam.reyes") as page:
        await page.evaluate(WATCH)
        await page.route("**/turns", lambda route: route.fulfill(content_type="text/event-stream", body=frames))
        answer = (await ask(page, LEAVE)).locator(".answer")
        await expect(answer).to_contain_text("It is 3 minutes old.")
        await expect(answer).to_contain_text("It is 12 days.")
        assert "Half an answer" not in await answer.inner_text()
        grown = await page.evaluate("window.grown")
        assert grown[0] == "Half an answer" and "topicleavedays12" in grown


async def test_a_broken_connection_is_told_and_asking_again_does_nothing_twice(chromium: Chromium) -> None:
    keys: list[str] = []
    async with chromium.person("sam.reyes") as page:

        async def break_once(route: Any) -> None:
            keys.append(route.request.headers["idempotency-key"])
            await (route.abort() if len(keys) == 1 else route.continue_())

        await page.route("**/turns", break_once)
        exchange = await ask(page, LEAVE)
        await expect(exchange).to_contain_text("connection broke")
        await exchange.get_by_role("button", name="Ask again").click()
        await expect((await last(page)).locator(".answer")).to_contain_text("25 days")
        assert len(keys) == 2 and keys[0] == keys[1]


async def test_everything_is_reached_by_keyboard(chromium: Chromium) -> None:
    async with chromium.person("olga.petrov") as page:
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.goto(f"{chromium.url}/console/switches")
        await page.locator("summary", has_text="Everything").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("details.act[open] input[name=reason]")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("details.act[open]")).to_have_count(0)


async def why(page: Page, question: str, *, person: str, document: str, reason: str = LOOKS) -> None:
    """Ask the page why somebody did not find a document, and wait for what it says."""
    await page.fill("#question", question)
    await page.fill("#person", person)
    await page.fill("#document", document)
    await page.fill("#reason", reason)
    there = await page.locator("#usecase option").all_inner_texts()
    await page.select_option("#usecase", next(name for name in ASKED if name in there))
    await page.get_by_role("button", name="Look").click()
    await expect(page.locator(".verdicts").first).to_be_visible()


async def readers(page: Page, document: str, *, reason: str = LOOKS) -> None:
    """Ask the page who can read a document, and wait for what it says."""
    await page.fill("#name", document)
    await page.fill("#reason", reason)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="People").first).to_be_visible()


async def test_the_panel_of_a_turn_shows_its_asker_what_was_weighed(chromium: Chromium) -> None:
    async with chromium.person("erin.holt") as page:
        exchange = await ask(page, PAY)
        await exchange.get_by_role("link", name="What happened").click()
        panel = page.locator("section", has=page.get_by_role("heading", name="What was considered, and why"))
        kept = panel.locator("tr", has_text="kept").first
        await expect(kept).to_contain_text("Executive pay")
        await expect(panel).to_contain_text("group:executives")
        assert await kept.locator(".stages rect.length").count() >= 3
        story = page.url
        await become(page, chromium.url, "olga.petrov")
        await page.goto(story)
        await expect(panel).to_be_visible()
        assert "Executive pay" not in await page.content(), "who may not read it is not told that it is there"


async def test_an_operator_finds_out_why_somebody_did_not_find_a_document(chromium: Chromium) -> None:
    async with chromium.person("olga.petrov") as page:
        await page.goto(f"{chromium.url}/console/why")
        await why(page, PAY, person="sam.reyes", document=PAID)
        await expect(page.locator(".panel").first).to_contain_text("not among the readers: group:executives")
        await expect(page.locator(".panel").first).to_contain_text("What would change it")
        await page.get_by_role("link", name="who can read it?").first.click()
        await readers(page, await page.input_value("#name"))
        await expect(page.locator("tr", has_text="erin.holt")).to_contain_text("reads it as group:executives")
        await page.select_option("#about", "person")
        await page.fill("#name", "sam.reyes")
        await page.fill("#reason", "the browser test looks")
        await page.get_by_role("button", name="Look").click()
        await expect(page.get_by_role("heading", name="What sam.reyes can read")).to_be_visible()
        await page.goto(f"{chromium.url}/console/audit")
        await expect(page.locator(".audit")).to_contain_text(LOOKS)
