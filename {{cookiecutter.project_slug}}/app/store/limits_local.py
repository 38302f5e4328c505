"""The same counters in this process alone: while Redis is away, and for what is asked before anything else."""

import time
from collections.abc import Callable, Sequence

from app.store.limits import BUCKETS, Counter, Reading

# Subjects that are remembered; some hundred bytes each. Above it those that have not been seen for a window go.
MOST_KNOWN = 50_000


class LocalCounters:
    """Counts as limits.lua does; `clock` gives seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._windows: dict[str, dict[int, int]] = {}
        self._leases: dict[str, dict[str, float]] = {}
        self._gone_at: dict[str, float] = {}

    def take(self, counters: Sequence[Counter]) -> list[Reading]:
        """Count all, or none when one has no room."""
        now = self._clock()
        found = [self._read(one, now) for one in counters]
        if any(reading.is_full for reading in found):
            return found
        self._make_room(now)
        for one in counters:
            if one.is_lease:
                self._leases.setdefault(one.key, {})[one.token] = now + one.hold_s
                self._gone_at[one.key] = max(self._gone_at.get(one.key, 0.0), now + one.hold_s)
            else:
                self._count(one, now)
        return [
            Reading(reading.left - (1 if one.is_lease else one.units), reading.again_s, is_full=False)
            for one, reading in zip(counters, found, strict=True)
        ]

    def add(self, counters: Sequence[Counter]) -> list[Reading]:
        """Count in any case, and give leases back."""
        now = self._clock()
        self._make_room(now)
        for one in counters:
            if one.is_lease:
                self._leases.get(one.key, {}).pop(one.token, None)
            else:
                self._count(one, now)
        return [self._read(one, now) for one in counters]

    def read(self, counter: Counter) -> Reading:
        """Say where a counter stands, and count nothing."""
        return self._read(counter, self._clock())

    def _count(self, one: Counter, now: float) -> None:
        if one.units:
            window = self._windows.setdefault(one.key, {})
            bucket = int(now * 1000 // one.bucket_ms)
            window[bucket] = window.get(bucket, 0) + one.units
            self._gone_at[one.key] = now + one.window_s * (BUCKETS + 1) / BUCKETS

    def _read(self, one: Counter, now: float) -> Reading:
        if one.is_lease:
            held = self._leases.get(one.key, {})
            for token in [token for token, until in held.items() if until <= now]:
                del held[token]
            return Reading(one.most - len(held), 1.0, len(held) >= one.most)
        window, first = self._windows.get(one.key, {}), int(now * 1000 // one.bucket_ms) - BUCKETS
        for bucket in [bucket for bucket in window if bucket < first]:
            del window[bucket]
        left = one.most - sum(window.values())
        lacking, freed = max(one.needs - left, 1), 0
        for bucket in sorted(window):
            freed += window[bucket]
            if freed >= lacking:
                again_s = (bucket + BUCKETS + 1) * one.bucket_ms / 1000 - now
                return Reading(left, again_s, left < one.needs)
        return Reading(left, one.window_s, left < one.needs)

    def _make_room(self, now: float) -> None:
        if len(self._gone_at) < MOST_KNOWN:
            return
        # Those that say nothing any more; when all do, the older half: an attacker with many addresses gets no memory.
        gone = [key for key, at in self._gone_at.items() if at <= now]
        for key in gone or list(self._gone_at)[: MOST_KNOWN // 2]:
            for kept in (self._gone_at, self._windows, self._leases):
                kept.pop(key, None)
