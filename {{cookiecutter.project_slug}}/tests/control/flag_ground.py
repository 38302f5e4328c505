"""Flags over a database and a Redis of their own, as several processes know them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from app.control.break_glass import BreakGlass
from app.control.flag_sources import OwnTable, Source
from app.control.flags import Flags, switch_definition
from app.control.subjects import Subjects
from app.domain.switch import switch_key
from app.store import flags as table
from app.store.broadcast import Broadcast
from app.store.db import Database

GENEROUS_S = 30.0
BY = {"by": "olga.petrov", "because": "wrong prices"}
MODELS = ("openai:large", "openai:small", "anthropic:other")


def seed(key: str, definition: dict[str, Any], *, kind: str = "boolean", expires_on: date = date.max) -> dict[str, Any]:
    """Give a flag as config/flags.toml names it."""
    row = {"key": key, "definition": definition, "kind": kind, "owner": "on_call", "expires_on": expires_on}
    return {**row, "changed_by": "config/flags.toml", "reason": "on from the start"}


SEEDS = [
    seed(switch_key("ai"), switch_definition(enabled=True)),
    seed(switch_key("handbook"), switch_definition(enabled=True)),
    seed(
        "greeting",
        {"state": "ENABLED", "variants": {"short": "Hi", "long": "Good morning"}, "defaultVariant": "short"},
        kind="string",
    ),
]


class Ground:
    """Makes flags as one process after the other would have them."""

    def __init__(self, database_url: str, redis_url: str, *, poll_s: float = 0.2) -> None:
        self.database, self.redis_url, self._poll_s = Database(database_url, pool_size=4), redis_url, poll_s
        self._made: list[tuple[Flags, Broadcast]] = []

    async def flags(
        self, *, source: Source | None = None, redis_url: str = "", file: Path | None = None, seeds: Any = SEEDS
    ) -> Flags:
        """Start one."""
        broadcast = Broadcast(redis_url or self.redis_url, timeout_s=0.3)
        made = Flags(
            source or OwnTable(self.database, seeds),
            broadcast,
            poll_s=self._poll_s,
            database=self.database,
            subjects=Subjects(self.database, models=MODELS, groups=("sales", "hr"), units=("Sales",)),
            glass=BreakGlass(file=str(file or "")),
        )
        self._made.append((made, broadcast))
        await made.start()
        return made

    async def close(self) -> None:
        """Stop them all."""
        for made, broadcast in self._made:
            await made.stop()
            await broadcast.close()
        await self.database.close()


@asynccontextmanager
async def ground(database_url: str, redis_url: str, **more: Any) -> AsyncIterator[Ground]:
    """Give a ground, and clear it."""
    made = Ground(database_url, redis_url, **more)
    try:
        yield made
    finally:
        await made.close()


async def past(land: Ground, key: str) -> list[table.PastRow]:
    """Give the history of a flag, the newest first."""
    async with land.database.work() as work:
        return await table.history(work, key)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, which another task brings about."""
    async with asyncio.timeout(GENEROUS_S):
        while not condition():  # noqa: ASYNC110 - what brings it about tells nobody
            await asyncio.sleep(0.02)
