"""Incidents: what an answer, or a question, was stopped for; open until a person has closed it with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from app.errors import BadInput, Conflict, NotFound
from app.store import audit, events
from app.store.db import Work


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that must not leave, or come in, and did not; `detail` says what, never in anybody's words."""

    kind: str
    turn_id: UUID
    usecase: str
    user_id: str
    channel: str
    detail: str


async def open_(work: Work, found: Sequence[Incident]) -> None:
    """Write incidents down."""
    for one in found:
        id = uuid4()
        await work.sql(
            "INSERT INTO incidents (id, kind, turn_id, usecase, user_id, channel, detail)"
            " VALUES (:id, :kind, :turn_id, :usecase, :user_id, :channel, :detail)",
            id=id,
            kind=one.kind,
            turn_id=one.turn_id,
            usecase=one.usecase,
            user_id=one.user_id,
            channel=one.channel,
            detail=one.detail[:500],
        )
        told = {"incident_id": str(id), "kind": one.kind, "turn_id": str(one.turn_id), "channel": one.channel}
        about = {"subject": f"incidents/{id}", "usecase": one.usecase}
        await events.emit(work, "incident.opened", **about, data={**told, "user_id": one.user_id})


async def listed(
    work: Work, *, status: str = "open", kind: str = "", offset: int = 0, limit: int = 100
) -> list[dict[str, Any]]:
    """List incidents of a status (empty: all), the newest first; `offset` is where a page begins."""
    rows = await work.sql(
        "SELECT * FROM incidents WHERE (:status = '' OR status = :status) AND (:kind = '' OR kind = :kind)"
        " ORDER BY at DESC, id LIMIT :limit OFFSET :offset",
        status=status,
        kind=kind,
        offset=offset,
        limit=limit,
    )
    return [dict(row) for row in rows.mappings()]


async def get(work: Work, incident_id: UUID) -> dict[str, Any]:
    """Give an incident, and lock it for this transaction. Raises NotFound."""
    row = (await work.sql("SELECT * FROM incidents WHERE id = :id FOR UPDATE", id=incident_id)).mappings().first()
    if row is None:
        raise NotFound("There is no incident with this id.")
    return dict(row)


async def close(work: Work, incident_id: UUID, *, by: str, because: str) -> dict[str, Any]:
    """Close an incident, with an entry in the audit. Raises BadInput, NotFound, Conflict."""
    because = _said(because, "Say what came of it: the reason is kept with the incident and in the audit.")
    row = await get(work, incident_id)
    if row["status"] == "closed":
        raise Conflict(f"This was closed by {row['closed_by']}.")
    closed = await work.sql(
        "UPDATE incidents SET status = 'closed', closed_by = :by, closed_at = now(), note = :note WHERE id = :id"
        " RETURNING *",
        id=incident_id,
        by=by,
        note=because,
    )
    await audit.note(
        work,
        actor=by,
        action="incident.closed",
        subject=str(incident_id),
        reason=because,
        before={"status": "open", "kind": row["kind"], "turn_id": str(row["turn_id"])},
        after={"status": "closed"},
    )
    return dict(closed.mappings().one())


async def reopen(work: Work, incident_id: UUID, *, by: str, because: str) -> dict[str, Any]:
    """Take a closing back, with an entry in the audit. Raises BadInput, NotFound, Conflict."""
    because = _said(because, "Say why it is open again: the reason is kept in the audit.")
    row = await get(work, incident_id)
    if row["status"] == "open":
        raise Conflict("This incident is open.")
    opened = await work.sql(
        "UPDATE incidents SET status = 'open', closed_by = NULL, closed_at = NULL, note = NULL WHERE id = :id"
        " RETURNING *",
        id=incident_id,
    )
    await audit.note(
        work,
        actor=by,
        action="incident.reopened",
        subject=str(incident_id),
        reason=because,
        before={"status": "closed", "closed_by": row["closed_by"], "note": row["note"]},
        after={"status": "open", "kind": row["kind"], "turn_id": str(row["turn_id"])},
    )
    return dict(opened.mappings().one())


def _said(because: str, otherwise: str) -> str:
    if not because.strip():
        raise BadInput(otherwise, errors=[{"field": "reason", "wrong": "empty"}])
    return because.strip()


async def counts(work: Work) -> dict[str, int]:
    """Count the open incidents by kind."""
    rows = await work.sql("SELECT kind, count(*) AS n FROM incidents WHERE status = 'open' GROUP BY kind")
    return {row.kind: row.n for row in rows}
