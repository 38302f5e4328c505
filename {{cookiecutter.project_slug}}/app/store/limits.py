"""Counters of limits, shared by all processes: every counter of one request in one atomic trip to Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from app.store.shared import Shared, Value

_SCRIPT = Path(__file__).with_suffix(".lua").read_text()
# A window is so many buckets and one: the oldest counts as a whole.
BUCKETS = 20
# Redis shows its keys to whoever looks: who asks from where is no business of theirs.
DIGEST_BYTES = 12


@dataclass(frozen=True, slots=True)
class Counter:
    """One limit of one subject: `most` units in `window_s` seconds, or `most` leases at once (`window_s` 0).

    `units` are counted when there is room for `needs`. A lease has a `token`, and ends by itself after `hold_s`.
    """

    key: str
    most: int
    window_s: int = 0
    units: int = 1
    needs: int = 1
    token: str = ""
    hold_s: float = 0.0

    @property
    def is_lease(self) -> bool:
        """Say whether it is held and given back, and not counted per time."""
        return self.window_s == 0

    @property
    def bucket_ms(self) -> int:
        """Give the length of one bucket of its window, in milliseconds."""
        return self.window_s * 1000 // BUCKETS


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a counter stands: units `left`, seconds until there are more, and whether it refuses."""

    left: int
    again_s: float
    is_full: bool


def named(*parts: str) -> str:
    """Give the key of a counter; nobody can tell from it whose it is."""
    return "limits:" + blake2b("\x1f".join(parts).encode(), digest_size=DIGEST_BYTES).hexdigest()


class SharedCounters:
    """The counters in Redis; each call is one script, which travels with others."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def take(self, counters: Sequence[Counter]) -> list[Reading]:
        """Count all, or none when one has no room. Raises SharedAway."""
        return await self._run("take", counters)

    async def add(self, counters: Sequence[Counter]) -> list[Reading]:
        """Count in any case, and give leases back. Raises SharedAway."""
        return await self._run("add", counters)

    async def _run(self, operation: str, counters: Sequence[Counter]) -> list[Reading]:
        values: list[Value] = [operation]
        for one in counters:
            if one.is_lease:
                values += (one.most, 0, one.token, int(one.hold_s * 1000))
            else:
                values += (one.most, one.bucket_ms, one.units, one.needs)
        said = await self._shared.run(_SCRIPT, [one.key for one in counters], values)
        told = [int(number) for number in said.split()]
        return [
            Reading(left, again_ms / 1000, bool(is_full))
            for left, again_ms, is_full in zip(told[::3], told[1::3], told[2::3], strict=True)
        ]
