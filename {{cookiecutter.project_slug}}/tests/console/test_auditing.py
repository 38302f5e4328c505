"""The pages about the audit and about incidents."""

from uuid import uuid4

import httpx2
import pytest

from app.store import audit, incidents
from app.store.incidents import Incident
from app.wiring.service import Service
from tests.console.conftest import Seen


async def test_the_audit_is_searched_on_its_page_and_shows_before_and_after(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    subject = f"thing-{uuid4().hex[:8]}"
    async with service.database.work() as work:
        for place in range(51):
            about = {"before": {"state": "calm"}, "after": {"state": f"<b>{place}"}}
            await audit.note(work, actor="olga.petrov", action="probe", subject=subject, reason="<i>why", **about)
    olga = seen("olga.petrov")
    text = (await client.get("/console/audit", params={"subject": subject, "since": ""}, headers=olga)).text
    assert "&lt;i&gt;why" in text and "calm" in text and "<b>" not in text and "Older" in text
    older = text.split('href="?')[-1].split('">Older')[0].replace("&amp;", "&")
    rest = (await client.get(f"/console/audit?{older}", headers=olga)).text
    assert "&lt;b&gt;0" in rest and "Older" not in rest
    none = (await client.get("/console/audit?actor=nobody-at-all", headers=olga)).text
    assert "Nothing like that" in none
    assert (await client.get("/console/audit?since=yesterday", headers=olga)).status_code == 422
    assert (await client.get("/console/audit", headers=seen("sam.reyes"))).status_code == 403


@pytest.mark.proves("SEC-10")
async def test_an_incident_is_closed_on_its_page_with_a_reason(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    turn_id = uuid4()
    async with service.database.work() as work:
        await incidents.open_(work, [Incident("leak", turn_id, "handbook", "sam.reyes", "api", "it told")])
        (row,) = [each for each in await incidents.listed(work) if each["turn_id"] == turn_id]
    hana, url = seen("hana.lind"), f"/console/incidents/{row['id']}"
    assert str(row["id"]) in (await client.get("/console/incidents", headers=hana)).text
    assert (await client.get("/console/incidents", headers=seen("sam.reyes"))).status_code == 403
    assert (await client.post(f"{url}/close", data={"reason": ""}, headers=hana)).status_code == 422
    foreign = {**hana, "Origin": "https://evil.example"}
    assert (await client.post(f"{url}/close", data={"reason": "x"}, headers=foreign)).status_code == 403
    done = await client.post(f"{url}/close", data={"reason": "a test of ours"}, headers=hana)
    there = f"/console/incidents?status=closed&changed={row['id']}"
    assert (done.status_code, done.headers["location"]) == (303, there)
    assert str(row["id"]) not in (await client.get("/console/incidents", headers=hana)).text
    shown = (await client.get(there, headers=hana)).text
    assert "a test of ours" in shown and "Open it again" in shown and f"{url}/reopen" in shown


async def test_a_closed_incident_is_opened_again_and_the_audit_has_both(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    turn_id = uuid4()
    async with service.database.work() as work:
        await incidents.open_(work, [Incident("leak", turn_id, "handbook", "sam.reyes", "api", "it told")])
        (row,) = [each for each in await incidents.listed(work) if each["turn_id"] == turn_id]
    hana, url = seen("hana.lind"), f"/console/incidents/{row['id']}"
    assert (await client.post(f"{url}/reopen", data={"reason": "too soon"}, headers=hana)).status_code == 409
    await client.post(f"{url}/close", data={"reason": "seemed harmless"}, headers=hana)
    assert (await client.post(f"{url}/reopen", data={"reason": " "}, headers=hana)).status_code == 422
    done = await client.post(f"{url}/reopen", data={"reason": "it was not"}, headers=hana)
    assert done.headers["location"] == f"/console/incidents?changed={row['id']}"
    shown = (await client.get(done.headers["location"], headers=hana)).text
    assert "it was not" in shown and f"{url}/close" in shown
    async with service.database.work() as work:
        entries = await audit.history(work, subject=str(row["id"]))
    assert [entry["action"] for entry in entries] == ["incident.reopened", "incident.closed"]
    assert entries[0]["before"]["note"] == "seemed harmless"
    assert (await client.post(f"{url}/close", data={"reason": "now it is"}, headers=hana)).status_code == 303


async def test_nobody_is_offered_to_close_what_became_of_their_own_question(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    turn_id = uuid4()
    async with service.database.work() as work:
        await incidents.open_(work, [Incident("leak", turn_id, "handbook", "hana.lind", "api", "it told")])
        (row,) = [each for each in await incidents.listed(work) if each["turn_id"] == turn_id]
    close = f'action="/console/incidents/{row["id"]}/close"'
    own, other = [
        (await client.get("/console/incidents", headers=seen(who))).text for who in ("hana.lind", "olga.petrov")
    ]
    assert close not in own and "Another reviewer closes what became of your own question." in own
    assert close in other
