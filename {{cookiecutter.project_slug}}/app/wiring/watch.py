"""Looks at the dependencies now and then, so that their metrics are true although nobody asks."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from app.store.background import ended, fault

log = structlog.get_logger(__name__)
EVERY_S = 5.0


class Watch:
    """Repeats a look in the background for as long as the process serves."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    def start(self, look: Callable[[], Awaitable[object]]) -> None:
        """Look at once, and every few seconds."""
        self._task = asyncio.create_task(_repeat(look))

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            await ended(self._task)


async def _repeat(look: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await look()
        # Nobody would start this loop again.
        except Exception as error:
            log.warning("watch.failed", error=fault(error))
        await asyncio.sleep(EVERY_S)
