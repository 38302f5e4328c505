"""A model's door as one process keeps it by itself while Redis is away: slots, a queue before them, and a breaker."""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Literal

# How a call ended, for the breaker: `none` says nothing about the model (the asker left, the request was wrong).
Verdict = Literal["good", "bad", "none"]


class HeldBack(Exception):
    """The model keeps failing; nobody calls it for a while."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When a door opens and shuts; times in seconds.

    It shuts after `failures` bad calls that are `share` of all within `window_s`, first for `open_s`, twice as long
    after each failed probe, at most `open_most_s`. Who is not in a hurry stands behind all who come within
    `patience_s`. A slot that nobody gives back is free again after `hold_s`; who waits is looked after every `poll_s`
    and taken for dead after `beat_s`.
    """

    window_s: float = 10.0
    failures: int = 5
    share: float = 0.5
    open_s: float = 2.0
    open_most_s: float = 60.0
    patience_s: float = 10.0
    hold_s: float = 30.0
    beat_s: float = 2.0
    poll_s: float = 0.02


class Breaker:
    """Holds calls back after failures; lets one through when the time is over, and all when that one succeeds."""

    def __init__(self, rules: Rules, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._recent: deque[tuple[float, bool]] = deque()
        self._until = 0.0
        self._span = 0.0
        self._probe: tuple[str, float] | None = None

    @property
    def is_shut(self) -> bool:
        """Say whether calls are held back, but for a probe."""
        return self._span > 0

    @property
    def held_back_s(self) -> float:
        """Give the seconds until the next probe may go in."""
        probe_until = self._probe[1] if self._probe else 0.0
        return max(0.0, max(self._until, probe_until) - self._clock()) if self.is_shut else 0.0

    def pass_through(self, token: str) -> bool:
        """Let a call in, as the probe when the time is over; says whether it is one. Raises HeldBack."""
        if not self.is_shut:
            return False
        if self.held_back_s > 0:
            raise HeldBack
        self._probe = (token, self._clock() + self._rules.hold_s)
        return True

    def judge(self, token: str, verdict: Verdict, *, retry_after_s: float = 0.0) -> None:
        """Take in how a call ended."""
        if self._probe is not None and self._probe[0] == token:
            self._probe = None
            if verdict == "good":
                self.close()
            elif verdict == "bad":
                self._shut(min(self._span * 2, self._rules.open_most_s), retry_after_s)
        elif not self.is_shut and verdict != "none":
            self._recent.append((self._clock(), verdict == "good"))
            if verdict == "bad" and self._is_failing():
                self._shut(self._rules.open_s, retry_after_s)

    def follow(self, held_back_s: float | None) -> None:
        """Take over what all processes agree on: shut for so long, or open (None)."""
        if held_back_s is None:
            if self.is_shut:
                self.close()
            return
        self._span = self._span or self._rules.open_s
        self._until = self._clock() + held_back_s

    def close(self) -> None:
        """Let everybody in again."""
        self._span, self._until, self._probe = 0.0, 0.0, None
        self._recent.clear()

    def _shut(self, span_s: float, retry_after_s: float) -> None:
        self._span = span_s
        self._until = self._clock() + max(span_s, min(retry_after_s, self._rules.open_most_s))

    def _is_failing(self) -> bool:
        oldest = self._clock() - self._rules.window_s
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()
        bad = sum(not is_good for _, is_good in self._recent)
        return bad >= self._rules.failures and bad >= self._rules.share * len(self._recent)


class Slots:
    """So many calls at once; the others wait, first come, first served, those in a hurry before those who are not."""

    def __init__(self, rules: Rules, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._clock = clock
        self._order = count()
        self._queue: list[tuple[float, int, asyncio.Future[None]]] = []
        self.taken = 0

    @property
    def waiting(self) -> int:
        """Count those who wait."""
        return sum(not turn.done() for _, _, turn in self._queue)

    async def take(self, limit: int, *, hurries: bool) -> None:
        """Wait for a slot, for as long as it takes."""
        if self.taken < limit and not self._queue:
            self.taken += 1
            return
        rank = self._clock() + (0.0 if hurries else self._rules.patience_s)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (rank, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(limit)
            raise

    def give_back(self, limit: int) -> None:
        """Free a slot, and let in who is next."""
        self.taken -= 1
        while self._queue and self.taken < limit:
            turn = heapq.heappop(self._queue)[2]
            if not turn.done():
                self.taken += 1
                turn.set_result(None)
