"""A few hundred requests that nobody would send; `python -m ops.prove fuzz` sends a hundred thousand."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.domain.identity import Permission
from app.settings import Settings
from ops.prove import planted
from ops.prove.fuzz import judged
from ops.prove.shots import Shot
from ops.prove.throwing import Tally, Thrower, known_pages
from tests.api.house import House, house
from tests.conftest import read_samples

COUNT, SEED = 1700, 7
SHOT = Shot("GET", "/v1/me", "GET /v1/me", "broken")
PEOPLE = {
    "plain": {"may": ["turns.ask", "documents.write", "turns.see_cost", "turns.see_evidence"]},
    # The last one resumes what was turned off.
    "everything": {"may": [permission.value for permission in Permission]},
}


@pytest.fixture
async def home(settings: Settings, database_copy: str, tmp_path: Path) -> AsyncIterator[House]:
    """Open a house of its own, to the database: some of these requests turn the AI off, or keep people out."""
    own = {"database_url": database_copy, "redis_url": f"{settings.redis_url.rstrip('/')}/7"}
    async with house(settings.model_copy(update=own), tmp_path, PEOPLE) as opened:
        await read_samples(opened.service)
        yield opened


# hypothesis draws in a thread here, and takes what the service beside it does with `random` for the drawing's.
@pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")
@pytest.mark.proves("REL-8", "OBS-7")
async def test_nothing_that_is_sent_breaks_the_service_or_comes_out_of_it(home: House) -> None:
    bearers, seats = [home.as_(person) for person in PEOPLE], [await home.seated(person) for person in PEOPLE]
    thrower = Thrower(home.door, bearers, seats)
    description: dict[str, Any] = (await home.door.get("/openapi.json")).json()
    await thrower.throw(description, count=COUNT, number=SEED, at_once=8)
    thrower.tally.hear("metrics", (await home.door.get("/metrics")).text)
    proof = judged(thrower.tally, {})
    assert proof.holds, "\n".join(claim.found for claim in proof.claims)
    assert set(proof.figures["made by"]) == {"schemathesis", "hypothesis", "broken"}
    operations = sum(len(each) for each in description["paths"].values()) + len(list(known_pages(description)))
    assert len(thrower.tally.labels) == operations > 60


@pytest.mark.proves("REL-8", "OBS-7")
def test_a_fault_and_a_planted_word_are_seen() -> None:
    for answer in (
        httpx2.Response(500, json={"type": "/problems/internal", "request_id": "a"}),
        httpx2.Response(404, text="Not found"),
        httpx2.Response(200),
    ):
        tally = Tally()
        tally.take(SHOT, answer, 0.1)
        assert tally.faults, answer
    heard = Tally()
    heard.hear("a log", f'path="/people/{planted.EMAIL.replace("@", "%40")}"')
    assert heard.heard == [f"{planted.EMAIL} in a log"]
    assert not judged(heard, {}).holds
    broke = Tally(statuses=Counter({200: 1}))
    assert judged(broke, {}).holds
    broke.read_log("api.log", '{"event": "page.broke", "error": "KeyError"}')
    assert not judged(broke, {}).holds, "an error in the middle of a stream has no status to tell of it"
