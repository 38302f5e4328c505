"""Who may call a model now: slots, a fair queue and a breaker, agreed on by all processes in one trip to Redis."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.store.background import ended
from app.store.door import Breaker, HeldBack, Rules, Slots, Verdict
from app.store.shared import Shared, SharedAway

CLOSED = "it was turned off"
_shut: ContextVar[str] = ContextVar("shut", default="")
_SCRIPT = Path(__file__).with_suffix(".lua").read_text()


class Busy(Exception):
    """No slot came free in time."""


class Closed(Exception):
    """Nobody may call the model now: an operator has turned it off; the message says what."""


@dataclass(frozen=True, slots=True)
class Place:
    """A slot at a door; give it back with `leave`, whatever happens."""

    door: str
    limit: int
    token: str
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen at a door; `held_back_s` is None while calls go in, else the seconds until the next probe."""

    held_back_s: float | None
    taken: int
    waiting: int = 0


class Turnstile:
    """Stands before all models. While Redis is away (or there is none) each process keeps its doors by itself."""

    def __init__(self, shared: Shared | None, *, rules: Rules | None = None) -> None:
        self._shared = shared
        self._rules = rules or Rules()
        self._process = f"{os.getpid()}-{uuid4().hex[:8]}:"
        self._numbers = count()
        self._breakers: dict[str, Breaker] = {}
        self._slots: dict[str, Slots] = {}
        self._limits: dict[str, int] = {}
        self._waiting: dict[str, dict[str, asyncio.Future[None]]] = {}
        self._pollers: dict[str, asyncio.Task[None]] = {}
        self._left: dict[str, list[Any]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._inside: set[str] = set()
        self._why_closed: Callable[[str], str] = _open
        self._answering: dict[str, set[asyncio.Timeout]] = {}

    def heed(self, why_closed: Callable[[str], str]) -> None:
        """Ask this before each call: it gives the reason why a door is closed, "" for an open one."""
        self._why_closed = why_closed

    def look_again(self) -> None:
        """End the calls under way behind doors that were closed meanwhile."""
        for door, scopes in self._answering.items():
            if self._why_closed(door):
                for scope in [scope for scope in scopes if not scope.expired()]:
                    scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def answering(self, door: str) -> AsyncIterator[None]:
        """Let the block run for as long as the door is open. Raises Closed in its middle when it is closed."""
        scopes = self._answering.setdefault(door, set())
        try:
            async with asyncio.timeout(None) as scope:
                scopes.add(scope)
                try:
                    yield
                finally:
                    scopes.discard(scope)
        except TimeoutError:
            if not scope.expired():
                raise
            raise Closed(self._why_closed(door) or CLOSED) from None

    async def enter(self, door: str, limit: int, *, hurries: bool, until_s: float) -> Place:
        """Take one of `limit` slots, waiting for it until `until_s` (event loop's clock).

        Raises HeldBack, Busy, Closed.
        """
        self._ensure_open(door)
        place = Place(door, limit, f"{self._process}{next(self._numbers)}", is_shared=True)
        self._limits[door] = limit
        try:
            async with asyncio.timeout_at(until_s):
                try:
                    await self._enter_shared(place, hurries=hurries)
                    self._inside.add(place.token)
                except SharedAway:
                    await self._enter_local(place, hurries=hurries)
                    place = replace(place, is_shared=False)
        except TimeoutError:
            self._forget(place)
            raise Busy from None
        except asyncio.CancelledError:
            self._forget(place)
            raise
        try:
            # It may have been closed while this one waited.
            self._ensure_open(door)
        except Closed:
            await self.leave(place, "none")
            raise
        return place

    def _ensure_open(self, door: str) -> None:
        if why := _shut.get() or self._why_closed(door):
            raise Closed(why)

    async def leave(self, place: Place, verdict: Verdict, *, retry_after_s: float = 0.0) -> None:
        """Give the slot back and say how the call ended; only a bad end is waited for, an answer is not kept back."""
        breaker = self._breaker(place.door)
        breaker.judge(place.token, verdict, retry_after_s=retry_after_s)
        if not place.is_shared:
            self._slots[place.door].give_back(place.limit)
            return
        self._inside.discard(place.token)
        task = self._leave_soon(place, verdict, retry_after_s=retry_after_s)
        if verdict == "bad":
            await asyncio.shield(task)

    async def look(self) -> dict[str, Sight]:
        """See every door that this process has used."""
        return {door: await self._look(door) for door in list(self._limits)}

    async def close(self) -> None:
        """Give back what is being given back."""
        await ended(*self._pollers.values())
        await asyncio.gather(*self._leaving.values(), return_exceptions=True)

    async def _enter_shared(self, place: Place, *, hurries: bool) -> None:
        answer, _, *mine = await self._run("enter", place.door, place.token, int(hurries))
        self._wake(place.door, mine)
        if answer == "back":
            raise HeldBack
        if answer != "wait":
            return
        waiting = self._waiting.setdefault(place.door, {})
        turn = waiting[place.token] = asyncio.get_running_loop().create_future()
        if place.door not in self._pollers:
            self._pollers[place.door] = asyncio.create_task(self._poll(place.door))
        try:
            await turn
        finally:
            del waiting[place.token]

    async def _enter_local(self, place: Place, *, hurries: bool) -> None:
        breaker = self._breaker(place.door)
        slots = self._slots.setdefault(place.door, Slots(self._rules))
        if breaker.pass_through(place.token):
            slots.taken += 1
            return
        await slots.take(place.limit, hurries=hurries)
        if breaker.is_shut:
            slots.give_back(place.limit)
            raise HeldBack

    def _leave_soon(self, place: Place, verdict: Verdict, *, retry_after_s: float = 0.0) -> "asyncio.Task[None]":
        self._left.setdefault(place.door, []).extend((place.token, verdict, int(retry_after_s * 1000)))
        if place.door not in self._leaving:
            self._leaving[place.door] = asyncio.create_task(self._leave_shared(place.door))
        return self._leaving[place.door]

    async def _leave_shared(self, door: str) -> None:
        """Tell Redis who left; those who leave meanwhile go together in the next trip."""
        try:
            while left := self._left.pop(door, None):
                state, _, *mine = await self._run("leave", door, *left)
                self._wake(door, mine, is_shut=state == "back")
        except SharedAway:
            self._left.pop(door, None)  # the leases run out by themselves
        finally:
            del self._leaving[door]

    async def _poll(self, door: str) -> None:
        """Ask for all of this process who wait at a door, until nobody does."""
        waiting = self._waiting[door]
        try:
            while waiting:
                await asyncio.sleep(self._rules.poll_s)
                state, _, *mine = await self._run("wait", door, *waiting)
                self._wake(door, mine, is_shut=state == "back")
        except SharedAway as away:
            _end(waiting.values(), away)
        finally:
            del self._pollers[door]

    async def _look(self, door: str) -> Sight:
        try:
            state, left_ms, taken, waiting = await self._run("look", door)
            return Sight(left_ms / 1000 if state == "back" else None, taken, waiting)
        except SharedAway:
            breaker = self._breaker(door)
            slots = self._slots.setdefault(door, Slots(self._rules))
            return Sight(breaker.held_back_s if breaker.is_shut else None, slots.taken, slots.waiting)

    async def _run(self, operation: str, door: str, *values: Any) -> Sequence[Any]:
        if self._shared is None:
            raise SharedAway
        rules = self._rules
        keys = [f"turnstile:{{{door}}}:{part}" for part in ("held", "queue", "alive", "breaker")]
        times = [int(seconds * 1000) for seconds in (rules.hold_s, rules.beat_s, rules.patience_s, rules.window_s)]
        spans = [int(seconds * 1000) for seconds in (rules.open_s, rules.open_most_s)]
        counts = [rules.failures, rules.share]
        values = (operation, self._process, self._limits[door], *times, *counts, *spans, *values)
        reply: list[Any] = [
            part.decode() if isinstance(part, bytes) else part for part in await self._shared.run(_SCRIPT, keys, values)
        ]
        if reply[0] in ("in", "open", "back"):
            self._breaker(door).follow(reply[1] / 1000 if reply[0] == "back" else None)
        return reply

    def _breaker(self, door: str) -> Breaker:
        if door not in self._breakers:
            self._breakers[door] = Breaker(self._rules)
        return self._breakers[door]

    def _wake(self, door: str, tokens: Sequence[str], *, is_shut: bool = False) -> None:
        waiting = self._waiting.get(door, {})
        for token in tokens:
            if token in waiting:
                if not waiting[token].done():
                    waiting[token].set_result(None)
            elif token not in self._inside:
                self._forget(Place(door, self._limits[door], token, is_shared=True))
        if is_shut:
            _end(waiting.values(), HeldBack())

    def _forget(self, place: Place) -> None:
        """Leave without having called: out of the queue, or out of a slot that came a moment too late."""
        if self._shared is not None and not self._shared.is_away:
            self._leave_soon(place, "none")


@contextmanager
def shut(why: str) -> Iterator[None]:
    """Keep whatever runs within the block from calling any model."""
    token = _shut.set(why)
    try:
        yield
    finally:
        _shut.reset(token)


def _open(_: str) -> str:
    return ""


def _end(turns: "Iterable[asyncio.Future[None]]", error: Exception) -> None:
    for turn in turns:
        if not turn.done():
            turn.set_exception(error)
