"""Live updates: whoever listens hears of a change at once, of nothing else, and of nothing that is not for them."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from fastapi import FastAPI

from app.console import live
from app.domain.identity import Permission, Principal
from app.store import incidents
from app.store.incidents import Incident
from app.wiring.service import Service
from tests.console.conftest import Seen

PATIENCE_S = 30.0


@pytest.fixture
def pulse(service: Service) -> live.Pulse:
    return live.Pulse(service)


async def heard(frames: AsyncIterator[bytes]) -> tuple[str, list[str]]:
    """Give the id and the topics of the next event."""
    frame = (await asyncio.wait_for(anext(frames), PATIENCE_S)).decode()
    fields = dict(line.split(": ", 1) for line in frame.splitlines() if ": " in line)
    return fields["id"], json.loads(fields["data"])["topics"]


async def open_incident(service: Service) -> None:
    async with service.database.work() as work:
        await incidents.open_(work, [Incident("leak", uuid4(), "handbook", "sam.reyes", "api", "of a test")])


async def test_a_change_is_heard_and_nothing_else(service: Service, pulse: live.Pulse) -> None:
    frames = live._frames(pulse, ["flags", "incidents"], {})
    _, first = await heard(frames)
    assert first == []
    await open_incident(service)
    _, topics = await heard(frames)
    assert topics == ["incidents"]
    await frames.aclose()  # type: ignore[attr-defined]


async def test_a_switch_is_heard_without_waiting_for_the_next_look(
    service: Service, pulse: live.Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_S", 600.0)
    monkeypatch.setattr(live, "STREAM_S", 600.0)
    frames = live._frames(pulse, ["flags"], {})
    await heard(frames)
    try:
        await service.flags.flip("handbook", enabled=False, by="tests", because="does a page hear of it?")
        assert (await heard(frames))[1] == ["flags"]
    finally:
        await service.flags.flip("handbook", enabled=True, by="tests", because="the test is over")
    await frames.aclose()  # type: ignore[attr-defined]


async def test_somebody_who_says_so_is_heard_at_once(
    service: Service, pulse: live.Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_S", 600.0)
    monkeypatch.setattr(live, "STREAM_S", 600.0)
    frames = live._frames(pulse, ["incidents"], {})
    await heard(frames)
    await open_incident(service)
    event = asyncio.ensure_future(heard(frames))
    while not event.done():
        # Again and again: the connection to Redis may come up after the first.
        await service.broadcast.publish(live.CHANNEL, "incidents")
        await asyncio.sleep(0.1)
    assert event.result()[1] == ["incidents"]
    await frames.aclose()  # type: ignore[attr-defined]


async def test_what_happened_between_two_connections_is_told(service: Service, pulse: live.Pulse) -> None:
    frames = live._frames(pulse, ["incidents"], {})
    known, _ = await heard(frames)
    await frames.aclose()  # type: ignore[attr-defined]
    await open_incident(service)
    other_process = live._frames(live.Pulse(service), ["incidents"], live._known(known))
    assert (await heard(other_process))[1] == ["incidents"]
    await other_process.aclose()  # type: ignore[attr-defined]


async def test_nobody_listens_and_nothing_is_read(service: Service, pulse: live.Pulse) -> None:
    frames = live._frames(pulse, ["flags"], {})
    await heard(frames)
    watching = pulse._watching
    assert watching is not None
    await frames.aclose()  # type: ignore[attr-defined]
    async with asyncio.timeout(PATIENCE_S):
        await watching
    assert pulse._watching is None


@pytest.mark.parametrize(
    ("held", "may"),
    [
        (set(), ["flags"]),
        ({Permission.OPEN_CONSOLE}, ["flags", "jobs", "rollouts"]),
        ({Permission.OPEN_CONSOLE, Permission.DECIDE_REVIEWS}, ["flags", "incidents", "jobs", "reviews", "rollouts"]),
    ],
)
def test_a_topic_stays_silent_to_whom_it_is_not_for(held: set[Permission], may: list[str]) -> None:
    who = Principal("somebody", permissions=frozenset(held))
    assert [topic for topic in sorted(live.TOPICS) if live._may_hear(who, topic)] == may
    assert not live._may_hear(who, "unknown")


async def test_the_stream_is_a_stream_and_ends_by_itself(
    application: FastAPI, client: object, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STREAM_S", 0.2)
    response = await client.get("/console/live?topics=flags,reviews", headers=seen("sam.reyes"))  # type: ignore[attr-defined]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.startswith("retry: ") and "flags=" in response.text and "reviews=" not in response.text
    stranger = await client.get("/console/live")  # type: ignore[attr-defined]
    assert stranger.status_code == 303
