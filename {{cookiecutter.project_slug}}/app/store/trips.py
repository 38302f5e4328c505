"""Single statements, each a transaction of its own in one round trip: what every turn does, at a tenth of the cost."""

import asyncio
import time
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection

# So old, a connection is replaced: passwords change, and databases move.
OLDEST_S = 900.0


class Trips:
    """At most `size` connections, made when they are wanted: nobody waits for a database that refuses them."""

    def __init__(self, url: str, *, size: int, timeout_s: float, options: str) -> None:
        self._url, self._timeout_s, self._options = url, timeout_s, options
        self._room = asyncio.Semaphore(size)
        self._idle: list[tuple[AsyncConnection, float]] = []

    async def run(self, statement: LiteralString, values: tuple[object, ...]) -> Any:
        """Give the first column of the first row. Raises psycopg.Error, OSError, TimeoutError."""
        async with asyncio.timeout(self._timeout_s):
            await self._room.acquire()
        try:
            connection, born = self._idle.pop() if self._idle else await self._connect()
            try:
                row = await (await connection.execute(statement, values)).fetchone()
            except BaseException as error:
                await self._forget(connection, error)
                raise
            await self._keep(connection, born)
            return row[0] if row else None
        finally:
            self._room.release()

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            await connection.close()

    async def _connect(self) -> tuple[AsyncConnection, float]:
        limit_s = max(1, int(self._timeout_s))
        connection = await AsyncConnection.connect(
            self._url, autocommit=True, options=self._options, connect_timeout=limit_s
        )
        return connection, time.monotonic()

    async def _keep(self, connection: AsyncConnection, born: float) -> None:
        if time.monotonic() - born < OLDEST_S:
            self._idle.append((connection, born))
        else:
            await connection.close()

    async def _forget(self, connection: AsyncConnection, error: BaseException) -> None:
        if isinstance(error, psycopg.Error) and not connection.broken:
            self._idle.append((connection, time.monotonic()))  # the statement was wrong, not the way to the database
            return
        await connection.close()
        if connection.broken:
            await self.close()  # whatever broke this one has broken the idle ones too
