"""The relay: messages leave once their transaction is committed, and again if nobody can say that they did."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from app.domain.job import NOTHING, Pauses
from app.errors import AppError
from app.store import outbox
from app.store.db import Database
from app.store.outbox import Letter

log = structlog.get_logger(__name__)
Dispatch = Callable[[str, dict[str, Any]], Awaitable[None]]
# Letters of one transaction.
MOST = 100


class Relay:
    """Hands letters of the outbox to the queue; without a dispatcher it leaves them to the processes that have one."""

    def __init__(self, database: Database, dispatch: Dispatch | None) -> None:
        self._database, self._dispatch = database, dispatch
        self._running: set[asyncio.Task[int]] = set()
        self._pauses: Callable[[], Pauses] = lambda: NOTHING
        self._strange: set[int] = set()

    def heed(self, pauses: Callable[[], Pauses]) -> None:
        """Ask this before letters leave: those of jobs that wait keep their place."""
        self._pauses = pauses

    @property
    def pauses(self) -> Pauses:
        """Give which jobs wait now."""
        return self._pauses()

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
        """Send what waits, in order, and count it; what cannot be sent stays for the next time."""
        if self._dispatch is None:
            return 0
        count, after = 0, 0
        try:
            while True:
                async with self._database.work() as work:
                    letters = await outbox.take(work, after=after, but=self.pauses, most=MOST)
                    sent = [letter.id for letter in letters if await self._sent(letter, self._dispatch)]
                    await outbox.mark_sent(work, sent)
                count += len(sent)
                if len(letters) < MOST:
                    return count
                after = letters[-1].id
        except (AppError, OSError, TimeoutError) as error:
            log.warning("outbox.waits", error=type(error).__name__)
            return count

    async def _sent(self, letter: Letter, dispatch: Dispatch) -> bool:
        try:
            await dispatch(letter.topic, letter.payload)
        except (AppError, OSError, TimeoutError):
            raise
        except Exception:
            # Perhaps of a newer version, whose processes know it: it waits for them, and the others go on.
            if letter.id not in self._strange:
                self._strange.add(letter.id)
                kind = str(letter.payload.get("kind", ""))
                log.exception("outbox.strange", letter=letter.id, topic=letter.topic, kind=kind)
            return False
        return True
