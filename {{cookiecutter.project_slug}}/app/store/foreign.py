"""Rows of somebody else's PostgreSQL: one query, read only, with limits of time; listed by pages, read one by one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from app.errors import BadInput, SourceFailed

CONNECT_S, STATEMENT_S = 5, 120
PAGE = 500
_READ_ONLY = f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_S * 1000}"
Row = dict[str, Any]


class Rows:
    """The rows of a query; open it with `async with`. Raises SourceFailed when the database does not answer."""

    def __init__(self, url: str, sql: str) -> None:
        self._url, self._sql = url.replace("postgresql+psycopg://", "postgresql://"), sql.strip().rstrip(";")
        self._connection: psycopg.AsyncConnection[Row] | None = None
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """Close the connection."""
        if self._connection:
            await self._connection.close()
            self._connection = None

    async def columns(self) -> list[str]:
        """Give the names of the query's columns. Raises BadInput for a query that the database refuses."""
        async with self._turn:
            connection = await self._opened()
            try:
                found = await connection.execute(_text(f"SELECT * FROM ({self._sql}) AS q LIMIT 0"))  # noqa: S608
                return [column.name for column in found.description or ()]
            except psycopg.OperationalError as error:
                raise await self._away(error) from error
            except psycopg.Error as error:
                raise BadInput(f"The database refuses the query: {str(error).strip()}.") from error

    async def pages(self, columns: Sequence[str]) -> AsyncIterator[list[Row]]:
        """List these expressions over `q`, the query, for every row, some hundreds at a time."""
        connection = await _connected(self._url)
        try:
            async with connection, connection.transaction(), connection.cursor("listing") as cursor:
                await cursor.execute(_text(f"SELECT {', '.join(columns)} FROM ({self._sql}) AS q"))  # noqa: S608
                while page := await cursor.fetchmany(PAGE):
                    yield page
        except psycopg.Error as error:
            raise SourceFailed(f"The database does not answer the query: {str(error).strip()}.") from error

    async def at(self, path: str) -> Row | None:
        """Give the row with this `path`, or None."""
        async with self._turn:
            connection = await self._opened()
            # A string of no type: the database takes it for whatever type the column has.
            statement = f"SELECT * FROM ({self._sql.replace('%', '%%')}) AS q WHERE q.path = %s"  # noqa: S608
            try:
                return await (await connection.execute(_text(statement), [path])).fetchone()
            except psycopg.Error as error:
                raise await self._away(error) from error

    async def _opened(self) -> psycopg.AsyncConnection[Row]:
        if self._connection is None:
            self._connection = await _connected(self._url)
            await self._connection.set_autocommit(True)
        return self._connection

    async def _away(self, error: psycopg.Error) -> SourceFailed:
        await self.close()
        return SourceFailed(f"The database does not answer: {str(error).strip()}.")


async def _connected(url: str) -> psycopg.AsyncConnection[Row]:
    try:
        return await psycopg.AsyncConnection.connect(
            url, row_factory=dict_row, connect_timeout=CONNECT_S, options=_READ_ONLY
        )
    except psycopg.Error as error:
        # Its own words may hold the address, and with it a password.
        raise SourceFailed(f"The source's database cannot be reached: {type(error).__name__}.") from error


def _text(statement: str) -> Any:
    # The query comes from the use case's own sources.py, as its code does.
    return statement
