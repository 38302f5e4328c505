"""What the pages' scripts do by themselves: zones of times, regions made anew, keys, and an answer that is not done."""

import asyncio
import os
import re
from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.test_browser import ANSWER_MS, ASKED, LEAVE, Chromium, ask, chromium, last, pick, url
from tests.e2e.test_chat import call
from tests.e2e.test_console import act, listening
from tests.e2e.test_console_work import OPERATOR, PATIENCE_MS, REVIEWER, olga, start
from tests.e2e.test_webhooks import until
from tests.e2e.windows import EVERYTHING, window

__all__ = ["chromium", "olga", "url"]
pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(bool(os.environ.get("BROWSER_URL")), reason="signs its own people in, with the tests' secret"),
]
# Regions follow the clock as well: without it, what is seen anew was told by the stream of changes.
NO_CLOCK = """
const real = window.setInterval;
window.setInterval = (tick, ms, ...more) => ms < 5000 ? real(tick, ms, ...more) : 0;
"""
# Words of the page that stand in no <time>.
UNTIMED = """() => {
  const copy = document.querySelector("main").cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.remove();
  return copy.textContent;
}"""
COLOURS = """(family) => [["rect", "fill"], ["path", "column"], ["path", "line"]].map(([tag, kind]) => {
  const [svg, made] = ["svg", tag].map((each) => document.createElementNS("http://www.w3.org/2000/svg", each));
  made.setAttribute("class", `${kind} ${family}`);
  svg.append(made);
  document.body.append(svg);
  return getComputedStyle(made)[kind === "line" ? "stroke" : "fill"];
})"""


@pytest.fixture(scope="module")
def job(olga: httpx2.Client) -> Iterator[str]:
    """A job that is done."""
    sent = olga.post("/v1/usecases/handbook/jobs", json={"items": [{"question": LEAVE}]})
    yield sent.json()["job_id"]


async def wait_for_ever(page: Page) -> None:
    """Ask something that is not answered until somebody stops it."""
    await page.route("**/turns", lambda _: None)
    await page.fill("#question", "Is anybody there?")
    await page.keyboard.press("Enter")
    await expect(page.locator("#stop")).to_be_visible()


