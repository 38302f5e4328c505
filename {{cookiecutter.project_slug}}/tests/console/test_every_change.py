"""Every change that the console offers asks why, shows before and after, and is undone or says that it cannot be."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi.routing import APIRoute

from app.api.permissions import flat, need_of
from app.console import pages as console
from app.control.development import DevelopmentIssuer
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.review import Terms
from app.domain.switch import switch_key
from app.domain.turn import Turn
from app.store import audit, incidents, ledger, reviews
from app.store import jobs as job_table
from app.store.incidents import Incident
from app.store.jobs import Order
from app.work import capture
from ops.local.engines import Engines
from tests.accounts import Office, bearer, office
from tests.api.papers import Papers
from tests.conftest import MORE, SECRET, copied

pytestmark = pytest.mark.proves("OPS-1", "CTL-1")
OLGA, HANA, DANA, SAM = "olga.petrov", "hana.lind", "dana.weiss", "sam.reyes"
AUDITOR = "ada.moss"
Form = dict[str, str]


@dataclass(frozen=True)
class Sent:
    """A form as somebody sends it: the page that it stands on, where it goes, what it says."""

    page: str
    address: str
    form: Form
    person: str = OLGA


@dataclass
class House:
    """A service of its own, whose people are known by their cookie."""

    office: Office

    def seen(self, person: str) -> dict[str, str]:
        """Give the headers of a browser in which this person is signed in."""
        return {"Cookie": f"identity={self.token(person)}", "Origin": "http://test"}

    def token(self, person: str) -> str:
        """Give a person's token."""
        return DevelopmentIssuer(SECRET, self.office.service.settings.config("people")).token(person)

    async def get(self, address: str, person: str) -> str:
        """Open a page."""
        response = await self.office.door.get(address, headers=self.seen(person))
        assert response.status_code == 200, response.text
        return response.text

    async def send(self, sent: Sent, because: str) -> httpx2.Response:
        """Send a form with this reason."""
        form = {**sent.form, "reason": because}
        return await self.office.door.post(sent.address, data=form, headers=self.seen(sent.person))

    async def entries(self, person: str) -> int:
        """Count what a person did, as the audit has it."""
        async with self.office.service.database.work() as work:
            return len(await audit.found(work, audit.Wanted(actor=person), limit=1000))

    async def turn(self, usecase: str, person: str) -> UUID:
        """Put a turn in the ledger; gives its id."""
        service = self.office.service
        asked = Turn(usecase=service.usecases[usecase], principal=Principal(person), question="The invoice is wrong")
        await ledger.end(service.database, asked.with_(outcome=Outcome.ESCALATED_REVIEW), None)
        return asked.id


