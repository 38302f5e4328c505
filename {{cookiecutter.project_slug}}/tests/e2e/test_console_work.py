"""What people decide on the pages, in a real browser: drafts, cases, rollouts, jobs, receivers; and take back."""

import os
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from playwright.async_api import expect

from tests.e2e.test_browser import LEAVE, Chromium, chromium, url
from tests.e2e.test_console import act
from tests.e2e.test_webhooks import until
from tests.e2e.windows import window
from tests.fakes.receiver import Receiver

__all__ = ["chromium", "url"]
pytestmark = [
    pytest.mark.xdist_group("stack"),
    pytest.mark.skipif(bool(os.environ.get("BROWSER_URL")), reason="signs its own people in, with the tests' secret"),
]
PATIENCE_MS = 60_000
OPERATOR, REVIEWER = ("operators",), ("reviewers",)


@pytest.fixture(scope="module")
def olga(stack: Any, token: Any) -> Iterator[httpx2.Client]:
    """The HTTP door as somebody who asks what others decide on."""
    with httpx2.Client(
        base_url=stack.url, headers={"Authorization": f"Bearer {token('olga.petrov')}"}, timeout=60
    ) as opened:
        yield opened


@pytest.mark.proves("CTL-4", "REL-2")
async def test_a_reviewer_changes_a_draft_another_one_approves_it_and_takes_that_back(
    chromium: Chromium, olga: Any
) -> None:
    mark = uuid4().hex[:6]
    asked = olga.post("/v1/usecases/triage/turns", json={"question": f"The invoice {mark} names a wrong amount."})
    asked.raise_for_status()
    turn_id = asked.json()["turn_id"]
    async with window(chromium, REVIEWER, "Rae Winter") as page:
        await page.goto(f"{chromium.url}/console/reviews")
        waiting = page.locator("article.review", has_text=mark)
        await waiting.get_by_role("link", name=re.compile("Look and decide")).click()
        await page.get_by_role("button", name="Take it").click()
        await expect(page.get_by_role("button", name="Give it back")).to_be_visible()
        await page.fill("#text", "We look into it today.")
        await page.fill("#reason", "kinder")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.locator("article.review", has_text=mark)).to_contain_text("put forward by rae.winter")
        assert "We look into it today." not in olga.get(f"/v1/turns/{turn_id}").text, "nobody has cleared it"
    async with window(chromium, REVIEWER, "Ivo Brandt") as page:
        await page.goto(f"{chromium.url}/console/reviews")
        waiting = page.locator("article.review", has_text=mark)
        await waiting.get_by_role("link", name=re.compile("Look and decide")).click()
        await expect(page.locator("main")).to_contain_text("A second person, who did not write it")
        await page.fill("#reason", "it is kinder")
        await page.get_by_role("button", name="Approve").click()
        await page.goto(f"{chromium.url}/console/reviews?status=approved")
        decided = page.locator("article.review", has_text=mark)
        await expect(decided).to_contain_text("We look into it today.")
        assert "We look into it today." in olga.get(f"/v1/turns/{turn_id}").text, "who asked hears of it"
        await decided.get_by_role("link", name=re.compile("Look")).last.click()
        await act(page, page.locator("main"), "Take the decision back", "too soon", "Take it back")
        await page.goto(f"{chromium.url}/console/reviews")
        await expect(page.locator("article.review", has_text=mark)).to_be_visible()


async def test_a_review_is_taken_given_back_and_handed_out(chromium: Chromium, olga: Any) -> None:
    mark = uuid4().hex[:6]
    olga.post("/v1/usecases/triage/turns", json={"question": f"The invoice {mark} is late."}).raise_for_status()
    async with window(chromium, (*OPERATOR, *REVIEWER), "Rae Winter") as page:
        await page.goto(f"{chromium.url}/console/reviews")
        waiting = page.locator("article.review", has_text=mark)
        await waiting.get_by_role("link", name=re.compile("Look and decide")).click()
        await page.get_by_role("button", name="Take it").click()
        await page.get_by_role("button", name="Give it back").click()
        await expect(page.get_by_role("button", name="Take it")).to_be_visible()
        await page.locator("summary", has_text="Hand out").click()
        form = page.get_by_role("form", name="Hand out")
        await form.locator("#assigned-to").fill("hana.lind")
        await form.locator("#priority").select_option("1")
        await form.locator("[name=reason]").fill("she knows invoices")
        await form.get_by_role("button", name="Hand out").click()
        await expect(page.locator("main")).to_contain_text("hana.lind")
        await expect(page.locator("main")).to_contain_text("she knows invoices")


