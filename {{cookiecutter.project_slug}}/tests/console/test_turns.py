"""The search over turns and the story of one, as pages."""

import re
from datetime import UTC, datetime
from html import unescape
from uuid import uuid4

import httpx2
import pytest

from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Turn
from app.store import ledger
from app.wiring.service import Service
from tests.console.conftest import Ask, Seen

TURNS = "/console/turns"


def minute() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.proves("OBS-1")
async def test_turns_are_found_by_words_person_and_outcome(client: httpx2.AsyncClient, seen: Seen, ask: Ask) -> None:
    mark = f"mark{uuid4().hex[:8]}"
    turn_id = await ask("sam.reyes", f"How many days of annual leave do employees have, {mark}?")
    olga = seen("olga.petrov")
    for asked, is_found in (
        ({"text": mark}, True),
        ({"text": mark[:8]}, True),
        ({"text": mark, "person": "sam.reyes", "outcome": "refused"}, True),
        ({"text": mark, "outcome": "refused_no_evidence", "usecase": "handbook", "channel": "api"}, True),
        ({"text": mark, "person": "tom.becker"}, False),
        ({"text": mark, "outcome": "failed"}, False),
        ({"text": mark, "until": "2020-01-01"}, False),
        ({"text": turn_id}, True),
    ):
        page = await client.get(TURNS, params=asked, headers=olga)
        assert page.status_code == 200 and (f"/console/turns/{turn_id}" in page.text) == is_found, asked
    assert "that fit" in (await client.get(TURNS, params={"text": "nobodysaidthis"}, headers=olga)).text


@pytest.mark.proves("OBS-1")
async def test_what_the_model_did_for_a_person_around_a_time_stands_on_one_page(
    client: httpx2.AsyncClient, seen: Seen, ask: Ask
) -> None:
    turn_id = await ask("priya.nair", "How many days of annual leave do employees have?")
    asked = {"person": "priya.nair", "at": minute(), "minutes": "5", "text": "annual leave"}
    text = (await client.get(TURNS, params=asked, headers=seen("olga.petrov"))).text
    for shown in (turn_id, "Answered by <strong>extractive</strong>", "revision", "within 5 minutes of"):
        assert shown in text, shown
    assert "<table" not in text, "each is told whole"


@pytest.mark.proves("OBS-1")
async def test_a_page_of_turns_around_a_time_says_that_older_ones_follow(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    person = f"asker.{uuid4().hex[:8]}"
    for place in range(51):
        await put(service, person, "One of many?")
        if place == 49:
            text = (await client.get(TURNS, params=around(person), headers=seen("olga.petrov"))).text
            assert "50 turns within 30 minutes" in text and "older ones follow" not in text
    text = (await client.get(TURNS, params=around(person), headers=seen("olga.petrov"))).text
    assert "The newest 50 turns within 30 minutes" in text and "older ones follow" in text
    (older,) = re.findall(r'href="([^"]+)" rel="next"', text)
    text = (await client.get(TURNS + unescape(older), headers=seen("olga.petrov"))).text
    assert "Older turns within 30 minutes" in text and text.count("<article") == 1


async def put(service: Service, person: str, question: str, *, arm: str = "") -> str:
    """Write a turn of now into the ledger."""
    asked = Turn(usecase=service.usecases["handbook"], principal=Principal(person), question=question, channel="api")
    await ledger.end(service.database, asked.with_(outcome=Outcome.REFUSED_NO_EVIDENCE, arm=arm), None)
    return str(asked.id)


def around(person: str) -> dict[str, str]:
    return {"person": person, "at": minute(), "minutes": "30"}


async def test_the_arm_of_a_rollout_is_a_link_for_those_alone_who_may_open_it(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    turn_id = await put(service, "sam.reyes", "Which arm am I?", arm="current")
    own, operators = [
        (await client.get(f"{TURNS}/{turn_id}", headers=seen(person))).text for person in ("sam.reyes", "olga.petrov")
    ]
    assert own.count("<dt>Arm") == operators.count("<dt>Arm") == 1
    assert "/console/rollouts/handbook" not in own and "/console/rollouts/handbook" in operators


@pytest.mark.parametrize(
    ("asked", "said"), [({"at": "teatime"}, "tuesday 14:00"), ({"outcome": "sunny"}, "is no outcome")]
)
async def test_what_cannot_be_looked_for_is_told_above_the_form(
    client: httpx2.AsyncClient, seen: Seen, asked: dict[str, str], said: str
) -> None:
    page = await client.get(TURNS, params=asked, headers=seen("olga.petrov"))
    assert page.status_code == 422 and said in page.text and next(iter(asked.values())) in page.text


async def test_a_form_with_empty_fields_finds_everything(client: httpx2.AsyncClient, seen: Seen, ask: Ask) -> None:
    turn_id = await ask("sam.reyes", f"How many days of leave are there? {uuid4().hex[:8]}")
    empty = dict.fromkeys(
        ("text", "person", "usecase", "outcome", "channel", "at", "minutes", "since", "until", "before"), ""
    )
    page = await client.get(TURNS, params=empty, headers=seen("olga.petrov"))
    assert page.status_code == 200 and turn_id in page.text and "Clear" not in page.text


@pytest.mark.proves("OBS-1")
async def test_the_story_tells_what_came_of_a_turn_and_the_conversation_that_it_stands_in(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    sam, mark = seen("sam.reyes"), uuid4().hex[:8]
    first = await client.post(
        "/v1/usecases/handbook/turns", json={"question": f"How many days of leave are there? {mark}"}, headers=sam
    )
    session = first.json()["session_id"]
    second = await client.post(
        "/v1/usecases/handbook/turns", json={"question": "And how many move on?", "session_id": session}, headers=sam
    )
    turn_id = first.json()["turn_id"]
    opinion = {"thumbs": "down", "correction": "It is thirty days."}
    assert (await client.post(f"/v1/turns/{turn_id}/feedback", json=opinion, headers=sam)).status_code == 204
    text = (await client.get(f"{TURNS}/{turn_id}", headers=seen("olga.petrov"))).text
    for shown in ("sam.reyes found it not good", "The conversation", "And how many move on?", second.json()["turn_id"]):
        assert shown in text, shown
    assert "thirty days" not in text, "a correction is the person's own words"
