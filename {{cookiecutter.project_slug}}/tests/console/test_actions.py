"""What the pages change: never without a reason, a permission, and a page of our own behind it."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from app.domain.switch import switch_key
from app.store import audit
from app.wiring.service import Service
from tests.console.conftest import Seen

SWITCH = "/console/switches"
OFF = {"subject": "handbook", "to": "off", "reason": "it quotes an old price list"}


async def audit_of(service: Service, subject: str) -> list[dict[str, object]]:
    async with service.database.work() as work:
        return await audit.history(work, subject=subject)


@pytest.fixture
async def resumed(service: Service) -> AsyncIterator[None]:
    """Whatever the test does, the handbook is on again after it."""
    yield
    if service.flags.why_paused("handbook"):
        await service.flags.flip("handbook", enabled=True, by="tests", because="the test is over")


@pytest.mark.usefixtures("resumed")
async def test_the_reason_reaches_the_audit_and_the_switch_the_next_turn(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    response = await client.post(SWITCH, data=OFF, headers=seen("olga.petrov"))
    assert (response.status_code, response.headers["location"]) == (303, f"{SWITCH}?changed=handbook")
    row = (await audit_of(service, switch_key("handbook")))[0]
    assert (row["actor"], row["reason"]) == ("olga.petrov", OFF["reason"])
    refused = await client.post("/v1/usecases/handbook/turns", json={"question": "Leave?"}, headers=seen("sam.reyes"))
    assert (refused.status_code, refused.json()["outcome"]) == (503, "paused_switch")
    page = (await client.get(response.headers["location"], headers=seen("olga.petrov"))).text
    assert OFF["reason"] in page and "→" in page


@pytest.mark.parametrize("reason", ["", "   "])
async def test_a_switch_is_not_turned_without_a_reason(
    client: httpx2.AsyncClient, seen: Seen, service: Service, reason: str
) -> None:
    response = await client.post(SWITCH, data={**OFF, "reason": reason}, headers=seen("olga.petrov"))
    assert response.status_code == 422
    assert "Say why" in response.text
    assert not service.flags.why_paused("handbook")


@pytest.mark.parametrize(
    "form",
    [
        {**OFF, "reason": "x" * 501},
        {**OFF, "reason": "a\x00b"},
        {**OFF, "to": "maybe"},
        {**OFF, "subject": "moon"},
        {**OFF, "extra": "1"},
    ],
)
async def test_a_form_that_makes_no_sense_changes_nothing(
    client: httpx2.AsyncClient, seen: Seen, service: Service, form: dict[str, str]
) -> None:
    response = await client.post(SWITCH, data=form, headers=seen("olga.petrov"))
    assert response.status_code == 422
    assert response.headers["content-type"].startswith("text/html")
    assert not service.flags.why_paused("handbook")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://test:81", None])
async def test_another_site_cannot_turn_a_switch(
    client: httpx2.AsyncClient, seen: Seen, service: Service, origin: str | None
) -> None:
    headers = {name: value for name, value in {**seen("olga.petrov"), "Origin": origin}.items() if value}
    response = await client.post(SWITCH, data=OFF, headers=headers)
    assert response.status_code == 403
    assert not service.flags.why_paused("handbook")


async def test_a_stranger_and_a_person_without_permission_change_nothing(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    assert (await client.post(SWITCH, data=OFF, headers={"Origin": "http://test"})).status_code == 401
    assert (await client.post(SWITCH, data=OFF, headers=seen("hana.lind"))).status_code == 403
    assert not service.flags.why_paused("handbook")
