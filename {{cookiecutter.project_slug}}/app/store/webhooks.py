"""Receivers of events: where each is, what it listens to, and the sealed secrets that sign for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from app.errors import Conflict, NotFound
from app.store import sealed
from app.store.db import Work

_COLUMNS = (
    "w.id, w.name, w.url, w.kinds, w.usecases, w.words, w.enabled, w.why_off, w.created_by, w.created_at,"
    " w.changed_at, w.version, w.former_until, w.failures, w.held_until, w.last_ok_at, w.last_failed_at, w.last_error,"
    " d.waiting, given_up.dead, d.oldest_s"
)
# One after the other, so that each counts its own small index and not what was delivered in a month.
_COUNTED = (
    " CROSS JOIN LATERAL (SELECT count(*) AS waiting,"
    " coalesce(extract(epoch FROM now() - min(x.created_at)), 0)::float8 AS oldest_s"
    " FROM deliveries x WHERE x.webhook_id = w.id AND x.status = 'waiting') d"
    " CROSS JOIN LATERAL (SELECT count(*) AS dead"
    " FROM deliveries x WHERE x.webhook_id = w.id AND x.status = 'dead') given_up"
)


class WebhookRow(TypedDict):
    """A receiver as operators see it, without its secrets; `oldest_s` is how long its oldest delivery waits."""

    id: UUID
    name: str
    url: str
    kinds: list[str]
    usecases: list[str] | None
    words: bool
    enabled: bool
    why_off: str
    created_by: str
    created_at: datetime
    changed_at: datetime
    version: int
    former_until: datetime | None
    failures: int
    held_until: datetime | None
    last_ok_at: datetime | None
    last_failed_at: datetime | None
    last_error: str
    waiting: int
    dead: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Listens:
    """What a receiver is told: which kinds, of which use cases (None: all), and whether words go along."""

    kinds: tuple[str, ...]
    usecases: tuple[str, ...] | None = None
    words: bool = False


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made a receiver, with what is needed to look up their rights again."""

    user_id: str
    groups: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A receiver that was just made."""

    id: UUID
    name: str
    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver as the sender needs it; `secrets` are those in force, the newest first."""

    id: UUID
    name: str
    url: str
    secrets: tuple[str, ...]
    words: bool
    maker: Maker
    failures: int


async def add(work: Work, fresh: Fresh, listens: Listens, *, by: Maker) -> None:
    """Store a receiver. Raises Conflict when its name is taken."""
    row = sealed.closed(work.seals, "webhooks", {"id": fresh.id, "secret": fresh.secret})
    made = await work.sql(
        "INSERT INTO webhooks (id, name, url, kinds, usecases, words, secret, created_by, groups, unit)"
        " VALUES (:id, :name, :url, CAST(:kinds AS text[]), CAST(:usecases AS text[]), :words, :secret, :by,"
        " CAST(:groups AS text[]), :unit) ON CONFLICT (name) DO NOTHING RETURNING id",
        id=fresh.id,
        name=fresh.name,
        url=fresh.url,
        secret=row["secret"],
        by=by.user_id,
        groups=list(by.groups),
        unit=by.unit,
        **_columns(listens),
    )
    if made.first() is None:
        raise Conflict(f"There is a receiver named {fresh.name!r} already; turn it on again, or take another name.")


async def get(work: Work, id: UUID, *, lock: bool = False) -> WebhookRow:
    """Give one receiver; `lock` keeps it from being changed until the commit. Raises NotFound."""
    if lock:
        await work.sql("SELECT 1 FROM webhooks WHERE id = :id FOR UPDATE", id=id)
    rows = await work.sql(f"SELECT {_COLUMNS} FROM webhooks w{_COUNTED} WHERE w.id = :id", id=id)  # noqa: S608 - ours
    row = rows.mappings().first()
    if row is None:
        raise NotFound("There is no receiver with this id; the list shows each.")
    return _row(row)


async def listed(work: Work) -> list[WebhookRow]:
    """List the receivers, those that are on first, by name."""
    rows = await work.sql(f"SELECT {_COLUMNS} FROM webhooks w{_COUNTED} ORDER BY w.enabled DESC, w.name")  # noqa: S608
    return [_row(row) for row in rows.mappings()]


