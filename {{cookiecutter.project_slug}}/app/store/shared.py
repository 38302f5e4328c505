"""Redis, for what all processes must agree on at once: slots, breakers, cached answers. Nothing here is the truth.

One connection carries the scripts of all who ask: what comes while a trip is under way goes together in the next one,
in the order in which it came.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

log = structlog.get_logger(__name__)
# A Redis that hangs costs each process one timeout per pause, not one per turn.
PAUSE_S = 1.0
# Later than this a timer is only rung where the process itself was busy, or its machine stood still.
LATE_S = 0.05
# Servers and what stands before them close connections that nobody uses.
RESTED_S = 5.0
# The end of a process waits for its last trips, but not for ever.
CLOSE_S = 5.0
Value = str | bytes | int | float


class SharedAway(Exception):
    """Redis does not answer, or did not a moment ago; each process goes on by itself."""


@dataclass(frozen=True, slots=True)
class _Errand:
    """A script to run, and who waits for its reply."""

    script: str
    arguments: tuple[Value, ...]
    reply: "asyncio.Future[Any]"

    def packed(self, *, whole: bool) -> bytes:
        """Give the command as Redis reads it: by the script's hash, or with the `whole` script."""
        command = ("EVAL", self.script) if whole else ("EVALSHA", _hash(self.script))
        words = [_encoded(word) for word in (*command, *self.arguments)]
        return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])


class Shared:
    """Runs scripts on Redis; after a failure every caller is told so at once until the pause is over."""

    def __init__(self, url: str, *, timeout_s: float = 0.5, pause_s: float = PAUSE_S) -> None:
        # The trip as a whole has a limit; one for each of its reads would cost a task each time.
        pool: Any = ConnectionPool.from_url(url, socket_timeout=None)
        self._connection = pool.make_connection()
        self._timeout_s, self._pause_s = timeout_s, pause_s
        self._away_until = self._last_s = 0.0
        self._waiting: list[_Errand] = []
        self._trips: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Say whether Redis failed a moment ago."""
        return time.monotonic() < self._away_until

    async def run(self, script: str, keys: Sequence[str], values: Sequence[Value] = ()) -> Any:
        """Run a Lua script atomically. Raises SharedAway.

        Whoever stops waiting does not stop the script: it may have been on its way already.
        """
        if self.is_away:
            raise SharedAway
        loop = asyncio.get_running_loop()
        errand = _Errand(script, (len(keys), *keys, *values), loop.create_future())
        self._waiting.append(errand)
        if self._trips is None:
            self._trips = loop.create_task(self._travel())
        return await errand.reply

    async def close(self) -> None:
        """Close the connection, once what is under way has come back."""
        if self._trips is not None:
            await asyncio.wait({self._trips}, timeout=CLOSE_S)
        await self._connection.disconnect()

    async def _travel(self) -> None:
        """Go until nobody waits any more."""
        under_way: list[_Errand] = []
        try:
            while self._waiting:
                under_way, self._waiting = self._waiting, []
                if self.is_away:
                    raise SharedAway
                async with asyncio.timeout(None) as limit:
                    bell = self._bell(limit)
                    try:
                        await self._trip(under_way)
                    finally:
                        bell.cancel()
        except (RedisError, OSError, TimeoutError, SharedAway) as error:
            await self._give_up(error)
        finally:
            self._trips = None
            for errand in (*under_way, *self._waiting):
                if not errand.reply.done():
                    errand.reply.set_exception(SharedAway())
            self._waiting = []

    def _bell(self, limit: asyncio.Timeout) -> asyncio.TimerHandle:
        """End a trip when its time is over; where this process could not look until later, once more after as long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timeout_s

        def over() -> None:
            now = loop.time()
            limit.reschedule(now + self._timeout_s if now - until > LATE_S else now)

        return loop.call_at(until, over)

    async def _trip(self, errands: Sequence[_Errand]) -> None:
        rested_s = time.monotonic() - self._last_s
        if rested_s > RESTED_S:
            # It may have been closed meanwhile, which would be seen too late; sending opens it again.
            await self._connection.disconnect(nowait=True)
        again = await self._sent(errands, whole=False)
        if again:
            await self._sent(again, whole=True)
        self._last_s = time.monotonic()

    async def _sent(self, errands: Sequence[_Errand], *, whole: bool) -> list[_Errand]:
        """Send scripts together and hand out the replies; gives back those that this Redis does not know yet."""
        unknown: list[_Errand] = []
        await self._connection.send_packed_command(b"".join([errand.packed(whole=whole) for errand in errands]))
        for errand in errands:
            try:
                reply = await self._connection.read_response()
            except NoScriptError:
                unknown.append(errand)
            except ResponseError as error:
                log.error("shared.script_failed", error=str(error))
                if not errand.reply.done():
                    errand.reply.set_exception(SharedAway())
            else:
                if not errand.reply.done():
                    errand.reply.set_result(reply)
        return unknown

    async def _give_up(self, error: Exception) -> None:
        if not isinstance(error, SharedAway):
            self._away_until = time.monotonic() + self._pause_s
            log.warning("shared.away", error=type(error).__name__)
        # What is still on its way would be taken for the reply to something else.
        await self._connection.disconnect(nowait=True)


_hashes: dict[str, str] = {}


def _hash(script: str) -> str:
    # SHA-1 is Redis' name for a script; it protects nothing.
    if script not in _hashes:
        _hashes[script] = sha1(script.encode(), usedforsecurity=False).hexdigest()
    return _hashes[script]


def _encoded(word: Value) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()
