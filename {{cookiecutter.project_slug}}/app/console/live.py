"""What changed, as a stream of server-sent events: pages then fetch the part that shows it.

An event's id holds the state of every topic, so nothing is lost between one connection and the next, whichever process
answers. Streams are short: an open page must not hold up a process that wants to stop.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated

import orjson
import structlog
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from app.console.routes import PageRoute
from app.console.session import Visitor, service_of
from app.domain.identity import Permission, Principal
from app.domain.plan import PREFIX
from app.errors import AppError
from app.store import pulse
from app.store.background import ended
from app.wiring.service import Service

log = structlog.get_logger(__name__)
router = APIRouter(route_class=PageRoute, include_in_schema=False)
CHANNEL = "console"
POLL_S = 1.0
STREAM_S = 10.0
RETRY_MS = 200
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# Who may hear of it; None: whoever is signed in.
TOPICS: Mapping[str, Permission | None] = {
    "flags": None,
    "rollouts": Permission.OPEN_CONSOLE,
    "jobs": Permission.OPEN_CONSOLE,
    "reviews": Permission.DECIDE_REVIEWS,
    "incidents": Permission.DECIDE_REVIEWS,
}
State = Mapping[str, str]


class Pulse:
    """The state of each topic in this process, read for as long as somebody listens."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._wanted: Counter[str] = Counter()
        self._state: dict[str, str] = {}
        self._changed, self._hint = asyncio.Event(), asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        service.flags.on_change.append(self._hint.set)

    @contextmanager
    def listening(self, topics: Sequence[str]) -> Iterator[None]:
        """Keep these topics read in the background."""
        self._wanted.update(topics)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._wanted.subtract(topics)

    async def state(self, topics: Sequence[str]) -> dict[str, str]:
        """Give the state of these topics as it is now; as it was last while the database is away."""
        await self._look(topics)
        return self._of(topics)

    async def after(self, known: State, *, within_s: float) -> dict[str, str]:
        """Wait until one of the known topics has another state, or for so long; give what there is then."""

        async def other() -> None:
            while self._of(known) == known:
                changed = self._changed
                await changed.wait()

        with suppress(TimeoutError):
            await asyncio.wait_for(other(), within_s)
        return self._of(known)

    def _of(self, topics: Sequence[str] | State) -> dict[str, str]:
        return {topic: self._state.get(topic, "") for topic in topics}

    async def _look(self, topics: Sequence[str]) -> None:
        found = self._flags()
        try:
            async with self._service.database.work() as work:
                found |= await pulse.words(work, topics)
        except AppError as error:
            log.warning("live.stale", error=error.detail)
        if any(self._state.get(topic) != word for topic, word in found.items()):
            self._state |= found
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def _flags(self) -> dict[str, str]:
        flags = self._service.flags
        rows = [(row["key"], row["version"]) for row in flags.rows]
        # What is off may change without the table: by a file, by the time, by another system.
        switches = [row for row in rows if not row[0].startswith(PREFIX)], sorted(flags.off)
        return {"flags": _word(switches), "rollouts": _word([row for row in rows if row[0].startswith(PREFIX)])}

    @property
    def _heard(self) -> list[str]:
        return [topic for topic, listeners in self._wanted.items() if listeners > 0]

    async def _watch(self) -> None:
        hearing = asyncio.create_task(self._hear())
        try:
            while topics := self._heard:
                await self._look(topics)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._hint.wait(), POLL_S)
                self._hint.clear()
        finally:
            # Before anything is waited for: whoever listens next begins anew.
            self._watching = None
            await ended(hearing)

    async def _hear(self) -> None:
        # Whoever has changed something may say so, and is seen at once.
        async for _ in self._service.broadcast.listen(CHANNEL):
            self._hint.set()


def _word(value: object) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=6).hexdigest()


@router.get("/console/live")
async def live(
    request: Request,
    who: Visitor,
    topics: Annotated[str, Query(max_length=200, pattern=r"^[a-z,]*$")] = "flags",
    last_event_id: Annotated[str, Header(max_length=1000)] = "",
) -> StreamingResponse:
    """Say which of these topics change, for some seconds; topics that one may not hear of stay silent."""
    heard = [topic for topic in sorted(set(topics.split(","))) if _may_hear(who, topic)]
    frames = _frames(_pulse(request), heard, _known(last_event_id))
    return StreamingResponse(frames, media_type="text/event-stream", headers=HEADERS)


def _may_hear(who: Principal, topic: str) -> bool:
    return topic in TOPICS and ((need := TOPICS[topic]) is None or who.may(need))


def _pulse(request: Request) -> Pulse:
    kept = request.app.state
    if not hasattr(kept, "pulse"):
        kept.pulse = Pulse(service_of(request))
    found: Pulse = kept.pulse
    return found


async def _frames(pulse_: Pulse, topics: Sequence[str], known: State) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop()
    end = clock.time() + STREAM_S
    with pulse_.listening(topics):
        state = await pulse_.state(topics)
        yield f"retry: {RETRY_MS}\n".encode() + _frame(known or state, state)
        while (left := end - clock.time()) > 0:
            fresh = await pulse_.after(state, within_s=left)
            if fresh != state:
                yield _frame(state, fresh)
            state = fresh


def _frame(before: State, after: State) -> bytes:
    changed = [topic for topic, word in after.items() if before.get(topic) != word]
    id_ = ",".join(f"{topic}={word}" for topic, word in after.items())
    data = orjson.dumps({"topics": changed}).decode()
    return f"id: {id_}\nevent: {'changed' if changed else 'here'}\ndata: {data}\n\n".encode()


def _known(last_event_id: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in last_event_id.split(",") if "=" in part)