async def test_another_use_case_stops_the_answer_and_begins_a_conversation_of_its_own(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        await pick(page, ("slow",))
        await page.fill("#question", "100 words, please")
        await page.keyboard.press("Enter")
        await expect(page.locator("article.exchange .growing")).to_contain_text("word1")
        await pick(page, ASKED)
        await expect(page.locator("#stop")).to_be_hidden(timeout=ANSWER_MS)
        assert "#" not in page.url, "no conversation is open"
        exchange = await ask(page, LEAVE)
        await expect(exchange.locator(".answer")).to_contain_text("25 days")
        await expect(page.locator("article.exchange")).to_have_count(1)
        opened = await call(page, "GET", f"/v1/sessions/{page.url.partition('#')[2]}")
        assert opened["usecase"] == await page.input_value("#usecase")
        assert "word" not in str(opened["messages"])


async def test_escape_closes_a_menu_and_the_answer_goes_on(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        await wait_for_ever(page)
        await page.locator("#person-menu summary").click()
        await page.keyboard.press("Escape")
        await expect(page.locator("#person-menu[open]")).to_have_count(0)
        await expect(page.locator("#stop")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(await last(page)).to_contain_text("You stopped this answer")


async def test_what_has_to_wait_for_an_answer_says_so(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        await ask(page, LEAVE)
        await ask(page, "2 words, please", ("slow",))
        notice = page.locator("#notice")
        await wait_for_ever(page)
        for waits in (
            page.locator("#sessions .open").last,
            page.locator("article.exchange").first.get_by_role("button", name="Ask again"),
        ):
            await waits.click()
            await expect(notice).to_contain_text("still being written")
            await notice.evaluate("notice => (notice.hidden = true)")
        await page.fill("#question", "3 words, please")
        await page.keyboard.press("Enter")
        await expect(notice).to_contain_text("still being written")
        await expect(page.locator("#question")).to_have_value("3 words, please")
        await page.get_by_role("button", name="Stop").click()
        await expect(await last(page)).to_contain_text("You stopped this answer")


async def test_what_stood_in_for_a_model_looks_like_no_fault_and_a_correction_is_asked_for_plainly(
    chromium: Chromium,
) -> None:
    async with chromium.person("sam.reyes") as page:
        exchange = await ask(page, LEAVE)
        await expect(exchange.locator(".how .state.warn")).to_have_text("No model answered")
        warned = await exchange.locator(".how .state").evaluate("sign => getComputedStyle(sign).color")
        assert warned == await page.evaluate("""() => {
          const banner = Object.assign(document.createElement("p"), { className: "banner warn" });
          document.body.append(banner);
          return getComputedStyle(banner).color;
        }"""), "as warnings are, not as faults"
        places = [await exchange.locator(f".foot {each}").bounding_box() for each in (".thumb >> nth=0", ".spent")]
        assert places[0] and places[1]
        assert places[1]["y"] < places[0]["y"] + places[0]["height"], "all below the answer stands in one line"
        await exchange.get_by_role("button", name="Bad answer").click()
        form = exchange.locator("form.correct")
        assert await form.locator("textarea").get_attribute("required") is not None
        await expect(form).not_to_contain_text("optional")


async def test_who_signs_out_is_asked_who_they_are(chromium: Chromium) -> None:
    async with chromium.person("sam.reyes") as page:
        await page.locator("#person-menu summary").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.goto(f"{chromium.url}/console/jobs")
        await expect(page.locator(".cards button").first).to_be_visible()


async def test_every_time_says_its_zone(chromium: Chromium, olga: httpx2.Client, job: str) -> None:
    await until(lambda: olga.get(f"/v1/jobs/{job}").json()["status"] == "succeeded", otherwise="the job does not end")
    pages = (f"jobs/{job}", "jobs", "turns", "audit")
    async with window(chromium, EVERYTHING, "Olga Petrov", timezone_id="Europe/Berlin") as page:
        for path in pages:
            await page.goto(f"{chromium.url}/console/{path}")
            times = await page.locator("main time").all_inner_texts()
            assert times and all(re.search(r"GMT\+|CES?T", told) for told in times), (path, times[:5])
            if path == f"jobs/{job}":
                assert " UTC" not in await page.evaluate(UNTIMED), "two zones on one page"
        await page.goto(f"{chromium.url}/console/keys")
        await page.fill("#name", f"zones {uuid4().hex[:6]}")
        await page.fill("#reason", "the browser test")
        await page.get_by_role("button", name="Make a key").click()
        await expect(page.locator("#key")).to_be_visible()
        assert " UTC" not in await page.evaluate(UNTIMED)


async def test_the_page_that_is_open_is_seen_in_the_list_of_pages(chromium: Chromium) -> None:
    async with window(chromium, EVERYTHING, viewport={"width": 1280, "height": 600}) as page:
        await page.goto(f"{chromium.url}/console/settings")
        await expect(page.locator("#pages [aria-current]")).to_be_in_viewport(ratio=1)
        assert await page.evaluate("scrollY") == 0, "the page itself stays where it is"
    phone = {"width": 390, "height": 640}
    async with window(chromium, EVERYTHING, viewport=phone) as page:
        await page.goto(f"{chromium.url}/console/settings")
        await page.get_by_role("button", name="Pages").click()
        await expect(page.locator("#pages [aria-current]")).to_be_in_viewport(ratio=1)


async def test_a_region_made_anew_keeps_open_what_was_open_and_nothing_else(chromium: Chromium) -> None:
    first, second = (f"nobody.{uuid4().hex[:6]}" for _ in range(2))
    async with window(chromium, EVERYTHING, "Dana Weiss") as page, window(chromium, EVERYTHING, "Ina Kerr") as other:
        await erase(page, chromium.url, first)
        certificate = page.locator("tr", has_text=first).locator("details")
        await expect(certificate).to_contain_text("proven", timeout=PATIENCE_MS)
        await certificate.locator("summary").click()
        await erase(other, chromium.url, second)
        later = page.locator("tr", has_text=second).locator("details")
        await expect(later).to_contain_text("proven", timeout=PATIENCE_MS)
        await expect(certificate).to_have_attribute("open", "")
        assert await later.get_attribute("open") is None, "nobody has opened this one"


async def erase(page: Page, url: str, person: str) -> None:
    """Ask for an erasure."""
    await page.goto(f"{url}/console/people")
    await page.fill("#erase-person", person)
    await page.fill("#erase-confirm", person)
    await page.fill("#erase-reason", "they asked for it")
    await page.get_by_role("button", name="Erase", exact=True).click()
    await expect(page.locator("tr", has_text=person)).to_have_count(1)


async def test_a_turn_is_found_by_its_words_and_by_who_asked(chromium: Chromium, olga: httpx2.Client) -> None:
    mark = f"quokka{uuid4().hex[:6]}"
    olga.post("/v1/usecases/handbook/turns", json={"question": f"May I bring a {mark}?"}).raise_for_status()
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console/turns")
        await page.fill("#text", mark)
        await page.select_option("#usecase", "handbook")
        await page.get_by_role("button", name="Search").click()
        found = page.locator("table.turns tbody tr")
        await expect(found).to_have_count(1)
        await expect(found).to_contain_text(mark)
        await found.get_by_role("link", name=mark).click()
        await expect(page.locator("h1")).to_contain_text(mark)
        await page.go_back()
        await page.fill("#person", "sam.reyes")
        await page.get_by_role("button", name="Search").click()
        await expect(page.locator("main .empty")).to_contain_text("No turns that fit")
        await page.get_by_role("link", name="Clear").click()
        await expect(page.locator("#text")).to_have_value("")


async def test_jobs_are_filtered_above_their_list(chromium: Chromium, job: str) -> None:
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console/jobs")
        mine = page.locator(f"#jobs a[href='/console/jobs/{job}']")
        await expect(mine).to_be_visible()
        form, listed = page.get_by_role("form", name="Filter"), page.locator("#jobs")
        assert (await form.bounding_box())["y"] < (await listed.bounding_box())["y"]  # type: ignore[index]
        await form.locator("#kind").select_option("ingest")
        await form.get_by_role("button", name="Show").click()
        await expect(page.locator("#jobs tbody th a").first).to_have_text("ingest")
        kinds = await page.locator("#jobs tbody th a").all_inner_texts()
        assert set(kinds) == {"ingest"}
        await expect(mine).to_have_count(0)
        await expect(form.locator("#kind")).to_have_value("ingest")
        await page.get_by_role("link", name="Failed").click()
        await expect(form.locator("#kind")).to_have_value("ingest")


async def test_a_review_that_comes_in_appears_by_itself(chromium: Chromium, olga: httpx2.Client) -> None:
    mark = uuid4().hex[:6]
    async with window(chromium, REVIEWER, "Rae Winter") as page:
        await page.add_init_script(NO_CLOCK)
        await page.goto(f"{chromium.url}/console/reviews")
        await listening(page)
        olga.post("/v1/usecases/triage/turns", json={"question": f"The invoice {mark} is wrong."}).raise_for_status()
        await expect(page.locator("#queue article", has_text=mark)).to_be_visible(timeout=PATIENCE_MS)


async def test_what_changes_before_the_page_listens_is_seen_all_the_same(
    chromium: Chromium, olga: httpx2.Client
) -> None:
    mark = uuid4().hex[:6]

    async def late(route: Route) -> None:
        question = {"question": f"The invoice {mark} is wrong."}
        (await asyncio.to_thread(olga.post, "/v1/usecases/triage/turns", json=question)).raise_for_status()
        await route.continue_()

    async with window(chromium, REVIEWER, "Rae Winter") as page:
        await page.add_init_script(NO_CLOCK)
        await page.route("**/console/live*", late, times=1)
        await page.goto(f"{chromium.url}/console/reviews")
        await expect(page.locator("#queue article", has_text=mark)).to_be_visible(timeout=PATIENCE_MS)


async def test_a_rollout_that_somebody_moves_is_seen_by_others(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, "Ina Kerr") as watcher, window(chromium, OPERATOR, "Olga Petrov") as page:
        await watcher.add_init_script(NO_CLOCK)
        await watcher.goto(f"{chromium.url}/console/rollouts")
        await listening(watcher)
        stage = watcher.locator("tr", has=watcher.locator("a[href='/console/rollouts/slow']")).locator(".state").first
        await expect(stage).to_have_text("general")
        await page.goto(f"{chromium.url}/console/rollouts/slow")
        try:
            await start(page, "percent:10", "the browser test")
            await expect(stage).to_have_text("percent:10", timeout=PATIENCE_MS)
        finally:
            await start(page, "general", "the test is over")
        await expect(stage).to_have_text("general", timeout=PATIENCE_MS)


async def test_an_outcome_has_one_colour_in_every_drawing(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR) as page:
        await page.goto(f"{chromium.url}/console/switches")
        drawn = {family: await page.evaluate(COLOURS, family) for family in
                 ("answered", "refused", "escalated", "paused", "failed")}  # fmt: skip
    assert all(len(set(colours)) == 1 for colours in drawn.values()), drawn
    assert len({colours[0] for colours in drawn.values()}) == len(drawn), "and no two the same"


async def test_a_change_behind_a_form_that_is_filled_in_is_said_aloud(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, "Olga Petrov") as page, window(chromium, OPERATOR, "Ina Kerr") as other:
        await page.goto(f"{chromium.url}/console/switches")
        await listening(page)
        await page.locator("summary", has_text="Everything").first.click()
        await page.locator("details.act[open] [name=reason]").first.fill("half a sen")
        await other.goto(f"{chromium.url}/console/switches")
        slow = other.locator(".panel", has=other.get_by_role("heading", name="Slow", exact=True)).first
        try:
            await act(other, slow, "Pause", "something else changes", "Pause now")
            await expect(page.locator(".stale").first).to_be_visible(timeout=PATIENCE_MS)
            await expect(page.locator("#live-said")).to_contain_text("changed meanwhile")
        finally:
            await other.goto(f"{chromium.url}/console/switches")
            await act(other, slow, "Resume", "the test is over", "Resume now")
