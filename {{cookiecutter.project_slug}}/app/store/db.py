"""The unit of work: one transaction per request, task or step; messages leave after the commit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, LiteralString
from uuid import UUID

import psycopg
from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from app.domain.access import Claims
from app.errors import DependencyDown
from app.store.sealing import Seals
from app.store.trips import Trips
from app.telemetry import tracing

Role = Literal["app_service", "app_ingest", "app_keeper"]
SEPARATOR = "\x1f"
_job: ContextVar[UUID | None] = ContextVar("job", default=None)
_JOB = "SELECT set_config('app.job', :job, true)"
_CLAIM = (
    "SELECT set_config('app.readers', :names, true), set_config('app.clearance', :clearance, true),"
    " set_config('app.regions', :regions, true)"
)


@dataclass(slots=True)
class Work:
    """An open transaction; `after_commit` callbacks run once it is safely stored, and never when it was not."""

    connection: AsyncConnection
    seals: Seals
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

    # Set by wiring, before anything is connected; without keys nothing is sealed.
    seals: Seals

    def __init__(self, url: str, *, role: Role = "app_service", pool_size: int = 10, timeout_s: float = 5) -> None:
        self.role, self.seals = role, Seals()
        self.engine = _engine(url, role=role, pool_size=pool_size, timeout_s=timeout_s)
        options = _options(role)
        self._trips = Trips(_plain(url), size=pool_size, timeout_s=timeout_s, options=options)

    @asynccontextmanager
    async def work(self, *, claims: Claims | None = None) -> AsyncIterator[Work]:
        """Open a transaction that sees what these claims may read; commit at the end, roll back on any error.

        Without claims it sees no document. Raises DependencyDown when the database does not answer.
        """
        await self.ready()
        async with self.bare(claims=claims) as work:
            yield work

    async def ready(self) -> None:
        """Read the data keys when it is time to: `work` does it by itself, `trip` cannot, as its values come sealed."""
        if self.seals.is_due:
            await self.seals.load(self)

    @asynccontextmanager
    async def bare(self, *, claims: Claims | None = None) -> AsyncIterator[Work]:
        """Do the same with the data keys that are at hand: the way in which these are read themselves."""
        try:
            async with self.engine.connect() as connection:
                work = Work(connection, self.seals)
                if claims:
                    await work.sql(_CLAIM, **_settings(claims))
                if self.role == "app_ingest" and (job := _job.get()):
                    await work.sql(_JOB, job=str(job))
                yield work
                await connection.commit()
        except (DBAPIError, PoolTimeout, OSError) as error:
            if isinstance(error, DBAPIError) and not _lost(error):
                raise
            raise _down() from error
        for callback in work.after_commit:
            await callback()

    async def trip(self, statement: LiteralString, *values: object) -> Any:
        """Run one statement as a transaction of its own, in one round trip; give the first column of its first row.

        For what every turn does: the unit of work costs ten times as much. Raises DependencyDown as `work` does.
        """
        with tracing.span(statement.partition("(")[0]):
            try:
                return await self._trips.run(statement, values)
            except (psycopg.Error, OSError) as error:
                if isinstance(error, psycopg.Error) and not _gone(error):
                    raise
                raise _down() from error

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
        await self._trips.close()
        await self.engine.dispose()


@contextmanager
def on_behalf_of(job_id: UUID) -> Iterator[None]:
    """Have the database note changes of rights within the block under this job (0011_evidence.sql)."""
    token = _job.set(job_id)
    try:
        yield
    finally:
        _job.reset(token)


# Our statements are constants; reading one for its parameters anew each time would cost more than sending it.
_parsed = lru_cache(maxsize=1000)(text)


def _settings(claims: Claims) -> dict[str, str]:
    return {
        "names": SEPARATOR.join(claims.names),
        "clearance": str(claims.clearance),
        "regions": SEPARATOR.join(claims.regions),
    }


def _lost(error: DBAPIError) -> bool:
    return error.connection_invalidated or (isinstance(error.orig, psycopg.Error) and _gone(error.orig))


def _gone(error: psycopg.Error) -> bool:
    # OperationalError without a SQLSTATE, or of the classes "connection", "operator intervention", "resources".
    named = {"OperationalError", "AdminShutdown", "CrashShutdown", "CannotConnectNow"}
    return type(error).__name__ in named and (error.sqlstate is None or error.sqlstate[:2] in {"08", "57", "53"})


def _down() -> DependencyDown:
    return DependencyDown("The database does not answer; try again in a moment.", retry_after_s=2)


def _engine(url: str, *, role: Role, pool_size: int, timeout_s: float) -> AsyncEngine:
    return create_async_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        # Errors reach logs; what was asked and what documents say must not.
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=timeout_s,
        pool_recycle=900,
        connect_args={"options": _options(role), "connect_timeout": max(1, int(timeout_s))},
    )


def _options(role: Role) -> str:
    return f"-c role={role} -c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000"


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
