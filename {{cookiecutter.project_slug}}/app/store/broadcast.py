"""Redis: the broadcast that tells every process at once, and nothing that would be lost with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.store.background import fault

log = structlog.get_logger(__name__)
RETRY_S = 0.5


class Broadcast:
    """Publish to, and listen on, Redis channels; a Redis that is away costs delay, never correctness."""

    def __init__(self, url: str, *, timeout_s: float = 1.0) -> None:
        self._redis = Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
        # A listener waits for as long as nothing is said.
        self._listener = Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=timeout_s, health_check_interval=5
        )

    async def publish(self, channel: str, message: str) -> bool:
        """Tell every listener; False when Redis is away."""
        try:
            await self._redis.publish(channel, message)
        except (RedisError, OSError) as error:
            log.warning("broadcast.failed", channel=channel, error=type(error).__name__)
            return False
        return True

    async def listen(self, channel: str) -> AsyncIterator[str]:
        """Yield messages for ever; reconnects by itself, and yields "" after each connection: some may be missed."""
        while True:
            try:
                async with self._listener.pubsub() as pubsub:
                    await pubsub.subscribe(channel)
                    yield ""
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            yield message["data"].decode()
            # Whatever it was, whoever listens must hear of what comes next.
            except Exception as error:
                log.warning("broadcast.lost", channel=channel, error=fault(error))
                await asyncio.sleep(RETRY_S)

    async def check(self) -> str:
        """Say in a few words what is wrong with Redis, or nothing when all is well."""
        try:
            await self._redis.ping()
        except (RedisError, OSError):
            return "Redis does not answer"
        return ""

    async def close(self) -> None:
        """Close every connection."""
        await self._redis.aclose()
        await self._listener.aclose()


async def follow(broadcast: Broadcast, channel: str, refresh: Callable[[], Awaitable[None]], *, poll_s: float) -> None:
    """Refresh for ever: when a channel speaks, and every `poll_s` seconds; whoever fails keeps what it knew."""

    async def once() -> None:
        try:
            await refresh()
        # A database has more ways to fail than a list holds, and nobody would start this loop again.
        except Exception as error:
            log.warning("broadcast.stale", channel=channel, error=fault(error))

    async def told() -> None:
        async for _ in broadcast.listen(channel):
            await once()

    async def polled() -> None:
        while True:
            await asyncio.sleep(poll_s)
            await once()

    await asyncio.gather(told(), polled())