async def test_the_readers_of_a_document_are_changed_by_who_sent_it(chromium: Chromium, olga: Any) -> None:
    word = f"Numbat{uuid4().hex[:6]}"
    sent = olga.post(
        "/v1/documents",
        data={"usecase": "handbook", "title": word, "readers": "user:olga.petrov"},
        files={"file": ("numbat.md", f"# {word}\n\nThe {word} eats termites.".encode(), "text/markdown")},
    )
    assert sent.status_code == 202, sent.text
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await until(lambda: word in olga.get("/v1/documents").text, otherwise="it was not read")
        await page.goto(f"{chromium.url}/console/documents?text={word}")
        await page.locator("tr", has_text=word).get_by_role("link", name=re.compile("Change")).click()
        await page.fill("#readers", "user:olga.petrov, group:operators")
        await page.locator("main [name=reason]").first.fill("my colleagues ask for it")
        await page.get_by_role("button", name="Change the readers").click()
        await expect(page.locator(".banner.change")).to_contain_text("group:operators")


async def test_a_reviewer_does_not_decide_on_their_own_question(chromium: Chromium) -> None:
    mark = uuid4().hex[:6]
    async with window(chromium, REVIEWER, "Rae Winter") as page:
        await page.goto(f"{chromium.url}/")
        asked = """async ([path, question]) => (await fetch(path, { method: "POST", body: JSON.stringify({ question }),
            headers: { "Content-Type": "application/json" } })).status"""
        text = f"The invoice {mark} names a wrong amount."
        assert await page.evaluate(asked, ["/v1/usecases/triage/turns", text]) == 200
        await page.goto(f"{chromium.url}/console/reviews")
        mine = page.locator("article.review", has_text=mark)
        await expect(mine).to_contain_text("You asked for this yourself")
        await expect(mine.get_by_role("link", name=re.compile("decide"))).to_have_count(0)


@pytest.mark.proves("EVL-8")
async def test_a_correction_becomes_a_case_once_somebody_else_accepts_it(chromium: Chromium, olga: Any) -> None:
    right = f"It is 25 days, says {uuid4().hex[:6]}."
    turn_id = olga.post("/v1/usecases/handbook/turns", json={"question": LEAVE}).json()["turn_id"]
    said = olga.post(f"/v1/turns/{turn_id}/feedback", json={"thumbs": "down", "correction": right})
    assert said.is_success, said.text
    async with window(chromium, REVIEWER, "Rae Winter") as page:
        await page.goto(f"{chromium.url}/console/captured")
        proposed = page.locator("article.panel", has_text=right)
        await expect(proposed).to_be_visible()
        await act(page, proposed, "Accept", "it is so", "Accept now")
        await page.goto(f"{chromium.url}/console/captured?status=accepted")
        accepted = page.locator("article.panel", has_text=right)
        await expect(accepted).to_contain_text("accepted by rae.winter")
        await act(page, accepted, "Take it back", "look again", "Take it back now")
        await page.goto(f"{chromium.url}/console/captured")
        await act(page, page.locator("article.panel", has_text=right), "Reject", "nobody said so", "Reject now")
        await page.goto(f"{chromium.url}/console/captured?status=rejected")
        await expect(page.locator("article.panel", has_text=right)).to_contain_text("rejected by rae.winter")


