"""What was just looked up: one look-up for all who ask, and none for a moment after it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
# Redis tells every process of a change at once; where it does not, nobody goes by what was true longer ago than this.
FRESH_S = 2.0
MOST = 10_000


class Remembered(Generic[T]):
    """Looks things up by a hash; that there is none is remembered as well."""

    def __init__(self, look_up: Callable[[bytes], Awaitable[T | None]]) -> None:
        self._look_up = look_up
        self._held: dict[bytes, tuple[T | None, float]] = {}
        self._asking: dict[bytes, asyncio.Task[T | None]] = {}

    async def get(self, hash_: bytes) -> T | None:
        """Give what is there, as it was at most FRESH_S seconds ago. Raises what the look-up raises."""
        held = self._held.get(hash_)
        if held and time.monotonic() < held[1]:
            return held[0]
        asking = self._asking.get(hash_)
        if asking is None:
            asking = asyncio.create_task(self._asked(hash_))
            self._asking[hash_] = asking
            asking.add_done_callback(lambda done: self._answered(hash_, done))
        # One who hangs up must not end it for the others.
        return await asyncio.shield(asking)

    def forget(self) -> None:
        """Look everything up anew; nobody joins a look-up that may have been made before the change."""
        self._held, self._asking = {}, {}

    async def _asked(self, hash_: bytes) -> T | None:
        held, asked_at = self._held, time.monotonic()
        found = await self._look_up(hash_)
        if len(held) >= MOST:
            held.clear()
        # Into what `forget` has not replaced meanwhile: an answer from before a change is kept by nobody.
        held[hash_] = (found, asked_at + FRESH_S)
        return found

    def _answered(self, hash_: bytes, done: "asyncio.Task[T | None]") -> None:
        if self._asking.get(hash_) is done:
            del self._asking[hash_]
        if not done.cancelled():
            # Asked for, so that an error nobody waited for is not called a forgotten one.
            done.exception()
