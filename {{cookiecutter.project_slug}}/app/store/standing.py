"""How the engines stand, asked from outside the service: before it starts, and when somebody looks by hand."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import redis
from psycopg.rows import dict_row
from redis.exceptions import RedisError

from app.store.migrate import heads

CONNECT_S = 5
_LOGIN = (
    "SELECT session_user AS login, rolsuper AS is_super, rolbypassrls AS is_above_rows,"
    " (SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = session_user) AS owned,"
    " (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS is_encrypted,"
    " (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,"
    " extract(epoch FROM clock_timestamp())::double precision AS at"
    " FROM pg_roles WHERE rolname = session_user"
)
_ROLE = (
    "SELECT rolsuper OR rolbypassrls AS is_above_rows,"
    " (SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user) AS owned,"
    " has_table_privilege('turns', 'UPDATE') OR has_table_privilege('audit', 'UPDATE')"
    " OR has_table_privilege('audit', 'DELETE') AS rewrites"
    " FROM pg_roles WHERE rolname = current_user"
)


@dataclass(frozen=True, slots=True)
class DatabaseStanding:
    """What PostgreSQL says of the login, the role and itself; `away` is why it could not be asked, in its words."""

    away: str = ""
    login: str = ""
    is_super: bool = False
    is_owner: bool = False
    is_encrypted: bool = False
    vector: str = ""
    skew_s: float = 0.0
    role_fault: str = ""
    behind: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class RedisStanding:
    """What Redis says of itself; `away` is why it could not be asked, and `evicts` its policy when memory is full."""

    away: str = ""
    version: str = ""
    evicts: str = ""


def database(url: str, *, timeout_s: int = CONNECT_S) -> DatabaseStanding:
    """Ask PostgreSQL as the service would, and once more before it has taken its role."""
    try:
        with psycopg.connect(url, connect_timeout=timeout_s, autocommit=True, row_factory=dict_row) as connection:
            begun = time.time()
            connection.execute("RESET ROLE")  # the address may have set one
            login = connection.execute(_LOGIN).fetchone() or {}
            return _stands(connection, login, skew_s=login["at"] - (begun + time.time()) / 2)
    except (psycopg.Error, OSError) as error:
        return DatabaseStanding(away=_said(error))


def _stands(connection: psycopg.Connection[Any], login: Mapping[str, Any], *, skew_s: float) -> DatabaseStanding:
    fault, behind = _role(connection)
    return DatabaseStanding(
        login=login["login"],
        is_super=login["is_super"] or login["is_above_rows"],
        is_owner=login["owned"] > 0,
        is_encrypted=bool(login["is_encrypted"]),
        vector=login["vector"] or "",
        skew_s=skew_s,
        role_fault=fault,
        behind=behind,
    )


def _role(connection: psycopg.Connection[Any]) -> tuple[str, tuple[str, ...] | None]:
    wanted = heads()
    try:
        connection.execute("SET ROLE app_service")
        row = connection.execute(_ROLE).fetchone() or {}
        applied = {found["version_num"] for found in connection.execute("SELECT version_num FROM alembic_version")}
    except psycopg.errors.InsufficientPrivilege as error:
        return f"the login cannot act as app_service: {_said(error)}", None
    except psycopg.Error:
        # Neither role nor tables: nothing was ever migrated here.
        return "", tuple(sorted(wanted))
    faults = {
        "app_service stands above row-level security": row["is_above_rows"],
        "app_service owns tables, so row-level security does not bind it": row["owned"],
        "app_service may change what is append-only": row["rewrites"],
    }
    return "; ".join(fault for fault, is_so in faults.items() if is_so), tuple(sorted(wanted - applied))


def broker(url: str, *, timeout_s: int = CONNECT_S) -> RedisStanding:
    """Ask Redis."""
    try:
        with redis.Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s) as client:
            told: Any = client.info()
            return RedisStanding(version=told.get("redis_version", ""), evicts=told.get("maxmemory_policy", ""))
    except (RedisError, OSError, ValueError) as error:
        return RedisStanding(away=_said(error))


def _said(error: Exception) -> str:
    words = str(error).strip().splitlines()
    return words[0] if words else type(error).__name__