@pytest.mark.proves("CTL-4")
async def test_a_draft_that_is_rejected_reaches_nobody(chromium: Chromium, olga: Any) -> None:
    mark = uuid4().hex[:6]
    asked = olga.post("/v1/usecases/triage/turns", json={"question": f"The invoice {mark} names a wrong amount."})
    async with window(chromium, REVIEWER, "Rae Winter") as page:
        await page.goto(f"{chromium.url}/console/reviews")
        waiting = page.locator("article.review", has_text=mark)
        await waiting.get_by_role("link", name=re.compile("Look and decide")).click()
        await page.fill("#text", f"Not for anybody {mark}.")
        await page.fill("#reason", "it is wrong")
        await page.get_by_role("button", name="Reject").click()
        await page.goto(f"{chromium.url}/console/reviews?status=rejected")
        await expect(page.locator("article.review", has_text=mark)).to_contain_text("rejected by rae.winter")
    story = olga.get(f"/v1/turns/{asked.json()['turn_id']}")
    assert "rejected" in story.text and f"Not for anybody {mark}" not in story.text


@pytest.mark.proves("CTL-2")
async def test_a_rollout_is_moved_by_steps_and_taken_back(chromium: Chromium) -> None:
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console/rollouts")
        await page.locator("main a[href='/console/rollouts/slow']").click()
        figures = page.locator("#standing .figures")
        stage = figures.locator("div", has_text="Stage").locator("dd").first
        try:
            await start(page, "percent:10", "a drill of the browser test")
            await expect(figures).to_contain_text("percent:10")
            told = page.locator(".banner.change")
            await expect(told).to_contain_text("by olga.petrov")
            await page.locator("main summary", has_text="Advance").click()
            await page.locator("details.act[open] [name=anyway]").check()
            await page.locator("details.act[open] [name=reason]").fill("a drill of the browser test")
            await page.get_by_role("button", name="Advance now").click()
            await expect(stage).not_to_have_text("percent:10")
            await expect(told).to_contain_text("at percent:10")
            await act(page, told, "Undo", "too soon", re.compile(".+"))
            await expect(stage).to_have_text("percent:10")
            await act(page, page.locator("main"), "Take back", "a drill of the browser test", "Take back now")
            await expect(stage).to_have_text("off")
            await start(page, "percent:10", "a drill of the browser test")
            await act(page, page.locator("main"), "Halt", "a drill of the browser test", "Halt now")
            await expect(page.locator("#standing .banner")).to_contain_text("Halted")
            await expect(figures).to_contain_text("off")
        finally:
            await start(page, "general", "the drill is over")
        await expect(figures).to_contain_text("general")
        await page.goto(f"{chromium.url}/console/audit?subject=rollout.slow")
        await expect(page.locator(".audit")).to_contain_text("a drill of the browser test")


async def start(page: Any, step: str, reason: str) -> None:
    """Start the rollout of the use case itself at a step."""
    form = page.get_by_role("form", name="Start a rollout")
    await form.locator("#candidate").select_option("")
    await form.locator("#step").select_option(step)
    await form.locator("[name=reason]").fill(reason)
    await form.get_by_role("button", name="Start").click()
    await page.wait_for_url("**/console/rollouts/slow?changed=1")


async def test_a_job_that_waits_is_cancelled_and_put_back(chromium: Chromium, olga: Any) -> None:
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        switches = f"{chromium.url}/console/switches"
        paused = page.locator(".panel", has=page.get_by_role("heading", name="Slow", exact=True)).first
        await page.goto(switches)
        await act(page, paused, "Pause", "so that a job waits", "Pause now")
        try:
            # Not before it is paused: the job would run.
            await expect(page.locator(".banner.change")).to_contain_text("on → off")
            job = olga.post("/v1/usecases/slow/jobs", json={"items": [{"question": "2 words, please"}]})
            assert job.status_code == 202, job.text
            job_id = job.json()["job_id"] if "job_id" in job.json() else job.json()["id"]
            await page.goto(f"{chromium.url}/console/jobs/{job_id}")
            await expect(page.locator("#job .state.big")).to_have_text("queued")
            await act(page, page.locator("main"), "Cancel", "a drill of the browser test", "Cancel now")
            told = page.locator(".banner.change")
            await expect(told).to_contain_text("cancelled")
            await act(page, told, "Undo", "the drill is over", re.compile("Put", re.IGNORECASE))
            await expect(told).to_contain_text("queued")
        finally:
            await page.goto(switches)
            await act(page, paused, "Resume", "the test is over", "Resume now")
        await page.goto(f"{chromium.url}/console/jobs/{job_id}")
        # It goes on by itself, and the page tells without a reload.
        await expect(page.locator("#job .state.big")).to_have_text("succeeded", timeout=PATIENCE_MS)


