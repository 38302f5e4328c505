"""Deliveries: one for each event and receiver; it waits, is delivered, or is a dead letter that can be sent again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from app.errors import NotFound
from app.store.db import Work
from app.store.plain import as_json

_COLUMNS = (
    "d.webhook_id, d.event_id, e.kind, e.subject, e.usecase, e.at, d.status, d.attempts, d.created_at, d.next_at,"
    " d.last_status, d.last_error, d.took_ms, d.ended_at"
)
STATUSES = ("waiting", "delivered", "dead")


class DeliveryRow(TypedDict):
    """A delivery as operators see it; `status` is waiting, delivered or dead, `last_status` the last HTTP status."""

    webhook_id: UUID
    event_id: UUID
    kind: str
    subject: str
    usecase: str
    at: datetime
    status: str
    attempts: int
    created_at: datetime
    next_at: datetime
    last_status: int | None
    last_error: str
    took_ms: float | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """An event on its way to one receiver, for the `attempts`-th time before this one."""

    id: UUID
    kind: str
    subject: str
    usecase: str
    data: dict[str, Any]
    at: datetime
    attempts: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try went: `again_s` is None for what was delivered, and for what is given up."""

    event_id: UUID
    delivered: bool
    status: int | None
    error: str
    took_ms: float
    again_s: float | None


async def due(work: Work) -> list[UUID]:
    """Give the receivers to whom something is to be sent now, and to whom nobody sends."""
    rows = await work.sql(
        "SELECT w.id FROM webhooks w WHERE w.enabled AND coalesce(w.held_until <= now(), true)"
        " AND coalesce(w.lease_until <= now(), true) AND EXISTS (SELECT FROM deliveries d"
        " WHERE d.webhook_id = w.id AND d.status = 'waiting' AND d.next_at <= now())"
    )
    return list(rows.scalars())


async def batch(work: Work, webhook_id: UUID, *, most: int) -> list[Letter]:
    """Give what is due for a receiver, the longest due first."""
    rows = await work.sql(
        "SELECT e.id, e.kind, e.subject, e.usecase, e.data, e.at, d.attempts,"
        " extract(epoch FROM now() - d.created_at)::float8 AS age_s"
        " FROM deliveries d JOIN events e ON e.id = d.event_id"
        " WHERE d.webhook_id = :id AND d.status = 'waiting' AND d.next_at <= now()"
        " ORDER BY d.next_at, e.seq LIMIT :most",
        id=webhook_id,
        most=most,
    )
    return [Letter(**row) for row in rows.mappings()]


async def settle(work: Work, webhook_id: UUID, tried: Sequence[Tried]) -> None:
    """Write down how tries went; one statement for all of them."""
    await work.sql(
        "UPDATE deliveries d SET attempts = d.attempts + 1, last_status = t.status, last_error = t.error,"
        " took_ms = t.took_ms, next_at = now() + make_interval(secs => coalesce(t.again_s, 0)),"
        " status = CASE WHEN t.delivered THEN 'delivered' WHEN t.again_s IS NULL THEN 'dead' ELSE 'waiting' END,"
        " ended_at = CASE WHEN t.delivered OR t.again_s IS NULL THEN now() END"
        " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS t(event_id uuid, delivered boolean, status integer,"
        " error text, took_ms float8, again_s float8)"
        " WHERE d.webhook_id = :id AND d.event_id = t.event_id AND d.status = 'waiting'",
        id=webhook_id,
        rows=as_json([asdict(each) for each in tried]),
    )


async def listed(
    work: Work, webhook_id: UUID, *, status: str = "", before: datetime | None = None, limit: int = 100
) -> list[DeliveryRow]:
    """List deliveries to a receiver of a status (empty: any), the newest first; `before` is where a page begins."""
    # In the statement, for its index.
    only = f" AND d.status = '{status}'" if status in STATUSES else ""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM deliveries d JOIN events e ON e.id = d.event_id"  # noqa: S608 - constants only
        f" WHERE d.webhook_id = :id{only}"
        " AND (CAST(:before AS timestamptz) IS NULL OR e.at < :before) ORDER BY e.at DESC, e.seq DESC LIMIT :limit",
        id=webhook_id,
        before=before,
        limit=limit,
    )
    return [DeliveryRow(**row) for row in rows.mappings()]  # type: ignore[typeddict-item]


async def one(work: Work, webhook_id: UUID, event_id: UUID) -> DeliveryRow:
    """Give a delivery. Raises NotFound."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM deliveries d JOIN events e ON e.id = d.event_id"  # noqa: S608 - a constant
        " WHERE d.webhook_id = :id AND d.event_id = :event_id",
        id=webhook_id,
        event_id=event_id,
    )
    row = rows.mappings().first()
    if row is None:
        raise NotFound("There is no delivery of this event to this receiver.")
    told: DeliveryRow = DeliveryRow(**row)  # type: ignore[typeddict-item]
    return told


async def put_back(work: Work, webhook_id: UUID, *, event_id: UUID | None = None, since: datetime | None = None) -> int:
    """Send again: one event however it ended, or every dead letter (`since` a moment); gives how many."""
    rows = await work.sql(
        "UPDATE deliveries d SET status = 'waiting', attempts = 0, created_at = now(), next_at = now(), ended_at = NULL"
        " FROM events e WHERE e.id = d.event_id AND d.webhook_id = :id"
        " AND (CASE WHEN CAST(:event_id AS uuid) IS NULL THEN d.status = 'dead' ELSE d.event_id = :event_id END)"
        " AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since)",
        id=webhook_id,
        event_id=event_id,
        since=since,
    )
    await work.sql("UPDATE webhooks SET held_until = NULL WHERE id = :id", id=webhook_id)
    return rows.rowcount


async def hand(work: Work, webhook_id: UUID, event_id: UUID) -> None:
    """Send an event to one receiver, whatever it listens to."""
    await work.sql("INSERT INTO deliveries (webhook_id, event_id) VALUES (:id, :event_id)", id=webhook_id,
                   event_id=event_id)  # fmt: skip
