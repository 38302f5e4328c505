"""Rates: how often one person may ask, counted in Redis for all processes together."""

import time
from dataclasses import dataclass

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether a request is allowed; who is refused may come back in `reset_s` seconds."""

    allowed: bool
    reset_s: int = 0


class Rates:
    """Moving windows per person and use case; while Redis is away each process counts for itself."""

    def __init__(self, redis_url: str, *, timeout_s: float = 0.5) -> None:
        self._shared = MovingWindowRateLimiter(
            RedisStorage(
                f"async+{redis_url}",
                implementation="redispy",
                wrap_exceptions=True,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
            )
        )
        self._local = MovingWindowRateLimiter(MemoryStorage())

    async def hit(self, usecase: str, user_id: str, *, per_minute: int) -> Allowance:
        """Count one request and say whether it is allowed."""
        try:
            return await self._hit(self._shared, usecase, user_id, per_minute)
        except (StorageError, OSError) as error:
            log.warning("limits.local", error=type(error).__name__)
            return await self._hit(self._local, usecase, user_id, per_minute)

    async def _hit(self, limiter: MovingWindowRateLimiter, usecase: str, user_id: str, per_minute: int) -> Allowance:
        item = RateLimitItemPerMinute(per_minute)
        allowed = await limiter.hit(item, "turns", usecase, user_id)
        if allowed:
            return Allowance(allowed=True)
        # Only who is refused is told when to come back: a second trip to Redis that others are spared.
        stats = await limiter.get_window_stats(item, "turns", usecase, user_id)
        return Allowance(allowed=False, reset_s=max(0, round(stats.reset_time - time.time())))
