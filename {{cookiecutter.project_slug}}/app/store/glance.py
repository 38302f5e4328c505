"""A look into the database through one connection that reads only, without the engine that a service needs.

Loading that takes longer than most commands: who asks the ledger at 3 am waits for the answer alone.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

from app.errors import DependencyDown

OPTIONS = "-c role=app_service -c statement_timeout=30000 -c default_transaction_read_only=on"
_NAMED = re.compile(r"(?<![:\w]):([a-z_]\w*)")


class Asks(Protocol):
    """What a statement needs of a transaction: a service's unit of work has it, and a glance."""

    async def sql(self, statement: str, **values: Any) -> Any:
        """Execute plain SQL with named parameters."""


class Rows:
    """What a statement found, read as the unit of work gives it."""

    def __init__(self, found: Iterable[dict[str, Any]]) -> None:
        self._found = list(found)

    def mappings(self) -> Iterator[Mapping[str, Any]]:
        """Give each row by the names of its columns."""
        return iter(self._found)


class Glance:
    """One transaction that can change nothing."""

    def __init__(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        self._connection = connection

    async def sql(self, statement: str, **values: Any) -> Rows:
        """Execute plain SQL with named parameters."""
        written = _NAMED.sub(r"%(\1)s", statement.replace("%", "%%"))
        made = await self._connection.execute(cast(Any, written), values)
        return Rows(await made.fetchall() if made.description else ())


@asynccontextmanager
async def glance(url: str, *, timeout_s: float = 5) -> AsyncIterator[Glance]:
    """Open a transaction of the application's role. Raises DependencyDown when the database does not answer."""
    scheme = urlsplit(url).scheme
    plain = url.replace(scheme, "postgresql", 1)
    try:
        connection = await psycopg.AsyncConnection.connect(
            plain, options=OPTIONS, connect_timeout=max(1, int(timeout_s)), row_factory=dict_row
        )
        async with connection:
            yield Glance(connection)
    except psycopg.OperationalError as error:
        raise DependencyDown("The database does not answer; is the service up? `make up` starts it here.") from error