@pytest.fixture(scope="module")
async def house(
    engines: Engines, database_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    people = f'["{AUDITOR}"]\nname = "Ada Moss"\ngroups = ["auditors"]'
    more = {"flags.toml": MORE["flags.toml"], "people.toml": people}
    with copied(engines, database_template) as url:
        async with office(url, redis_url, tmp_path_factory.mktemp("house"), more=more) as made:
            yield House(made)


async def switch(house: House) -> Sent:
    return Sent("/console/switches", "/console/switches", {"subject": "handbook", "to": "off"})


async def another_switch(house: House) -> Sent:
    subject = next(each for each in await house.office.service.flags.subjects() if each.startswith("unit:"))
    return Sent("/console/switches", "/console/switches", {"subject": subject, "to": "off"})


async def variant(house: House) -> Sent:
    page = "/console/switches/history?key=greeting"
    return Sent(page, "/console/switches/variant", {"key": "greeting", "to": "long"})


async def undone_switch(house: House) -> Sent:
    flags = house.office.service.flags
    await flags.flip("triage", enabled=False, by="tests", because="a test")
    row = next(row for row in flags.rows if row["key"] == switch_key("triage"))
    form = {"key": row["key"], "version": str(row["version"])}
    return Sent(f"/console/switches/history?key={row['key']}", "/console/switches/undo", form)


async def rollout(house: House) -> Sent:
    page = "/console/rollouts/handbook"
    return Sent(page, page, {"action": "start", "candidate": "", "step": "percent:100"})


async def key(house: House) -> Sent:
    return Sent("/console/keys", "/console/keys", {"name": "a test", "account": "crm", "usecases": "handbook"})


async def _key(house: House, what: str) -> Sent:
    made = await house.office.make(bearer(house.token(OLGA)), usecases=["handbook"])
    return Sent("/console/keys", "/console/keys/change", {"key_id": made["id"], "what": what})


async def rotated_key(house: House) -> Sent:
    return await _key(house, "rotate")


async def revoked_key(house: House) -> Sent:
    return await _key(house, "revoke")


async def restriction(house: House) -> Sent:
    page = "/console/restrictions"
    return Sent(page, page, {"subject": f"user:{uuid4().hex[:8]}", "what": "ask", "minutes": "9"})


async def lifted(house: House) -> Sent:
    limiting, subject = house.office.service.limiting, f"user:{uuid4().hex[:8]}"
    await limiting.restrictions.restrict(subject, what="ask", minutes=9, by="tests", because="a test")
    text = await house.get("/console/restrictions", OLGA)
    _, _, after = text.partition(f'<th scope="row">{subject}')
    (address, *_) = re.findall(r'action="(/console/restrictions/[^"]+)"', after)
    return Sent("/console/restrictions", address, {})


async def hold(house: House) -> Sent:
    form = {"person": "priya.nair", "told": "a court asked"}
    return Sent("/console/people", "/console/people/hold", form, DANA)


async def released_hold(house: House) -> Sent:
    placed = await house.send(await hold(house), "a test")
    id = placed.headers["location"].partition("changed=")[2]
    return Sent("/console/people", f"/console/people/holds/{id}", {}, DANA)


async def erased(house: House) -> Sent:
    form = {"person": "erin.holt", "confirm": "erin.holt"}
    return Sent("/console/people", "/console/people/erase", form, DANA)


async def _incident(house: House, *, closed: bool = False) -> Sent:
    service, turn_id = house.office.service, uuid4()
    async with service.database.work() as work:
        await incidents.open_(work, [Incident("leak", turn_id, "handbook", SAM, "api", "it told")])
        (row,) = [each for each in await incidents.listed(work) if each["turn_id"] == turn_id]
        if closed:
            await incidents.close(work, row["id"], by="tests", because="a test")
    page = f"/console/incidents?status={'closed' if closed else 'open'}"
    return Sent(page, f"/console/incidents/{row['id']}/{'reopen' if closed else 'close'}", {}, HANA)


async def closed_incident(house: House) -> Sent:
    return await _incident(house)


async def reopened_incident(house: House) -> Sent:
    return await _incident(house, closed=True)


async def _job(house: House) -> str:
    what = {"items": [{"question": "How many days?", "fields": {}}], "unit": ""}
    return str(await house.office.service.jobs.submit(Order("turns", "handbook", OLGA, ("operators",), what, total=1)))


async def cancelled_job(house: House) -> Sent:
    return Sent("/console/jobs", "/console/jobs", {"job_id": await _job(house), "what": "cancel"})


async def stopped_job(house: House) -> Sent:
    sent = await cancelled_job(house)
    async with house.office.service.database.work() as work:
        assert await job_table.claim(work, UUID(sent.form["job_id"]), lease_s=600)
    return sent


async def document(house: House) -> Sent:
    papers = Papers(house.office.service, house.office.door, bearer(house.token(SAM)))
    id = await papers.send(f"Whales {uuid4().hex[:6]}", "# Whales\n\nThey are long.\n", [f"user:{SAM}"])
    page = f"/console/documents/{id}"
    return Sent(page, page, {"readers": f"user:{SAM}, group:sales"}, SAM)


async def _case(house: House) -> str:
    asked = await house.office.door.post(
        "/v1/usecases/handbook/turns", json={"question": "How many days?"}, headers=bearer(house.token(SAM))
    )
    turn_id = UUID(asked.json()["turn_id"])
    async with house.office.service.database.work() as work:
        return str(await capture.propose(work, turn_id, kind="correction", expected="It is 26 days.", by=SAM))


async def accepted(house: House) -> Sent:
    address = f"/console/captured/{await _case(house)}"
    return Sent("/console/captured", address, {"status": "accepted", "expected": "It is 26 days."}, HANA)


async def taken_back(house: House) -> Sent:
    sent = await accepted(house)
    await house.send(sent, "a test")
    return Sent("/console/captured?status=accepted", sent.address, {"status": "proposed"}, HANA)


async def _review(house: House, *, uses: Sequence[Mapping[str, Any]] = ()) -> str:
    turn_id = await house.turn("triage", SAM)
    opening = {"question": "The invoice is wrong", "why": "a person decides", "text": "We look.", "data": {}}
    made = reviews.Opening(turn_id=turn_id, usecase="triage", asker=SAM, **opening, terms=Terms("advise", 1))  # type: ignore[arg-type]
    async with house.office.service.database.work() as work:
        id = await reviews.open_(work, made)
        await reviews.propose(work, id, reviews.Proposed(uses))
    return f"/console/reviews/{id}"


async def decision(house: House) -> Sent:
    page = await _review(house)
    return Sent(page, page, {"decision": "reject"})


async def approved_tool(house: House) -> Sent:
    page = await _review(house, uses=[{"tool": "refund", "arguments": {"order": "A-1"}}])
    return Sent(page, page, {"decision": "approve"})


async def assignment(house: House) -> Sent:
    page = await _review(house)
    return Sent(page, f"{page}/assign", {"assigned_to": "erin.holt", "priority": "2", "hours": "3"})


async def reopened(house: House) -> Sent:
    sent = await decision(house)
    await house.send(sent, "a test")
    return Sent(sent.page, f"{sent.page}/reopen", {})


async def receiver(house: House) -> Sent:
    form = {"name": f"page {uuid4().hex[:8]}", "url": "http://127.0.0.1:9/events", "kinds": "job.finished"}
    return Sent("/console/webhooks", "/console/webhooks", {**form, "usecases": ""})


async def _receiver(house: House, path: str, form: Form) -> Sent:
    text = (await house.send(await receiver(house), "a test")).text
    (page,) = set(re.findall(r'action="(/console/webhooks/[0-9a-f-]{36})/test"', text))
    return Sent(page, f"{page}/{path}", form)


async def turned_receiver(house: House) -> Sent:
    return await _receiver(house, "turn", {"to": "off"})


async def told_receiver(house: House) -> Sent:
    return await _receiver(house, "listens", {"kinds": "incident.opened", "usecases": ""})


async def new_secret(house: House) -> Sent:
    return await _receiver(house, "secret", {"overlap_hours": "1"})


async def tried_receiver(house: House) -> Sent:
    return await _receiver(house, "test", {})


async def sent_again(house: House) -> Sent:
    sent = await _receiver(house, "test", {})
    await house.send(sent, "a test")
    async with house.office.service.database.work() as work:
        dead = "UPDATE deliveries SET status = 'dead', ended_at = now() WHERE webhook_id = :id"
        await work.sql(dead, id=sent.page.rpartition("/")[2])
    return Sent(sent.page, f"{sent.page}/replay", {"event_id": ""})


Prepare = Callable[[House], Awaitable[Sent]]
# What the page takes back with one more form. What brings something new shows no before.
UNDONE: Mapping[str, tuple[Prepare, ...]] = {
    "/console/switches": (switch, another_switch),
    "/console/switches/variant": (variant,),
    "/console/switches/undo": (undone_switch,),
    "/console/rollouts/{usecase}": (rollout,),
    "/console/keys": (key,),
    "/console/restrictions": (restriction,),
    "/console/restrictions/{restriction_id}": (lifted,),
    "/console/people/hold": (hold,),
    "/console/incidents/{incident_id}/close": (closed_incident,),
    "/console/incidents/{incident_id}/reopen": (reopened_incident,),
    "/console/jobs": (cancelled_job, stopped_job),
    "/console/documents/{document_id}": (document,),
    "/console/captured/{case_id}": (accepted,),
    "/console/reviews/{review_id}": (decision,),
    "/console/reviews/{review_id}/assign": (assignment,),
    "/console/webhooks": (receiver,),
    "/console/webhooks/{webhook_id}/turn": (turned_receiver,),
    "/console/webhooks/{webhook_id}/listens": (told_receiver,),
}
NEW = (key, restriction, hold, receiver, tried_receiver, erased)
# What takes a decision back is undone by deciding anew.
ANEW: Mapping[str, tuple[Prepare, ...]] = {
    "/console/captured/{case_id}": (taken_back,),
    "/console/reviews/{review_id}/reopen": (reopened,),
}
# What by its nature cannot be undone: the form says so before, and the page after.
FINAL: Mapping[str, tuple[Prepare, ...]] = {
    "/console/keys/change": (rotated_key, revoked_key),
    "/console/people/holds/{hold_id}": (released_hold,),
    "/console/people/erase": (erased,),
    "/console/reviews/{review_id}": (approved_tool,),
    "/console/webhooks/{webhook_id}/secret": (new_secret,),
    "/console/webhooks/{webhook_id}/test": (tried_receiver,),
    "/console/webhooks/{webhook_id}/replay": (sent_again,),
}
# Forms that change nothing that anybody else could miss.
NO_CHANGE = {
    "/console/sign-in": "who looks",
    "/console/sign-out": "who looks",
    "/console/why": "a look, which asks why and stands in the audit",
    "/console/readers": "a look, which asks why and stands in the audit",
    "/console/people/export": "a look, which asks why and stands in the audit",
    "/console/reviews/{review_id}/take": "who works on it, for some minutes",
    "/console/reviews/{review_id}/release": "who works on it",
}
FORMS = [
    route
    for router in console.ROUTERS
    for route in flat(router.routes)
    if isinstance(route, APIRoute) and "POST" in (route.methods or ())
]


def each_of(trials: Mapping[str, tuple[Prepare, ...]]) -> list[Prepare]:
    return [prepare for prepares in trials.values() for prepare in prepares]


def test_every_form_of_the_console_is_tried_here_or_changes_nothing() -> None:
    assert {route.path for route in FORMS} == {*UNDONE, *ANEW, *FINAL, *NO_CHANGE}


async def changed(house: House, sent: Sent, because: str) -> str:
    """Send a form with this reason; gives what the page then says of the change."""
    done = await house.send(sent, because)
    text = await house.get(done.headers["location"], sent.person) if done.status_code == 303 else done.text
    assert done.status_code in (200, 303), text
    found = re.search(r'<div class="banner good change".*?</div>', text, re.DOTALL)
    assert found, "nothing says what changed"
    assert because in found[0] and f"by {sent.person}" in found[0]
    return found[0]


@pytest.mark.parametrize("prepare", [*each_of(UNDONE), *each_of(ANEW), *each_of(FINAL)], ids=lambda one: one.__name__)
async def test_nothing_is_changed_without_a_reason(house: House, prepare: Prepare) -> None:
    sent = await prepare(house)
    before = await house.entries(sent.person)
    assert (await house.send(sent, " ")).status_code == 422
    assert await house.entries(sent.person) == before


@pytest.mark.parametrize("prepare", each_of(UNDONE), ids=lambda one: one.__name__)
async def test_a_change_shows_before_and_after_and_its_undo_works(house: House, prepare: Prepare) -> None:
    sent, because = await prepare(house), f"why {uuid4().hex[:8]}"
    told = await changed(house, sent, because)
    assert ("→" in told) == (prepare not in NEW) and 'class="state' in told
    (address,) = re.findall(r'action="([^"]+)"', told)
    fields = {
        name: unescape(value) for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', told)
    }
    back = Sent(sent.page, address, fields, sent.person)
    assert (await house.send(back, "")).status_code == 422
    undone = await changed(house, back, f"undone {because}")
    if "→" in told:
        assert states(undone)[-1] == states(told)[0], "and it is as it was before"


def states(told: str) -> list[str]:
    return [unescape(each) for each in re.findall(r'<span class="state[^>]*>([^<]*)<', told)]


@pytest.mark.parametrize("prepare", each_of(ANEW), ids=lambda one: one.__name__)
async def test_what_takes_a_decision_back_says_how_it_is_undone(house: House, prepare: Prepare) -> None:
    told = await changed(house, await prepare(house), f"why {uuid4().hex[:8]}")
    assert "→" in told and "Decide on it anew" in told


@pytest.mark.parametrize("prepare", each_of(FINAL), ids=lambda one: one.__name__)
async def test_what_cannot_be_undone_says_so_before_and_after(house: House, prepare: Prepare) -> None:
    sent, because = await prepare(house), f"why {uuid4().hex[:8]}"
    forms = re.findall(
        rf'<form method="post" action="{sent.address}".*?</form>', await house.get(sent.page, sent.person), re.DOTALL
    )
    assert forms and all("Cannot be undone" in form for form in forms)
    told = await changed(house, sent, because)
    assert "Cannot be undone" in told and "<form" not in told and ("→" in told) == (prepare not in NEW)


@pytest.mark.proves("SEC-3")
@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.path)
@pytest.mark.parametrize("person", [SAM, HANA, OLGA, DANA, AUDITOR])
async def test_nobody_sends_a_form_that_is_not_theirs(house: House, route: APIRoute, person: str) -> None:
    me = await house.office.door.get("/v1/me", headers=bearer(house.token(person)))
    held, need = me.json()["permissions"], need_of(route)
    address = re.sub(r"{usecase}", "handbook", re.sub(r"{\w+_id}", str(uuid4()), route.path))
    before = await house.entries(person)
    response = await house.office.door.post(address, data={}, headers=house.seen(person))
    if need in held or need in ("", "sign-in"):
        assert response.status_code != 403, "and not refused to those who hold the permission"
    else:
        assert response.status_code == 403 and need in response.text
    assert await house.entries(person) == before