async def change(work: Work, id: UUID, listens: Listens, *, enabled: bool, why_off: str = "") -> None:
    """Change what a receiver is told, or turn it off or on; one that is turned on starts without a bad record."""
    await work.sql(
        "UPDATE webhooks SET kinds = CAST(:kinds AS text[]), usecases = CAST(:usecases AS text[]), words = :words,"
        " enabled = :enabled, why_off = :why_off, changed_at = now(), version = version + 1,"
        " failures = CASE WHEN :enabled AND NOT enabled THEN 0 ELSE failures END,"
        " held_until = CASE WHEN :enabled AND NOT enabled THEN NULL ELSE held_until END WHERE id = :id",
        id=id,
        enabled=enabled,
        why_off="" if enabled else why_off,
        **_columns(listens),
    )


async def turn_off(work: Work, id: UUID, *, why: str) -> bool:
    """Turn a receiver off that wants no more; False when it was off."""
    rows = await work.sql(
        "UPDATE webhooks SET enabled = false, why_off = :why, changed_at = now(), version = version + 1"
        " WHERE id = :id AND enabled RETURNING id",
        id=id,
        why=why,
    )
    return rows.first() is not None


async def rotate(work: Work, id: UUID, secret: str, *, overlap_s: float) -> None:
    """Sign with another secret from now on, and with the former one as well for so long."""
    row = (await work.sql("SELECT id, secret FROM webhooks WHERE id = :id FOR UPDATE", id=id)).mappings().one()
    # Each column's seal names its place, so the former secret is opened and sealed anew.
    former = sealed.opened(work.seals, "webhooks", row)["secret"]
    closed = sealed.closed(work.seals, "webhooks", {"id": id, "secret": secret, "former_secret": former})
    await work.sql(
        "UPDATE webhooks SET secret = :secret, former_secret = :former_secret, changed_at = now(),"
        " former_until = now() + make_interval(secs => :overlap_s), version = version + 1 WHERE id = :id",
        overlap_s=overlap_s,
        **closed,
    )


async def claim(work: Work, id: UUID, *, lease: UUID, lease_s: float) -> Receiver | None:
    """Take a receiver to send to it, alone; None when it is off, left alone for now, or somebody else sends."""
    rows = await work.sql(
        "UPDATE webhooks SET lease = :lease, lease_until = now() + make_interval(secs => :lease_s) WHERE id = :id"
        " AND enabled AND coalesce(held_until <= now(), true) AND coalesce(lease_until <= now(), true)"
        " RETURNING id, name, url, words, created_by, groups, unit, failures, secret,"
        " CASE WHEN former_until > now() THEN former_secret END AS former_secret",
        id=id,
        lease=lease,
        lease_s=lease_s,
    )
    row = rows.mappings().first()
    if row is None:
        return None
    told = sealed.opened(work.seals, "webhooks", row)
    secrets = tuple(each for each in (told["secret"], told["former_secret"]) if each and each != sealed.UNREADABLE)
    maker = Maker(row["created_by"], tuple(row["groups"]), row["unit"])
    return Receiver(row["id"], row["name"], row["url"], secrets, row["words"], maker, row["failures"])


async def ended(work: Work, id: UUID, *, ok: bool, error: str, held_s: float | None) -> None:
    """Note how a batch went: the receiver is left alone for `held_s` when it took nothing."""
    await work.sql(
        "UPDATE webhooks SET last_ok_at = CASE WHEN :ok THEN now() ELSE last_ok_at END,"
        " last_failed_at = CASE WHEN :error <> '' THEN now() ELSE last_failed_at END,"
        " last_error = CASE WHEN :error <> '' THEN :error WHEN :ok THEN '' ELSE last_error END,"
        " failures = CASE WHEN CAST(:held_s AS float8) IS NULL THEN 0 ELSE failures + 1 END,"
        " held_until = now() + make_interval(secs => CAST(:held_s AS float8)) WHERE id = :id",
        id=id,
        ok=ok,
        error=error,
        held_s=held_s,
    )


async def release(work: Work, id: UUID, *, lease: UUID) -> None:
    """Let somebody else send to it."""
    await work.sql("UPDATE webhooks SET lease = NULL, lease_until = NULL WHERE id = :id AND lease = :lease", id=id,
                   lease=lease)  # fmt: skip


async def hearing(work: Work, kind: str) -> list[tuple[str, ...] | None]:
    """Give for each receiver that listens to a kind the use cases it wants; None is all of them."""
    rows = await work.sql("SELECT usecases FROM webhooks WHERE enabled AND :kind = ANY (kinds)", kind=kind)
    return [None if row.usecases is None else tuple(row.usecases) for row in rows]


def _row(row: Any) -> WebhookRow:
    told: WebhookRow = WebhookRow(**row)  # type: ignore[typeddict-item]
    return told


def _columns(listens: Listens) -> dict[str, Any]:
    return {"kinds": list(listens.kinds), "usecases": _list(listens.usecases), "words": listens.words}


def _list(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else list(names)
