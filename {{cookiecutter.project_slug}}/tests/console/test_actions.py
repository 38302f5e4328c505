"""What the pages change: never without a reason, a permission, and a page of our own behind it."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx2
import pytest

from app.control.flags import switch_key
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Turn
from app.store import audit, ledger, reviews
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


@pytest.fixture
async def draft(service: Service) -> UUID:
    """A draft that hana.lind asked for; its turn is in the ledger, or nobody could tell who may read it."""
    asked = Turn(usecase=service.usecases["triage"], principal=Principal("hana.lind"), question="The invoice is wrong")
    await ledger.end(service.database, asked.with_(outcome=Outcome.ESCALATED_REVIEW), None)
    async with service.database.work() as work:
        return await reviews.open_(
            work,
            turn_id=asked.id,
            usecase="triage",
            asker="hana.lind",
            question="<i>The invoice</i> is wrong",
            draft={"text": "We look into it.", "data": {"category": "billing"}},
            why="a person decides",
        )


async def test_a_reviewer_approves_an_edited_draft(
    client: httpx2.AsyncClient, seen: Seen, service: Service, draft: UUID
) -> None:
    form = {
        "decision": "approve",
        "text": "We are sorry.\r\nBye.",
        "data": '{"category": "refund"}',
        "reason": "kinder",
    }
    page = (await client.get("/console/reviews", headers=seen("olga.petrov"))).text
    assert f"/console/reviews/{draft}" in page and "&lt;i&gt;The invoice" in page
    response = await client.post(f"/console/reviews/{draft}", data=form, headers=seen("olga.petrov"))
    assert response.status_code == 303
    row = (await audit_of(service, str(draft)))[0]
    assert (row["action"], row["reason"], row["actor"]) == ("review.approved", "kinder", "olga.petrov")
    decided = (await client.get("/console/reviews?status=approved", headers=seen("olga.petrov"))).text
    assert "We are sorry.\nBye." in decided and "refund" in decided


async def test_a_reviewer_rejects_a_draft(client: httpx2.AsyncClient, seen: Seen, draft: UUID) -> None:
    form = {"decision": "reject", "reason": "wrong team"}
    await client.post(f"/console/reviews/{draft}", data=form, headers=seen("olga.petrov"))
    again = await client.post(f"/console/reviews/{draft}", data=form, headers=seen("olga.petrov"))
    assert again.status_code == 409
    assert "wrong team" in (await client.get("/console/reviews?status=rejected", headers=seen("olga.petrov"))).text


async def test_nobody_decides_on_what_they_asked_for(client: httpx2.AsyncClient, seen: Seen, draft: UUID) -> None:
    form = {"decision": "approve", "reason": "looks good to me"}
    page = (await client.get("/console/reviews", headers=seen("hana.lind"))).text
    assert f"/console/reviews/{draft}" not in page and "somebody else decides" in page
    response = await client.post(f"/console/reviews/{draft}", data=form, headers=seen("hana.lind"))
    assert response.status_code == 403


@pytest.mark.parametrize(
    "form",
    [
        {"decision": "approve", "reason": ""},
        {"decision": "approve", "reason": "ok", "data": "{"},
        {"decision": "approve", "reason": "ok", "data": "[1]"},
        {"reason": "ok"},
    ],
)
async def test_a_decision_that_makes_no_sense_leaves_the_draft_open(
    client: httpx2.AsyncClient, seen: Seen, draft: UUID, form: dict[str, str]
) -> None:
    response = await client.post(f"/console/reviews/{draft}", data=form, headers=seen("olga.petrov"))
    assert response.status_code == 422
    assert f"/console/reviews/{draft}" in (await client.get("/console/reviews", headers=seen("olga.petrov"))).text


async def test_a_decision_from_another_site_is_refused(client: httpx2.AsyncClient, seen: Seen, draft: UUID) -> None:
    headers = {**seen("olga.petrov"), "Origin": "http://evil.example"}
    form = {"decision": "approve", "reason": "ok"}
    assert (await client.post(f"/console/reviews/{draft}", data=form, headers=headers)).status_code == 403
