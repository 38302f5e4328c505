"""What came after a turn: what its asker thought of it, what people decided, what was stopped, what was said next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.store.db import Work

# Turns of one conversation that a story lists.
MOST = 50


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Rows about one turn, without anybody's words but masked questions of the same conversation.

    `reviews` says, by their ids, why each was opened, who decided and why.
    """

    opinions: tuple[dict[str, Any], ...]
    reviews: Mapping[UUID, Mapping[str, Any]]
    incidents: tuple[dict[str, Any], ...]
    conversation: tuple[dict[str, Any], ...]


async def of_turn(work: Work, turn_id: UUID, *, session_id: UUID | None, user_id: str, at: datetime) -> Aftermath:
    """Gather it; the conversation is that of the turn's own asker, with the turns nearest in time."""
    opinions = await work.sql("SELECT user_id, thumbs, created_at FROM feedback WHERE turn_id = :id", id=turn_id)
    reviews = await work.sql("SELECT id, why, decided_by, reason FROM reviews WHERE turn_id = :id", id=turn_id)
    incidents = await work.sql(
        "SELECT id, at, kind, detail, status, closed_by, note FROM incidents WHERE turn_id = :id ORDER BY at",
        id=turn_id,
    )
    return Aftermath(
        tuple(dict(row) for row in opinions.mappings()),
        {row["id"]: dict(row) for row in reviews.mappings()},
        tuple(dict(row) for row in incidents.mappings()),
        await _conversation(work, session_id, user_id=user_id, at=at) if session_id else (),
    )


async def _conversation(work: Work, session_id: UUID, *, user_id: str, at: datetime) -> tuple[dict[str, Any], ...]:
    rows = await work.sql(
        "SELECT id, started_at, question, outcome FROM turns WHERE session_id = :session_id AND user_id = :user_id"
        " AND id IN (SELECT turn_id FROM messages WHERE session_id = :session_id)"
        " ORDER BY abs(extract(epoch FROM started_at - CAST(:at AS timestamptz))) LIMIT :most",
        session_id=session_id,
        user_id=user_id,
        at=at,
        most=MOST,
    )
    return tuple(sorted((dict(row) for row in rows.mappings()), key=lambda row: row["started_at"]))
