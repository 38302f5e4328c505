"""The page of switches: two clicks and a reason, for a while or until somebody acts; history, undo, other flags."""

from collections.abc import AsyncIterator, Callable

import httpx2
import pytest

from app.control.flags import switch_definition
from app.domain.switch import switch_key
from app.wiring.service import Service
from tests.console.conftest import Seen

PAGE = "/console/switches"
Text = Callable[..., str]


async def turn(client: httpx2.AsyncClient, who: dict[str, str], **form: str) -> httpx2.Response:
    return await client.post(PAGE, data={"subject": "forms", "reason": "a test of the page", **form}, headers=who)


@pytest.fixture
async def resumed(service: Service) -> AsyncIterator[None]:
    """Whatever the test does, everything is on again after it."""
    yield
    for subject in list(service.flags.off):
        await service.flags.flip(subject, enabled=True, by="tests", because="the test is over")


@pytest.mark.usefixtures("resumed")
@pytest.mark.proves("CTL-1")
async def test_a_switch_is_turned_for_a_while_and_the_page_says_until_when_and_offers_the_way_back(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    response = await turn(client, seen("olga.petrov"), to="off", minutes="30")
    assert (response.status_code, response.headers["location"]) == (303, f"{PAGE}?changed=forms")
    off = service.flags.off["forms"]
    assert off.until is not None and off.because == "a test of the page"
    page = (await client.get(response.headers["location"], headers=seen("olga.petrov"))).text
    assert off.until.isoformat() in page and "Undo" in page and "a test of the page" in page
    row = next(row for row in service.flags.rows if row["key"] == switch_key("forms"))
    back = {"key": row["key"], "version": str(row["version"]), "reason": "it was the wrong one"}
    undone = await client.post(f"{PAGE}/undo", data=back, headers=seen("olga.petrov"))
    assert undone.status_code == 303 and not service.flags.why_paused("forms")
    assert (await client.post(f"{PAGE}/undo", data=back, headers=seen("olga.petrov"))).status_code == 409


@pytest.mark.usefixtures("resumed")
async def test_the_page_shows_an_end_that_came_later_and_undo_gives_back_the_one_before(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    operator = seen("olga.petrov")
    await turn(client, operator, to="off")
    await turn(client, operator, to="off", minutes="30")
    first = service.flags.off["forms"].until
    assert first is not None and first.isoformat() in (await client.get(PAGE, headers=operator)).text
    await turn(client, operator, to="off", minutes="90")
    assert service.flags.off["forms"].until != first
    row = next(row for row in service.flags.rows if row["key"] == switch_key("forms"))
    back = {"key": row["key"], "version": str(row["version"]), "reason": "half an hour will do"}
    assert (await client.post(f"{PAGE}/undo", data=back, headers=operator)).status_code == 303
    assert first.isoformat() in (await client.get(PAGE, headers=operator)).text


@pytest.mark.usefixtures("resumed")
@pytest.mark.parametrize("subject", ["group:sales", "provider:openai", "tool:look_up_order"])
async def test_what_has_no_switch_yet_is_chosen_from_a_list(
    client: httpx2.AsyncClient, seen: Seen, service: Service, subject: str
) -> None:
    response = await turn(client, seen("olga.petrov"), subject=subject, to="off", minutes="")
    assert response.status_code == 303 and subject in service.flags.off
    page = (await client.get(PAGE, headers=seen("olga.petrov"))).text
    assert f'name="subject" value="{subject}"' in page, "now it has a panel of its own"
    assert f'<option value="{subject}"' not in page


@pytest.mark.parametrize(
    "form", [{"minutes": "0", "to": "off"}, {"minutes": "soon", "to": "off"}, {"to": "off", "subject": "group:moon"}]
)
async def test_a_form_that_makes_no_sense_turns_nothing(
    client: httpx2.AsyncClient, seen: Seen, service: Service, form: dict[str, str]
) -> None:
    assert (await turn(client, seen("olga.petrov"), **form)).status_code == 422
    assert not service.flags.off


@pytest.mark.usefixtures("resumed")
async def test_the_history_of_a_flag_is_a_page_with_every_version(client: httpx2.AsyncClient, seen: Seen) -> None:
    await turn(client, seen("olga.petrov"), to="off")
    page = await client.get(f"{PAGE}/history", params={"key": switch_key("forms")}, headers=seen("olga.petrov"))
    assert page.status_code == 200 and "a test of the page" in page.text and "on → off" in page.text
    missing = await client.get(f"{PAGE}/history", params={"key": "moon"}, headers=seen("olga.petrov"))
    assert missing.status_code == 404
    assert (await client.get(PAGE, headers=seen("sam.reyes"))).status_code == 403
    assert (await turn(client, seen("sam.reyes"), to="off")).status_code == 403


async def test_other_flags_are_shown_with_owner_and_day_of_review(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    from datetime import date

    how = {"owner": "ada.lovelace", "expires_on": date(2020, 1, 1), "definition": switch_definition(enabled=True)}
    await service.flags.define("page.test", **how)
    page = (await client.get(PAGE, headers=seen("olga.petrov"))).text
    assert "page.test" in page and "ada.lovelace" in page and "past" in page
    assert "page.test" in str((await client.get("/health/ready")).json()["notes"])
    metrics = (await client.get("/metrics")).text
    assert "flags_expired 1.0" in metrics
    await service.flags.review("page.test", date(2099, 1, 1), by="tests", because="the test is over")
    change = {"key": "page.test", "to": "off", "reason": "a test of the page"}
    changed = await client.post(f"{PAGE}/variant", data=change, headers=seen("olga.petrov"))
    assert changed.status_code == 303 and not service.flags.is_on("page.test", default=True)
    for wrong in ({"to": "purple"}, {"reason": ""}, {"key": "moon"}):
        refused = await client.post(f"{PAGE}/variant", data={**change, **wrong}, headers=seen("olga.petrov"))
        assert refused.status_code in (404, 422)


@pytest.mark.usefixtures("resumed")
async def test_everybody_reads_on_every_page_that_the_ai_is_off(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    await turn(client, seen("olga.petrov"), subject="unit:Support", to="off")
    await turn(client, seen("olga.petrov"), subject="tool:look_up_order", to="off")
    pages = {who: (await client.get("/console/turns", headers=seen(who))).text for who in ("olga.petrov", "hana.lind")}
    assert "The tool look_up_order is turned off." in pages["olga.petrov"]
    assert "Some answers come without the tool look_up_order." in pages["hana.lind"]
    told = "The AI is paused for the business unit Support."
    assert told in (await client.get("/console/jobs", headers=seen("olga.petrov"))).text
    assert told not in (await client.get("/console/reviews", headers=seen("hana.lind"))).text
    metrics = (await client.get("/metrics")).text
    assert 'switch_off{subject="unit:Support"} 1.0' in metrics
