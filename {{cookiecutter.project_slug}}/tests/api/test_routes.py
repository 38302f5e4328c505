"""Every route, not a sample: strangers are sent away, a missing permission is 403, another's things are not there."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter

from app.api.app import create
from app.api.permissions import PUBLIC, SIGN_IN
from app.domain.identity import Permission
from app.errors import CannotStart
from app.settings import Settings
from app.wiring.service import Service
from tests.api.house import ORIGIN, House, everyone_but, house
from tests.api.routes import Entry, closed, entries

OWNER, OTHER = "with everything", "without turns.read_all"
# These ask for a permission within the turn, so that a refusal stands in the ledger.
INSIDE = {
    "POST /v1/usecases/{name}/turns": Permission.ASK,
    "POST /openai/v1/chat/completions": Permission.ASK,
}
# Of what a route shows, these decide on parts; tests/api/test_disclosure.py, and those of reviews, have them.
DEEPER = {Permission.SEE_COST, Permission.SEE_EVIDENCE, Permission.SEE_PERSONAL_DATA}
# Path parameters that name something which is nobody's own, with a value that there is.
SHARED = {"name": "handbook", "model": "handbook", "path": "docs/README.md"}
# How another's {parameter} is made: see `another`. A new one of a person's own data belongs there.
OWNED = ("turn_id", "session_id", "job_id", "document_id", "erasure_id")
# Whoever asks to be erased is somebody whom no other test needs.
LEAVER = "leaving"
# Well formed, and of nothing; other parameters are ids of any form.
NOTHING = {"key_id": "0" * 12}
# Where an unknown name is no fault: whom nobody has listed may hold groups all the same, by their token.
NOT_MISSING = {
    "GET /v1/admin/people/{person}/documents",
    "GET /v1/admin/people/{person:path}/export",
    "POST /v1/admin/people/{person:path}/erase",
}
CHAT = {"model": "handbook", "messages": [{"role": "user", "content": "How many days of leave are there?"}]}


@pytest.fixture(scope="module")
async def home(settings: Settings, service: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(settings, tmp_path_factory.mktemp("house"), {**everyone_but(), LEAVER: {"may": []}}) as opened:
        yield opened


async def send(home: House, entry: Entry, headers: dict[str, str], **values: str) -> httpx2.Response:
    sent = {"json": CHAT} if entry.path.endswith("/chat/completions") else entry.sent()
    return await home.door.request(entry.method, entry.url(SHARED | values), headers=headers, **sent)


def told(response: httpx2.Response) -> str:
    """Give what a problem says, or where a page would lead."""
    try:
        return str(response.json())[:400]
    except ValueError:
        return response.headers.get("location", "") or response.text.partition("<h1>")[2][:200]


async def headers_of(home: House, entry: Entry, person: str) -> dict[str, str]:
    return await home.seated(person) if entry.is_page else home.as_(person)


@pytest.mark.proves("SEC-3")
@pytest.mark.parametrize("credential", [{}, {"Authorization": "Bearer forged"}, {"Cookie": "identity=forged"}])
async def test_a_stranger_is_sent_away_from_every_route_that_is_not_public(
    home: House, credential: dict[str, str]
) -> None:
    tried, faults = 0, []
    for entry in closed(home.app):
        response = await send(home, entry, credential | {"Origin": ORIGIN})
        to_sign_in = entry.is_page and entry.method == "GET"
        expected = 303 if to_sign_in else 401
        if response.status_code != expected:
            faults.append(f"{entry.label}: {response.status_code} {told(response)}")
        elif to_sign_in and not response.headers["location"].startswith("/console/sign-in"):
            faults.append(f"{entry.label}: sent to {response.headers['location']}")
        tried += 1
    assert not faults and tried > 40, "\n".join(faults)


@pytest.mark.proves("SEC-3")
async def test_without_its_permission_every_route_is_forbidden(home: House) -> None:
    tried, faults = set(), []
    for entry in closed(home.app):
        need = INSIDE.get(entry.label) or entry.need
        if need == SIGN_IN:
            continue
        response = await send(home, entry, await headers_of(home, entry, f"without {need}"))
        if response.status_code != 403:
            faults.append(f"{entry.label} without {need}: {response.status_code} {told(response)}")
        tried.add(str(need))
    assert not faults, "\n".join(faults)
    assert set(Permission) - tried <= DEEPER


async def another(home: House) -> dict[str, str]:
    """Make one of each thing that a person can own."""
    told = await home.ask(OWNER, "How many days of annual leave do employees have?")
    mine = home.as_(OWNER)
    items = {"items": [{"question": "How many days of annual leave are there?"}]}
    job = await home.door.post("/v1/usecases/handbook/jobs", json=items, headers=mine)
    file = {"file": ("note.md", b"# Own\n\nA note of mine about zebras.", "text/markdown")}
    sent = await home.door.post("/v1/documents", data={"usecase": "handbook"}, files=file, headers=mine)
    await home.service.jobs.run(UUID(sent.json()["job_id"]))
    listed = (await home.door.get("/v1/documents", params={"limit": 500}, headers=mine)).json()
    document = next(each for each in listed if each["owner"] == home.id_of(OWNER))
    confirmed = home.as_(LEAVER) | {"X-Confirm": home.id_of(LEAVER)}
    return {
        "erasure_id": (await home.door.delete("/v1/me", headers=confirmed)).json()["id"],
        "turn_id": told["turn_id"],
        "session_id": told["session_id"],
        "job_id": job.json()["job_id"],
        "document_id": document["id"],
    }


@pytest.mark.proves("SEC-3")
async def test_what_is_anothers_is_not_there(home: House) -> None:
    things, faults, tried = await another(home), [], 0
    for entry in closed(home.app):
        unknown = set(entry.holes) - set(OWNED) - set(SHARED)
        if entry.need == SIGN_IN and unknown:
            faults.append(f"{entry.label}: say in `another` how somebody else's {unknown} is made, and add it to OWNED")
        # An operator's view of everybody's has a permission of its own, which is tested above.
        if not set(entry.holes) & set(OWNED) or entry.path.startswith("/v1/admin/"):
            continue
        tried += 1
        response = await send(home, entry, await headers_of(home, entry, OTHER), **things)
        if response.status_code != 404:
            faults.append(f"{entry.label}: {response.status_code} {told(response)}")
        if entry.method == "GET" and not entry.path.endswith("/events"):
            owner = LEAVER if "erasure_id" in entry.holes else OWNER
            own = await send(home, entry, await headers_of(home, entry, owner), **things)
            if own.status_code != 200:
                faults.append(f"{entry.label}: {own.status_code} for its owner: {told(own)}")
    assert not faults and tried >= 10, "\n".join(faults)


@pytest.mark.proves("SEC-3")
async def test_an_id_that_nothing_has_is_not_found_on_any_route(home: House) -> None:
    faults = []
    for entry in entries(home.app):
        if not entry.holes or entry.label in NOT_MISSING:
            continue
        nothing = NOTHING | {hole: "nothing" for hole in entry.holes if hole in SHARED}
        response = await send(home, entry, await headers_of(home, entry, OWNER), **nothing)
        if response.status_code != 404:
            faults.append(f"{entry.label}: {response.status_code} {told(response)}")
    assert not faults, "\n".join(faults)


@pytest.mark.proves("SEC-3")
async def test_the_public_list_names_routes_that_there_are_and_their_answers_need_nobody(home: House) -> None:
    paths = {entry.path for entry in entries(home.app)}
    assert set(PUBLIC) <= paths, set(PUBLIC) - paths
    for path in ("/health/live", "/health/ready", "/metrics", "/problems/forbidden", "/openapi.json"):
        assert (await home.door.get(path)).status_code == 200


@pytest.mark.proves("SEC-3")
def test_a_route_that_asks_nobody_stops_the_start(service: Service) -> None:
    router = APIRouter()

    @router.get("/v1/forgotten")
    async def forgotten() -> dict[str, Any]:
        return {}

    with pytest.raises(CannotStart, match="/v1/forgotten"):
        create(service, pages=[router])


FOREIGN: list[dict[str, str]] = [
    {},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://test:8080"},
    {"Origin": "http://test.evil.example"},
    {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
    {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
]


@pytest.mark.proves("SEC-3")
@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
async def test_no_change_by_cookie_is_taken_from_another_site(home: House, foreign: dict[str, str]) -> None:
    cookie = (await home.seated(OWNER))["Cookie"]
    tried, faults = 0, []
    for entry in entries(home.app):
        if entry.method == "GET":
            continue
        response = await send(home, entry, {"Cookie": cookie, **foreign})
        tried += 1
        if response.status_code != 403:
            faults.append(f"{entry.label}: {response.status_code} {told(response)}")
    assert not faults and tried > 15, "\n".join(faults)
