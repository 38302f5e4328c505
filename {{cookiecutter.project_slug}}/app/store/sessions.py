"""Conversations: one turn at a time, seen by every node."""

from collections.abc import Collection
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


async def listed(work: Work, *, user_id: str, limit: int = 50, before: datetime | None = None) -> list[SessionRow]:
    """List the person's sessions, the newest first; with `before` those in which nothing was said since then."""
    rows = await work.sql(
        "SELECT id, usecase, title, created_at, updated_at FROM sessions WHERE user_id = :user_id"
        " AND (CAST(:before AS timestamptz) IS NULL OR updated_at < :before) ORDER BY updated_at DESC LIMIT :limit",
        user_id=user_id,
        before=before,
        limit=limit,
    )
    return [SessionRow(**sealed.opened(work.seals, "sessions", row)) for row in rows.mappings()]


async def facts(work: Work, turn_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """Give how the turns of a conversation ended: outcome, rung, model, the age in seconds of a kept answer.

    `reviewed` says whether people were asked about a turn.
    """
    rows = await work.sql(
        "SELECT id, outcome, rung, model, age_s, EXISTS (SELECT FROM reviews r WHERE r.turn_id = t.id) AS reviewed"
        " FROM turns t WHERE id = ANY(CAST(:ids AS uuid[]))",
        ids=list(turn_ids),
    )
    known = ("outcome", "rung", "model", "age_s", "reviewed")
    return {row.id: {name: getattr(row, name) for name in known} for row in rows}


async def rename(work: Work, session_id: UUID, title: str, *, user_id: str) -> SessionRow:
    """Give a session of this person another title; its place in the list stays. Raises NotFound, and Held."""
    await _ensure_free(work, session_id, user_id)
    row = sealed.closed(work.seals, "sessions", {"id": session_id, "title": title})
    rows = await work.sql(
        "UPDATE sessions SET title = :title WHERE id = :id AND user_id = :user_id"
        " RETURNING id, usecase, title, created_at, updated_at",
        **row,
        user_id=user_id,
    )
    return SessionRow(**sealed.opened(work.seals, "sessions", rows.mappings().one()))


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
    await _ensure_free(work, session_id, user_id)
    await work.sql("DELETE FROM sessions WHERE id = :id AND user_id = :user_id", id=session_id, user_id=user_id)


async def _ensure_free(work: Work, session_id: UUID, user_id: str) -> None:
    rows = await work.sql(
        "SELECT usecase, created_at, updated_at FROM sessions WHERE id = :id AND user_id = :user_id FOR UPDATE",
        id=session_id,
        user_id=user_id,
    )
    found = rows.first()
    if found is None:
        raise NotFound("You have no session with this id.")
    await holds.refuse_one(work, user_id, found.usecase, span=(found.created_at, found.updated_at))
