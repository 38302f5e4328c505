"""Conversations: one turn at a time, seen by every node."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.turn import Citation
from app.errors import NotFound
from app.store import holds, sealed
from app.store.db import Work


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A conversation as its owner sees it in a list."""

    id: UUID
    usecase: str
    title: str
    created_at: datetime
    updated_at: datetime


async def release(work: Work, session_id: UUID, *, turn_id: UUID) -> bool:
    """Let go of the session; False when another turn holds it by now."""
    row = await work.sql(
        "UPDATE sessions SET busy_turn = NULL, busy_until = NULL, updated_at = now()"
        " WHERE id = :id AND busy_turn = :turn_id RETURNING id",
        id=session_id,
        turn_id=turn_id,
    )
    return row.first() is not None


def pointer(citation: Citation) -> dict[str, Any]:
    """Give the citation without its quote."""
    return {
        "marker": citation.marker,
        "document_id": str(citation.document_id),
        "title": citation.title,
        "uri": citation.uri,
        "heading": citation.heading,
        "page": citation.page,
        "anchor": citation.anchor,
    }


async def listed(work: Work, *, user_id: str, limit: int = 50) -> list[SessionRow]:
    """List the person's sessions, the newest first."""
    rows = await work.sql(
        "SELECT id, usecase, title, created_at, updated_at FROM sessions WHERE user_id = :user_id"
        " ORDER BY updated_at DESC LIMIT :limit",
        user_id=user_id,
        limit=limit,
    )
    return [SessionRow(**sealed.opened(work.seals, "sessions", row)) for row in rows.mappings()]


async def transcript(work: Work, session_id: UUID, *, user_id: str) -> tuple[SessionRow, list[dict[str, Any]]]:
    """Give one session of this person with everything said in it."""
    found = (
        (
            await work.sql(
                "SELECT id, usecase, title, created_at, updated_at FROM sessions WHERE id = :id AND user_id = :user_id",
                id=session_id,
                user_id=user_id,
            )
        )
        .mappings()
        .first()
    )
    if found is None:
        raise NotFound("You have no session with this id.")
    rows = await work.sql(
        "SELECT session_id, role, text, turn_id, citations, created_at FROM messages"
        " WHERE session_id = :id ORDER BY ordinal",
        id=session_id,
    )
    said = [sealed.opened(work.seals, "messages", row) for row in rows.mappings()]
    return SessionRow(**sealed.opened(work.seals, "sessions", found)), said


async def delete(work: Work, session_id: UUID, *, user_id: str) -> None:
    """Delete a session of this person with everything said in it. Raises NotFound, and Held under a legal hold."""
    rows = await work.sql(
        "SELECT usecase, created_at, updated_at FROM sessions WHERE id = :id AND user_id = :user_id",
        id=session_id,
        user_id=user_id,
    )
    if found := rows.first():
        await holds.refuse_one(work, user_id, found.usecase, span=(found.created_at, found.updated_at))
    gone = await work.sql(
        "DELETE FROM sessions WHERE id = :id AND user_id = :user_id RETURNING id", id=session_id, user_id=user_id
    )
    if gone.first() is None:
        raise NotFound("You have no session with this id.")
