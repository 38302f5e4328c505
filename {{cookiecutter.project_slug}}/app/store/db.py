"""The unit of work: one transaction per request, task or step; messages leave after the commit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from app.errors import DependencyDown

Role = Literal["app_service", "app_ingest"]
READERS_SEPARATOR = "\x1f"


@dataclass(slots=True)
class Work:
    """An open transaction; `after_commit` callbacks run once it is safely stored, and never when it was not."""

    connection: AsyncConnection
    after_commit: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def run(self, statement: Executable, rows: Any = None) -> CursorResult[Any]:
        """Execute a statement, with one set of parameters or many."""
        result: CursorResult[Any] = await self.connection.execute(statement, rows)
        return result

    async def sql(self, statement: str, **values: Any) -> CursorResult[Any]:
        """Execute plain SQL with named parameters."""
        return await self.run(_parsed(statement), values)


class Database:
    """Connections of one database role, which owns no table."""

    def __init__(self, url: str, *, role: Role = "app_service", pool_size: int = 10, timeout_s: float = 5) -> None:
        self.role = role
        self.engine = _engine(url, role=role, pool_size=pool_size, timeout_s=timeout_s)

    @asynccontextmanager
    async def work(self, *, readers: Sequence[str] = ()) -> AsyncIterator[Work]:
        """Open a transaction that sees the documents of `readers` only; commit at the end, roll back on any error.

        Raises DependencyDown when the database does not answer.
        """
        try:
            async with self.engine.connect() as connection:
                work = Work(connection)
                if readers:
                    await work.sql(
                        "SELECT set_config('app.readers', :readers, true)", readers=READERS_SEPARATOR.join(readers)
                    )
                yield work
                await connection.commit()
        except (DBAPIError, PoolTimeout, OSError) as error:
            if isinstance(error, DBAPIError) and not _lost(error):
                raise
            raise DependencyDown("The database does not answer; try again in a moment.", retry_after_s=2) from error
        for callback in work.after_commit:
            await callback()

    async def check(self) -> str:
        """Say in a few words what is wrong with this connection, or nothing when all is well."""
        try:
            async with self.work() as work:
                row = (
                    await work.sql(
                        "SELECT current_user AS role, rolsuper OR rolbypassrls AS above FROM pg_roles"
                        " WHERE rolname = current_user"
                    )
                ).one()
        except DependencyDown as error:
            return error.detail
        return f"connected as {row.role}, which row-level security does not bind" if row.above else ""

    @property
    def in_use(self) -> int:
        """Count the connections that are in use."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


# Our statements are constants; reading one for its parameters anew each time would cost more than sending it.
_parsed = lru_cache(maxsize=1000)(text)


def _lost(error: DBAPIError) -> bool:
    # OperationalError without a SQLSTATE, or of the classes "connection" and "operator intervention".
    state = getattr(error.orig, "sqlstate", None)
    if type(error.orig).__name__ not in {"OperationalError", "AdminShutdown", "CrashShutdown", "CannotConnectNow"}:
        return error.connection_invalidated
    return state is None or state[:2] in {"08", "57", "53"}


def _engine(url: str, *, role: Role, pool_size: int, timeout_s: float) -> AsyncEngine:
    return create_async_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=timeout_s,
        pool_recycle=900,
        connect_args={
            "options": f"-c role={role} -c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000",
            "connect_timeout": max(1, int(timeout_s)),
        },
    )
