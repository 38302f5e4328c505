"""Conversations: one turn at a time, seen by every node."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from app.domain.turn import Citation, Message
from app.errors import NotFound, SessionBusy
from app.store.db import Work

HISTORY_MESSAGES = 12


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A conversation as its owner sees it in a list."""

    id: UUID
    usecase: str
    title: str
    created_at: datetime
    updated_at: datetime


async def start(work: Work, *, usecase: str, user_id: str, title: str, turn_id: UUID, busy_s: float) -> UUID:
    """Open a new session, held by this turn for at most `busy_s` seconds."""
    session_id = uuid4()
    await work.sql(
        "INSERT INTO sessions (id, usecase, user_id, title, busy_turn, busy_until)"
        " VALUES (:id, :usecase, :user_id, :title, :turn_id, now() + make_interval(secs => :busy_s))",
        id=session_id,
        usecase=usecase,
        user_id=user_id,
        title=title[:80],
        turn_id=turn_id,
        busy_s=busy_s,
    )
    return session_id


async def claim(
    work: Work, session_id: UUID, *, usecase: str, user_id: str, turn_id: UUID, busy_s: float
) -> tuple[Message, ...]:
    """Hold the session for one turn and give what was said so far; a holder that died lets go after its `busy_s`."""
    held = await work.sql(
        "UPDATE sessions SET busy_turn = :turn_id, busy_until = now() + make_interval(secs => :busy_s)"
        " WHERE id = :id AND user_id = :user_id AND usecase = :usecase"
        " AND (busy_turn IS NULL OR busy_until < now()) RETURNING id",
        id=session_id,
        user_id=user_id,
        usecase=usecase,
        turn_id=turn_id,
        busy_s=busy_s,
    )
    if held.first() is None:
        await _refuse(work, session_id, usecase=usecase, user_id=user_id)
    return await history(work, session_id, last=HISTORY_MESSAGES)


async def _refuse(work: Work, session_id: UUID, *, usecase: str, user_id: str) -> None:
    row = await work.sql(
        "SELECT 1 FROM sessions WHERE id = :id AND user_id = :user_id AND usecase = :usecase",
        id=session_id,
        user_id=user_id,
        usecase=usecase,
    )
    if row.first() is None:
        raise NotFound("You have no session with this id in this use case; leave session_id out to start one.")
    raise SessionBusy(
        "Another turn of this session is being answered; send this one again when it is done.", retry_after_s=1
    )


async def history(work: Work, session_id: UUID, *, last: int = 1000) -> tuple[Message, ...]:
    """Give the newest `last` messages, oldest first."""
    rows = await work.sql(
        "SELECT role, text FROM (SELECT role, text, ordinal FROM messages WHERE session_id = :id"
        " ORDER BY ordinal DESC LIMIT :last) newest ORDER BY ordinal",
        id=session_id,
        last=last,
    )
    return tuple(Message(row.role, row.text) for row in rows)


async def release(work: Work, session_id: UUID, *, turn_id: UUID) -> bool:
    """Let go of the session; False when another turn holds it by now."""
    row = await work.sql(
        "UPDATE sessions SET busy_turn = NULL, busy_until = NULL, updated_at = now()"
        " WHERE id = :id AND busy_turn = :turn_id RETURNING id",
        id=session_id,
        turn_id=turn_id,
    )
    return row.first() is not None


async def say(
    work: Work, session_id: UUID, *, turn_id: UUID, said: Sequence[Message], citations: Sequence[Citation] = ()
) -> None:
    """Add messages at the end; citations go with the assistant's, without quotes: rights may change tomorrow."""
    pointers = [pointer(citation) for citation in citations]
    rows = [
        {
            "place": place,
            "role": message.role,
            "text": message.text,
            "citations": pointers if message.role == "assistant" else [],
        }
        for place, message in enumerate(said, start=1)
    ]
    await work.sql(
        "INSERT INTO messages (session_id, ordinal, turn_id, role, text, citations)"
        " SELECT :id, (SELECT coalesce(max(ordinal), -1) FROM messages WHERE session_id = :id) + said.place, :turn_id,"
        " said.role, said.text, said.citations FROM jsonb_to_recordset(cast(:said AS jsonb))"
        " AS said(place int, role text, text text, citations jsonb)",
        id=session_id,
        turn_id=turn_id,
        said=orjson.dumps(rows).decode(),
    )


def pointer(citation: Citation) -> dict[str, Any]:
    """Give the citation without its quote."""
    return {
        "marker": citation.marker,
        "document_id": str(citation.document_id),
        "title": citation.title,
        "uri": citation.uri,
        "heading": citation.heading,
        "page": citation.page,
    }


async def listed(work: Work, *, user_id: str, limit: int = 50) -> list[SessionRow]:
    """List the person's sessions, the newest first."""
    rows = await work.sql(
        "SELECT id, usecase, title, created_at, updated_at FROM sessions WHERE user_id = :user_id"
        " ORDER BY updated_at DESC LIMIT :limit",
        user_id=user_id,
        limit=limit,
    )
    return [SessionRow(**row) for row in rows.mappings()]


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
        "SELECT role, text, turn_id, citations, created_at FROM messages WHERE session_id = :id ORDER BY ordinal",
        id=session_id,
    )
    return SessionRow(**found), [dict(row) for row in rows.mappings()]


async def delete(work: Work, session_id: UUID, *, user_id: str) -> None:
    """Delete a session of this person with everything said in it."""
    gone = await work.sql(
        "DELETE FROM sessions WHERE id = :id AND user_id = :user_id RETURNING id", id=session_id, user_id=user_id
    )
    if gone.first() is None:
        raise NotFound("You have no session with this id.")
