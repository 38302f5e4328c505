"""Every change that the console offers asks why, shows before and after, and is undone or says that it cannot be."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from html import unescape
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute

from app.api.permissions import flat, need_of
from app.console import pages as console
from app.console.html import PAGES
from ops.local.engines import Engines
from tests.accounts import bearer, office
from tests.conftest import MORE, copied
from tests.console import changing as on
from tests.console.changing import AUDITOR, DANA, HANA, OLGA, SAM, House, Sent

pytestmark = pytest.mark.proves("OPS-1", "CTL-1")


@pytest.fixture(scope="module")
async def house(
    engines: Engines, database_template: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    people = f'["{AUDITOR}"]\nname = "Ada Moss"\ngroups = ["auditors"]'
    more = {"flags.toml": MORE["flags.toml"], "people.toml": people}
    with copied(engines, database_template) as url:
        async with office(url, redis_url, tmp_path_factory.mktemp("house"), more=more) as made:
            yield House(made)


Prepare = Callable[[House], Awaitable[Sent]]
# What the page takes back with one more form. What brings something new shows no before.
UNDONE: Mapping[str, tuple[Prepare, ...]] = {
    "/console/switches": (on.switch, on.another_switch),
    "/console/switches/variant": (on.variant,),
    "/console/switches/undo": (on.undone_switch,),
    "/console/rollouts/{usecase}": (on.rollout,),
    "/console/keys": (on.key,),
    "/console/restrictions": (on.restriction,),
    "/console/restrictions/{restriction_id}": (on.lifted,),
    "/console/people/hold": (on.hold,),
    "/console/incidents/{incident_id}/close": (on.closed_incident,),
    "/console/incidents/{incident_id}/reopen": (on.reopened_incident,),
    "/console/jobs": (on.cancelled_job, on.stopped_job),
    "/console/documents/{document_id}": (on.document,),
    "/console/captured/{case_id}": (on.accepted,),
    "/console/reviews/{review_id}": (on.decision,),
    "/console/reviews/{review_id}/assign": (on.assignment,),
    "/console/webhooks": (on.receiver,),
    "/console/webhooks/{webhook_id}/turn": (on.turned_receiver,),
    "/console/webhooks/{webhook_id}/listens": (on.told_receiver,),
}
NEW = (on.key, on.restriction, on.hold, on.receiver, on.tried_receiver, on.erased)
# What takes a decision back is undone by deciding anew.
ANEW: Mapping[str, tuple[Prepare, ...]] = {
    "/console/captured/{case_id}": (on.taken_back,),
    "/console/reviews/{review_id}/reopen": (on.reopened,),
}
# What by its nature cannot be undone: the form says so before, and the page after.
FINAL: Mapping[str, tuple[Prepare, ...]] = {
    "/console/keys/change": (on.rotated_key, on.revoked_key),
    "/console/people/holds/{hold_id}": (on.released_hold,),
    "/console/people/erase": (on.erased,),
    "/console/reviews/{review_id}": (on.approved_tool,),
    "/console/webhooks/{webhook_id}/secret": (on.new_secret,),
    "/console/webhooks/{webhook_id}/test": (on.tried_receiver,),
    "/console/webhooks/{webhook_id}/replay": (on.sent_again,),
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


# Where a form needs another permission than its page, or none.
OTHER_NEEDS = {
    "/console/sign-in": "",
    "/console/sign-out": "",
    "/console/documents/{document_id}": "sign-in",
    "/console/reviews/{review_id}/assign": "reviews.assign",
    "/console/people/export": "people.export",
    "/console/people/hold": "people.hold",
    "/console/people/holds/{hold_id}": "people.hold",
}


def needed(path: str) -> str:
    """Give the permission of the page that a form stands on, or its own."""
    pages = {page: permission.value for _, page, permission, _ in PAGES if f"{path}/".startswith(f"{page}/")}
    return OTHER_NEEDS[path] if path in OTHER_NEEDS else pages[max(pages, key=len)]


@pytest.mark.proves("SEC-3")
@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.path)
@pytest.mark.parametrize("person", [SAM, HANA, OLGA, DANA, AUDITOR])
async def test_nobody_sends_a_form_that_is_not_theirs(house: House, route: APIRoute, person: str) -> None:
    me = await house.office.door.get("/v1/me", headers=bearer(house.token(person)))
    held, need = me.json()["permissions"], needed(route.path)
    assert need_of(route) == need
    address = re.sub(r"{usecase}", "handbook", re.sub(r"{\w+_id}", str(uuid4()), route.path))
    before = await house.entries(person)
    response = await house.office.door.post(address, data={}, headers=house.seen(person))
    if need in held or need in ("", "sign-in"):
        assert response.status_code != 403, "and not refused to those who hold the permission"
    else:
        assert response.status_code == 403 and need in response.text
    assert await house.entries(person) == before