@pytest.mark.proves("REL-9")
async def test_a_job_that_failed_is_run_again_from_the_dead_letters(chromium: Chromium, olga: Any, stack: Any) -> None:
    job_id = olga.post("/v1/usecases/handbook/jobs", json={"items": [{"question": LEAVE}]}).json()["job_id"]
    await until(lambda: olga.get(f"/v1/jobs/{job_id}").json()["status"] == "succeeded", otherwise="it does not end")
    with psycopg.connect(stack.engines.database_url, autocommit=True) as connection:
        connection.execute("UPDATE jobs SET status = 'failed', error = 'a drill' WHERE id = %s", (job_id,))
    async with window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console/jobs?status=dead")
        letter = page.locator("#jobs tr", has=page.locator(f"a[href='/console/jobs/{job_id}']"))
        await expect(letter).to_contain_text("a drill")
        await act(page, letter, "Run again", "the drill is over", "Run again now")
        await expect(page.locator(".banner.change")).to_contain_text("failed → queued")
        await page.goto(f"{chromium.url}/console/jobs/{job_id}")
        await expect(page.locator("#job .state.big")).to_have_text("succeeded", timeout=PATIENCE_MS)


async def test_a_receiver_is_made_tried_changed_and_turned_off(chromium: Chromium, stack: Any) -> None:
    name = f"browser {uuid4().hex[:6]}"
    async with Receiver() as receiver, window(chromium, OPERATOR, "Olga Petrov") as page:
        await page.goto(f"{chromium.url}/console/webhooks")
        form = page.get_by_role("form", name="Make a receiver")
        await form.locator("#name").fill(name)
        await form.locator("#url").fill(receiver.url)
        await form.locator("[name=kinds][value='switch.flipped']").check()
        await form.locator("[name=reason]").fill("a drill of the browser test")
        await form.get_by_role("button", name="Make a receiver").click()
        await expect(page.locator("#secret")).to_contain_text("whsec_")
        await page.goto(f"{chromium.url}/console/webhooks")
        await page.get_by_role("link", name=name).click()
        await act(page, page.locator("main"), "New secret", "a drill of the browser test", "Make a new secret")
        await expect(page.locator("#secret")).to_contain_text("whsec_")
        hears = page.locator("details.act", has_text="What it hears")
        await hears.locator("summary").click()
        await hears.locator("[name=kinds][value='job.finished']").check()
        await hears.locator("[name=reason]").fill("jobs as well")
        await hears.get_by_role("button", name="Change now").click()
        await expect(page.locator("main")).to_contain_text("job.finished")
        await act(page, page.locator("main"), "Try it", "does it listen?", "Send an event")
        sent = page.locator("tr", has=page.locator("td .state.on", has_text="delivered")).first
        await expect(sent).to_be_visible(timeout=PATIENCE_MS)
        await act(page, sent, "Send again", "once more", "Send again now")
        await until(lambda: len(receiver.received) > 1, otherwise="it was not sent again")
        with psycopg.connect(stack.engines.database_url, autocommit=True) as connection:
            dead = (
                "UPDATE deliveries SET status = 'dead', ended_at = now() WHERE webhook_id = %s AND status = 'delivered'"
            )
            connection.execute(dead, (page.url.partition("?")[0].rsplit("/", 1)[-1],))
        await page.reload()
        before = len(receiver.received)
        again = page.locator("details.act", has_text="Send dead letters again")
        await act(
            page, page.locator("main"), "Send dead letters again", "it is there again", re.compile("^Send .+ again$")
        )
        await expect(again).to_have_count(0)
        await until(lambda: len(receiver.received) > before, otherwise="dead letters were not sent again")
        await act(page, page.locator("main"), "Turn off", "the drill is over", "Turn off now")
        told = page.locator(".banner.change")
        await expect(told).to_contain_text("by olga.petrov")
        await act(page, told, "Undo", "once more", "Turn it on again")
        await expect(page.locator("main .state.on").first).to_be_visible()
        await act(page, page.locator("main"), "Turn off", "the drill is over", "Turn off now")
        await expect(page.locator("main .state.off").first).to_be_visible()
