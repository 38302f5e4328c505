"""Redis, for what all processes must agree on at once: slots, breakers, cached answers. Nothing here is the truth."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
# A Redis that hangs costs each process one timeout per pause, not one per turn.
PAUSE_S = 1.0
MOST_CONNECTIONS = 32


class SharedAway(Exception):
    """Redis does not answer, or did not a moment ago; each process goes on by itself."""


class Shared:
    """Runs scripts on Redis; after a failure every caller is told so at once until the pause is over."""

    def __init__(self, url: str, *, timeout_s: float = 0.5, pause_s: float = PAUSE_S) -> None:
        # A burst waits for a connection; a pool that refuses would look like a Redis that is away.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MOST_CONNECTIONS,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
        )
        self._redis = Redis.from_pool(pool)
        self._pause_s = pause_s
        self._away_until = 0.0
        self._scripts: dict[str, AsyncScript] = {}

    @property
    def is_away(self) -> bool:
        """Say whether Redis failed a moment ago."""
        return time.monotonic() < self._away_until

    async def run(self, script: str, keys: Sequence[str], values: Sequence[Any] = ()) -> Any:
        """Run a Lua script atomically. Raises SharedAway."""
        if self.is_away:
            raise SharedAway
        if script not in self._scripts:
            self._scripts[script] = self._redis.register_script(script)
        try:
            return await self._scripts[script](keys=list(keys), args=list(values))
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + self._pause_s
            log.warning("shared.away", error=type(error).__name__)
            raise SharedAway from error

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
