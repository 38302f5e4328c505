"""The pages of receivers: made there, changed, tried, sent to again; each change asks why and has a way back."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.store import audit
from tests.console.conftest import Seen
from tests.listening import Listening

pytestmark = pytest.mark.proves("OPS-1")
PAGE = "/console/webhooks"
SECRET = re.compile(r"whsec_[\w+/=]{44}")
Door = Any


@pytest.fixture
def olga(seen: Seen) -> dict[str, str]:
    return seen("olga.petrov")


async def made(client: Door, olga: dict[str, str], listening: Listening, **more: Any) -> tuple[UUID, str, str]:
    """Make a receiver on the page; gives its id, its name and what the page showed."""
    name = f"page {uuid4().hex[:8]}"
    form = {"name": name, "url": listening.receiver.url, "kinds": ["job.finished", "switch.flipped"]}
    shown = await client.post(PAGE, data={**form, "usecases": "", "reason": "a test", **more}, headers=olga)
    rows = await listening.service.webhooks.listed(listening.who)
    found = next((row for row in rows if row["name"] == name), None)
    assert shown.status_code == 200 and found, shown.text
    return found["id"], name, str(shown.text)


async def off(listening: Listening, id: UUID) -> None:
    await listening.service.webhooks.change(listening.who, id, enabled=False, because="the test is over")


async def test_a_receiver_is_made_and_its_secret_is_on_the_page_this_once(
    client: Door, olga: dict[str, str], listening: Listening
) -> None:
    id, name, shown = await made(client, olga, listening, usecases="handbook, triage")
    found = SECRET.search(shown)
    assert found and name in shown
    for path in (PAGE, f"{PAGE}/{id}"):
        page = await client.get(path, headers=olga)
        assert page.status_code == 200 and name in page.text and found[0] not in page.text
    overview = (await client.get(PAGE, headers=olga)).text
    assert "of handbook, triage" in overview and "<code>before</code>" in overview and "`" not in overview
    await off(listening, id)


async def test_turning_it_off_shows_before_and_after_and_the_way_back(
    client: Door, olga: dict[str, str], listening: Listening
) -> None:
    id, _, _ = await made(client, olga, listening)
    turned = await client.post(f"{PAGE}/{id}/turn", data={"to": "off", "reason": "too loud"}, headers=olga)
    assert turned.status_code == 303
    page = await client.get(turned.headers["location"], headers=olga)
    assert "too loud" in page.text and "Turn it on again" in page.text
    undone = await client.post(f"{PAGE}/{id}/turn", data={"to": "on", "reason": "undone"}, headers=olga)
    assert undone.status_code == 303
    assert (await listening.service.webhooks.one(listening.who, id))["enabled"]
    await off(listening, id)


async def test_what_it_hears_is_changed_and_changed_back(
    client: Door, olga: dict[str, str], listening: Listening
) -> None:
    id, _, _ = await made(client, olga, listening)
    form = {"kinds": ["incident.opened"], "usecases": "handbook", "reason": "fewer"}
    changed = await client.post(f"{PAGE}/{id}/listens", data=form, headers=olga)
    page = await client.get(changed.headers["location"], headers=olga)
    assert "incident.opened of handbook" in page.text and "Tell it as before" in page.text
    fields = dict(re.findall(r'<input type="hidden" name="(kinds|usecases)" value="([^"]*)"', page.text))
    assert fields == {"kinds": "job.finished,switch.flipped", "usecases": ""}
    await client.post(f"{PAGE}/{id}/listens", data={**fields, "reason": "undone"}, headers=olga)
    row = await listening.service.webhooks.one(listening.who, id)
    assert (row["kinds"], row["usecases"]) == (["job.finished", "switch.flipped"], None)
    refused = await client.post(f"{PAGE}/{id}/listens", data={"kinds": [], "reason": "none"}, headers=olga)
    assert refused.status_code == 422 and "there are: answer.given" in refused.text
    await off(listening, id)


async def test_it_is_tried_and_a_dead_letter_is_sent_again(
    client: Door, olga: dict[str, str], listening: Listening
) -> None:
    id, _, _ = await made(client, olga, listening)
    assert (await client.post(f"{PAGE}/{id}/test", data={"reason": "is it there?"}, headers=olga)).status_code == 303
    async with listening.service.database.work() as work:
        dead = "UPDATE deliveries SET status = 'dead', ended_at = now(), last_error = 'HTTP 500' WHERE webhook_id = :id"
        await work.sql(dead, id=id)
    page = await client.get(f"{PAGE}/{id}?status=dead", headers=olga)
    assert "webhook.tested" in page.text and "HTTP 500" in page.text and "Send 1 again" in page.text
    again = await client.post(f"{PAGE}/{id}/replay", data={"event_id": "", "reason": "it is back"}, headers=olga)
    assert "1 sent again" in (await client.get(again.headers["location"], headers=olga)).text
    await listening.send()
    assert [event["type"] for event in listening.receiver.events] == ["webhook.tested"]
    await off(listening, id)


async def test_a_new_secret_is_on_the_page_this_once(client: Door, olga: dict[str, str], listening: Listening) -> None:
    id, _, first = await made(client, olga, listening)
    shown = await client.post(f"{PAGE}/{id}/secret", data={"overlap_hours": "1", "reason": "leaked"}, headers=olga)
    new, old = SECRET.search(shown.text), SECRET.search(first)
    assert new and old and new[0] != old[0] and "Former secret signs until" in shown.text
    async with listening.service.database.work() as work:
        noted = (await audit.history(work, subject=str(id), limit=1))[0]
    assert (noted["action"], noted["reason"]) == ("webhook.rotated", "leaked")
    await off(listening, id)


async def test_what_is_refused_is_told_and_what_was_written_stays(
    client: Door, olga: dict[str, str], listening: Listening
) -> None:
    form = {"name": "<b>mine</b>", "url": "http://169.254.169.254/", "kinds": ["job.finished"], "reason": "a test"}
    page = await client.post(PAGE, data=form, headers=olga)
    assert page.status_code == 422 and "never allowed" in page.text
    assert "&lt;b&gt;mine" in page.text and "<b>mine" not in page.text


async def test_others_are_shown_nothing(client: Door, seen: Seen) -> None:
    for person in ("sam.reyes", "hana.lind", "dana.weiss"):
        assert (await client.get(PAGE, headers=seen(person))).status_code == 403
