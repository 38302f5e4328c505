"""The chat page's own routes: whom it offers what, and what is off, told at once to the page that is open."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from app.settings import Settings
from app.wiring.service import Service
from tests.api.serving import PATIENCE_S, Served, serving
from tests.console.conftest import Seen

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
async def listening(settings: Settings, service: Service) -> AsyncIterator[Served]:
    """A service of its own on a real port, over the same database and Redis: another process would be no different."""
    async with serving(settings, {"slow": {"paused.answer": "no_model"}}) as running:
        yield running


@pytest.fixture
async def resumed(service: Service) -> AsyncIterator[None]:
    """Whatever the test does, everything is on again after it."""
    yield
    for subject in ("handbook", "slow", "ai"):
        if service.flags.why_paused(subject):
            await service.flags.flip(subject, enabled=True, by="tests", because="the test is over")


async def statuses(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, object]]:
    """Give what the stream says, event by event."""
    async for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def test_a_stranger_is_told_nothing(client: httpx2.AsyncClient) -> None:
    for path in ("/", "/chat/status"):
        answer = await client.get(path, headers=STREAM)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in")


async def test_documents_are_taken_where_the_contract_takes_them(client: httpx2.AsyncClient, seen: Seen) -> None:
    text = (await client.get("/", headers=seen("sam.reyes"))).text
    assert 'data-documents="yes"' in text and 'id="attach"' in text
    assert 'value="triage"' not in text, "a use case that is not open is not offered"


@pytest.mark.proves("CTL-1")
@pytest.mark.usefixtures("resumed")
async def test_the_open_page_is_told_what_is_off_the_moment_that_it_is(
    listening: Served, service: Service, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.console.chat.LIFE_S", PATIENCE_S)
    headers = seen("sam.reyes") | STREAM
    async with (
        asyncio.timeout(PATIENCE_S),
        httpx2.AsyncClient(base_url=listening.url, timeout=PATIENCE_S) as client,
        client.stream("GET", "/chat/status", headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = statuses(answer.aiter_lines())
        assert (await anext(told)) == {"notices": [], "paused": {}}
        await service.flags.flip("handbook", enabled=False, by="olga.petrov", because="a drill of the chat page")
        now = await anext(told)
        assert now["paused"] == {"handbook": "sentence"}
        assert "Handbook" in str(now["notices"])
        assert "drill" not in str(now) and "olga" not in str(now), "why and by whom is between colleagues"
        await service.flags.flip("slow", enabled=False, by="olga.petrov", because="a drill of the chat page")
        assert (await anext(told))["paused"] == {"handbook": "sentence", "slow": "no_model"}
        for subject in ("handbook", "slow"):
            await service.flags.flip(subject, enabled=True, by="olga.petrov", because="the drill is over")
        while (await anext(told))["paused"]:
            pass


@pytest.mark.usefixtures("resumed")
async def test_a_group_that_is_off_concerns_its_people_alone(
    client: httpx2.AsyncClient, service: Service, seen: Seen
) -> None:
    await service.flags.flip("group:reviewers", enabled=False, by="olga.petrov", because="a drill of the chat page")
    try:
        told = [(await client.get("/chat/status", headers=seen(who))).json() for who in ("hana.lind", "priya.nair")]
    finally:
        await service.flags.flip("group:reviewers", enabled=True, by="olga.petrov", because="the drill is over")
    assert "handbook" in told[0]["paused"] and "reviewers" in str(told[0]["notices"])
    assert told[1] == {"notices": [], "paused": {}}


async def test_a_page_listens_for_a_while_and_then_shows_again_who_it_is(
    client: httpx2.AsyncClient, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.console.chat.LIFE_S", 0.2)
    answer = await client.get("/chat/status", headers=seen("sam.reyes") | STREAM)
    assert answer.status_code == 200 and answer.text.startswith("retry: 200\nevent: status")
    assert answer.text.count("event: ") == 1, "what has not changed is not said twice"
