"""API keys: their hashes, what each may do, until when, and when it was last used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

import orjson

from app.errors import Conflict, NotFound
from app.store.db import Database, Work
from app.store.plain import as_json

MOST_LISTED = 500
_COLUMNS = (
    "k.id, k.name, k.account, k.permissions, k.groups, k.usecases, k.created_by, k.created_at, k.expires_at,"
    " k.replaced_by, k.revoked_at, k.revoked_by, k.last_used_at,"
    " CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired'"
    " WHEN k.replaced_by IS NOT NULL THEN 'replaced' ELSE 'active' END AS status"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a key is for; None stands for everything that its account has."""

    permissions: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    usecases: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A key that has not been revoked, as each request needs it; `until` is in seconds since 1970."""

    id: str
    account: str
    scope: Scope
    until: float


@dataclass(frozen=True, slots=True)
class Fresh:
    """A key that was just made, as it is stored."""

    id: str
    hash: bytes


class KeyRow(TypedDict):
    """A key as operators see it; status is active, replaced (works until it expires), expired or revoked."""

    id: str
    name: str
    account: str
    permissions: list[str] | None
    groups: list[str] | None
    usecases: list[str] | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    replaced_by: str | None
    revoked_at: datetime | None
    revoked_by: str | None
    last_used_at: datetime | None
    status: str


async def found(database: Database, hash_: bytes) -> Found | None:
    """Give the key with this hash unless it is revoked; one trip. Raises DependencyDown."""
    text = await database.trip(
        "SELECT json_build_object('id', id, 'account', account, 'permissions', permissions, 'groups', groups,"
        " 'usecases', usecases, 'until', extract(epoch FROM expires_at))::text"
        " FROM api_keys WHERE hash = %s AND revoked_at IS NULL",
        hash_,
    )
    if text is None:
        return None
    row = orjson.loads(text)
    scope = Scope(*(_names(row[part]) for part in ("permissions", "groups", "usecases")))
    return Found(row["id"], row["account"], scope, float(row["until"]))


def _names(listed: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if listed is None else tuple(listed)


async def add(work: Work, fresh: Fresh, *, name: str, account: str, scope: Scope, by: str, days: float) -> None:
    """Store a new key."""
    await work.sql(
        "INSERT INTO api_keys (id, hash, name, account, permissions, groups, usecases, created_by, expires_at)"
        " VALUES (:id, :hash, :name, :account, CAST(:permissions AS text[]), CAST(:groups AS text[]),"
        " CAST(:usecases AS text[]), :by, now() + make_interval(secs => :days * 86400))",
        id=fresh.id,
        hash=fresh.hash,
        name=name,
        account=account,
        permissions=_list(scope.permissions),
        groups=_list(scope.groups),
        usecases=_list(scope.usecases),
        by=by,
        days=days,
    )


def _list(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)


async def get(work: Work, key_id: str) -> KeyRow:
    """Give one key. Raises NotFound."""
    rows = await work.sql(f"SELECT {_COLUMNS} FROM api_keys k WHERE k.id = :id", id=key_id)  # noqa: S608 - a constant
    row = rows.mappings().first()
    if row is None:
        raise NotFound("There is no API key with this id; the list shows each.")
    key: KeyRow = KeyRow(**row)  # type: ignore[typeddict-item]
    return key


async def makers(work: Work, account: str) -> set[str]:
    """Give the ids of all who ever made a key for an account."""
    rows = await work.sql("SELECT DISTINCT created_by FROM api_keys WHERE account = :account", account=account)
    return set(rows.scalars())


async def listed(work: Work, *, limit: int = MOST_LISTED) -> list[KeyRow]:
    """List keys, those that work first, then the newest."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM api_keys k"  # noqa: S608 - a constant
        " ORDER BY (k.revoked_at IS NULL AND k.expires_at > now()) DESC, k.created_at DESC, k.id LIMIT :limit",
        limit=limit,
    )
    return [KeyRow(**row) for row in rows.mappings()]  # type: ignore[typeddict-item]


async def count(work: Work) -> int:
    """Count the keys that were ever made."""
    return int((await work.sql("SELECT count(*) FROM api_keys")).scalar_one())


async def expiring(work: Work, *, within_days: int, used_within_days: int) -> int:
    """Count the keys in use that end soon and have no successor."""
    rows = await work.sql(
        "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND replaced_by IS NULL"
        " AND expires_at BETWEEN now() AND now() + make_interval(days => :within)"
        " AND last_used_at > now() - make_interval(days => :used)",
        within=within_days,
        used=used_within_days,
    )
    return int(rows.scalar_one())


async def replace(work: Work, key_id: str, *, by_id: str, overlap_s: float) -> None:
    """Let a key work for so much longer, and no longer than it would have anyway. Raises NotFound, Conflict."""
    done = await work.sql(
        "UPDATE api_keys SET replaced_by = :by_id,"
        " expires_at = least(expires_at, now() + make_interval(secs => :overlap_s))"
        " WHERE id = :id AND replaced_by IS NULL AND revoked_at IS NULL AND expires_at > now() RETURNING id",
        id=key_id,
        by_id=by_id,
        overlap_s=overlap_s,
    )
    if done.first() is None:
        raise Conflict(f"The key cannot be rotated: it is {(await get(work, key_id))['status']}; make a new one.")


async def revoke(work: Work, key_id: str, *, by: str) -> None:
    """End a key for ever. Raises NotFound, and Conflict when it was revoked before."""
    done = await work.sql(
        "UPDATE api_keys SET revoked_at = now(), revoked_by = :by WHERE id = :id AND revoked_at IS NULL RETURNING id",
        id=key_id,
        by=by,
    )
    if done.first() is None:
        await get(work, key_id)
        raise Conflict("The key is revoked already.")


async def used(work: Work, at: Mapping[str, float]) -> None:
    """Note when keys were last used, in seconds since 1970; one statement for all of them."""
    rows: list[dict[str, Any]] = [{"id": key_id, "at": moment} for key_id, moment in at.items()]
    await work.sql(
        "UPDATE api_keys k SET last_used_at = to_timestamp(u.at)"
        " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS u(id text, at float8)"
        " WHERE k.id = u.id AND (k.last_used_at IS NULL OR k.last_used_at < to_timestamp(u.at))",
        rows=as_json(rows),
    )
