"""The relay: messages leave once their transaction is committed, and again if nobody can say that they did."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from app.errors import AppError
from app.store import outbox
from app.store.db import Database

log = structlog.get_logger(__name__)
Dispatch = Callable[[str, dict[str, Any]], Awaitable[None]]


class Relay:
    """Hands letters of the outbox to the queue; without a dispatcher it leaves them to the processes that have one."""

    def __init__(self, database: Database, dispatch: Dispatch | None) -> None:
        self._database, self._dispatch = database, dispatch
        self._running: set[asyncio.Task[int]] = set()

    async def soon(self) -> None:
        """Send what waits, without making the caller wait for it."""
        if self._dispatch is not None:
            task = asyncio.create_task(self.send())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def ring(self, topic: str) -> None:
        """Have a worker look at what waits elsewhere; a ring that is lost is repeated by whoever looks next."""
        if self._dispatch is None:
            return
        try:
            await self._dispatch(topic, {})
        except (AppError, OSError, TimeoutError) as error:
            log.warning("outbox.waits", error=type(error).__name__)

    async def send(self) -> int:
        """Send what waits and count it; what cannot be sent stays for the next time."""
        if self._dispatch is None:
            return 0
        sent: list[int] = []
        try:
            async with self._database.work() as work:
                for letter in await outbox.take(work):
                    await self._dispatch(letter.topic, letter.payload)
                    sent.append(letter.id)
                await outbox.mark_sent(work, sent)
        except (AppError, OSError, TimeoutError) as error:
            log.warning("outbox.waits", error=type(error).__name__)
            return 0
        return len(sent)
