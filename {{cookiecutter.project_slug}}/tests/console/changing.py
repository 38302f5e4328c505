"""Forms of the console as people send them: a service of its own, and what each form needs before it is sent."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2

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
from tests.accounts import Office, bearer
from tests.api.papers import Papers
from tests.conftest import SECRET

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
        ended = asked.with_(screened=asked.question, outcome=Outcome.ESCALATED_REVIEW)
        await ledger.end(service.database, ended, None)
        return asked.id


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
    # On first: what changes nothing is not undone.
    for enabled in (True, False):
        await flags.flip("triage", enabled=enabled, by="tests", because="a test")
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
    # Not asked: chance may put a document of another case among its passages, which the reviewer may not read.
    turn_id = await house.turn("handbook", SAM)
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
    (seen,) = re.findall(r'name="seen" value="([0-9a-f]{64})"', await house.get(page, OLGA))
    return Sent(page, page, {"decision": "approve", "seen": seen})


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
