"""Figures that are dear to count are counted once for all who look, and anew after a minute."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from app.store.db import Database

T = TypeVar("T")
# What takes longer to count than this is kept, for so long.
EASY_S, KEEP_S = 0.5, 60.0


@dataclass(frozen=True, slots=True)
class Counted(Generic[T]):
    """What was counted, and when (UTC); with `is_kept` for somebody who looked before."""

    value: T
    at: datetime
    is_kept: bool = False


@dataclass(slots=True)
class _Place:
    # Who comes while somebody counts waits for that, and counts nothing.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    counted: Counted[Any] | None = None
    until_s: float = 0.0


_PLACES: WeakKeyDictionary[Database, defaultdict[Hashable, _Place]] = WeakKeyDictionary()


async def kept(
    database: Database, key: Hashable, count: Callable[[], Awaitable[T]], *, easy_s: float | None = None
) -> Counted[T]:
    """Give what `count` gives, or has given within the last minute if that took longer than `easy_s`, else EASY_S.

    Raises what `count` raises.
    """
    place = _PLACES.setdefault(database, defaultdict(_Place))[key]
    async with place.lock:
        if place.counted and time.monotonic() < place.until_s:
            return Counted(place.counted.value, place.counted.at, is_kept=True)
        begun_s, at = time.monotonic(), datetime.now(UTC)
        place.counted = Counted(await count(), at)
        took_s = time.monotonic() - begun_s
        place.until_s = begun_s + KEEP_S if took_s > (EASY_S if easy_s is None else easy_s) else 0.0
        return place.counted
