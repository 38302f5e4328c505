"""Answers given before, and who is making one right now: in Redis, for all processes, masked text only.

Two keys per question: the answer (a hash: body, `at` in seconds since 1970, and the day it was given), and the lease of
whoever is making it. A lease is short and renewed while its holder lives, so that a dead leader is noticed within
LEASE_S; one that could not answer leaves AWAY in its place, and those who wait go on by themselves.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import structlog
from pydantic import TypeAdapter, ValidationError

from app.domain.turn import Remembered
from app.store.background import ended
from app.store.shared import Shared, SharedAway

log = structlog.get_logger(__name__)
LEASE_S = 3.0
AWAY = "-"
AWAY_S = 2.0
# How often a process that waits for another one's answer looks, at first and after a while.
SOONEST_S, LATEST_S = 0.02, 0.2

# Gives whether there is an answer young enough, the body of any, and who holds the lease; a free lease is taken.
_LOOK = """
local found = redis.call('HMGET', KEYS[1], 'at', 'day', 'body')
local body = found[3] or ''
if found[1] and tonumber(found[1]) >= tonumber(ARGV[3]) and found[2] == ARGV[4] then return {1, body, ''} end
local holder = redis.call('GET', KEYS[2]) or ''
if ARGV[1] ~= '' and (holder == '' or holder == '-') then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
  holder = ARGV[1]
end
return {0, body, holder}
"""
# A younger answer stays; who led leads no more.
_PUT = """
local at = redis.call('HGET', KEYS[1], 'at')
if not at or tonumber(at) <= tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'body', ARGV[1], 'at', ARGV[2], 'day', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
if redis.call('GET', KEYS[2]) == ARGV[5] then redis.call('DEL', KEYS[2]) end
"""
_LET_GO = "if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('SET', KEYS[2], '-', 'PX', ARGV[2]) end"
_RENEW = "if redis.call('GET', KEYS[2]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[2], ARGV[2]) end return 0"
_READ = "return redis.call('HGET', KEYS[1], 'body') or ''"


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for; fresh is an answer of that day, given at `fresh_from` (seconds since 1970) or later."""

    key: str
    fresh_from: float
    day: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is: an answer (fresh or not), and who is making one: nobody "", the asker (`leads`), or a holder."""

    remembered: Remembered | None
    is_fresh: bool = False
    holder: str = ""
    leads: bool = False


@dataclass(slots=True)
class _Follower:
    """The one task of this process that waits for a holder, and the bell that spares it a look."""

    task: "asyncio.Task[Found]"
    bell: asyncio.Event


class Answers:
    """The answers of all processes. Every method raises SharedAway when Redis does not answer."""

    def __init__(self, shared: Shared, *, lease_s: float = LEASE_S) -> None:
        self._shared = shared
        self._lease_s = lease_s
        self._held: dict[tuple[str, str], float] = {}
        self._beating: asyncio.Task[None] | None = None
        self._followers: dict[tuple[str, str], _Follower] = {}

    async def look(self, question: Question, *, token: str, until_s: float) -> Found:
        """Give the answer; where no fresh one is, `token` leads if nobody else does, at most until `until_s`."""
        found = await self._look(question, token=token)
        if found.leads:
            self._held[question.key, token] = until_s
            if self._beating is None or self._beating.done():
                self._beating = asyncio.create_task(self._beat())
        return found

    async def follow(self, question: Question, holder: str, *, until_s: float) -> Found | None:
        """Wait until the holder has answered, let go or died, and give what there is then; None when time is up first.

        All who wait in this process for the same holder share one task that looks.
        """
        place = (question.key, holder)
        follower = self._followers.get(place)
        if follower is None or follower.task.done():
            bell = asyncio.Event()
            follower = self._followers[place] = _Follower(
                asyncio.create_task(self._watch(question, holder, bell)), bell
            )
            follower.task.add_done_callback(lambda task: self._forget(place, task))
        left_s = until_s - asyncio.get_running_loop().time()
        await asyncio.wait({follower.task}, timeout=max(0.0, left_s))
        return follower.task.result() if follower.task.done() and not follower.task.cancelled() else None

    async def put(self, key: str, remembered: Remembered, *, day: str, ttl_s: float, token: str = "") -> None:
        """Keep an answer for `ttl_s`, and let go of the lease of `token`."""
        self._held.pop((key, token), None)
        body = _remembered().dump_json(remembered)
        at = remembered.said_at.timestamp()
        await self._shared.run(_PUT, _keys(key), [body, f"{at:.3f}", day, _ms(ttl_s), token])
        self._ring(key, token)

    async def let_go(self, key: str, *, token: str) -> None:
        """Lead no more, without an answer."""
        self._held.pop((key, token), None)
        try:
            await self._shared.run(_LET_GO, _keys(key), [token, _ms(AWAY_S)])
        finally:
            self._ring(key, token)

    async def read(self, key: str) -> Remembered | None:
        """Give the answer of a key, of whatever age."""
        return parsed(await self._shared.run(_READ, _keys(key)))

    async def close(self) -> None:
        """Wait and renew no more."""
        tasks = [follower.task for follower in self._followers.values()]
        await ended(*tasks, *([self._beating] if self._beating else []))

    async def _look(self, question: Question, *, token: str = "") -> Found:
        fresh, body, holder = await self._shared.run(
            _LOOK, _keys(question.key), [token, _ms(self._lease_s), f"{question.fresh_from:.3f}", question.day]
        )
        remembered, holder = parsed(body), holder.decode()
        # An answer of another release that cannot be read is made anew, by whoever asks: it is there only once.
        return Found(remembered, bool(fresh and remembered), holder, leads=bool(token) and holder == token)

    async def _watch(self, question: Question, holder: str, bell: asyncio.Event) -> Found:
        pause_s = SOONEST_S
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), pause_s)
            try:
                found = await self._look(question)
            except SharedAway:
                return Found(None)
            if found.is_fresh or found.holder != holder:
                return found
            bell.clear()
            pause_s = min(pause_s * 1.5, LATEST_S)

    def _forget(self, place: tuple[str, str], task: "asyncio.Task[Found]") -> None:
        if place in self._followers and self._followers[place].task is task:
            del self._followers[place]

    def _ring(self, key: str, token: str) -> None:
        follower = self._followers.get((key, token))
        if follower:
            follower.bell.set()

    async def _beat(self) -> None:
        while self._held:
            await asyncio.sleep(self._lease_s / 5)
            now_s = asyncio.get_running_loop().time()
            for (key, token), until_s in list(self._held.items()):
                if until_s < now_s:
                    self._held.pop((key, token), None)
                    continue
                with suppress(SharedAway):
                    await self._shared.run(_RENEW, _keys(key), [token, _ms(self._lease_s)])


def age_s(remembered: Remembered) -> float:
    """Give the age of an answer in seconds; clocks of two machines may differ by a little, so never below 0."""
    return max(0.0, time.time() - remembered.said_at.timestamp())


@lru_cache(maxsize=1)
def _remembered() -> TypeAdapter[Remembered]:
    return TypeAdapter(Remembered)


def parsed(body: bytes) -> Remembered | None:
    """Read a kept answer; None for one of another release that cannot be read."""
    if not body:
        return None
    try:
        return _remembered().validate_json(body)
    except ValidationError as error:
        log.warning("cache.unreadable", faults=error.error_count())
        return None


def _keys(key: str) -> list[str]:
    # The braces keep both on one node of a cluster.
    return ["answer:{" + key + "}", "answer:{" + key + "}:lead"]


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
