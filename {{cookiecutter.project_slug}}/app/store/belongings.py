"""What belongs to a person, found for their export: ids in pages, and rows that no other question asks for."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from app.store import sealed
from app.store.db import Database, Work

PAGE = 200
_BEGINNING = datetime(1970, 1, 1).astimezone()
# Each gives ids and times of what a person has. Shadow runs repeat a question of theirs and were shown to nobody.
_OWNED = {
    "sessions": "SELECT id, created_at AS at FROM sessions WHERE user_id = :user_id",
    "turns": "SELECT id, started_at AS at FROM turns WHERE user_id = :user_id AND channel <> 'shadow'",
    "jobs": "SELECT id, created_at AS at FROM jobs WHERE user_id = :user_id",
    "uploads": "SELECT id, created_at AS at FROM uploads WHERE user_id = :user_id",
    "documents": "SELECT id, created_at AS at FROM documents WHERE owner = :user_id",
}


async def ids(
    work: Work, what: str, user_id: str, *, after: tuple[datetime, UUID] | None
) -> list[tuple[UUID, datetime]]:
    """Give the next ids of sessions, turns, jobs, uploads or documents, the oldest first, at most PAGE."""
    at, id = after or (_BEGINNING, UUID(int=0))
    rows = await work.sql(
        f"SELECT id, at FROM ({_OWNED[what]}) AS mine WHERE (at, id) > (:at, CAST(:id AS uuid))"  # noqa: S608 - ours
        " ORDER BY at, id LIMIT :most",
        user_id=user_id,
        at=at,
        id=id,
        most=PAGE,
    )
    return [(row.id, row.at) for row in rows]


async def every(database: Database, what: str, user_id: str, *, claims: Any = None) -> AsyncIterator[UUID]:
    """Yield the id of each; nothing is held open while the caller works with it."""
    after: tuple[datetime, UUID] | None = None
    while True:
        async with database.work(claims=claims) as work:
            page = await ids(work, what, user_id, after=after)
        for id, _ in page:
            yield id
        if len(page) < PAGE:
            return
        after = (page[-1][1], page[-1][0])


async def feedback(work: Work, user_id: str) -> list[dict[str, Any]]:
    """Give the person's opinions of answers."""
    rows = await work.sql(
        "SELECT turn_id, user_id, thumbs, correction, created_at FROM feedback WHERE user_id = :user_id"
        " ORDER BY created_at",
        user_id=user_id,
    )
    return [sealed.opened(work.seals, "feedback", dict(row)) for row in rows.mappings()]


async def reviews(work: Work, user_id: str) -> list[dict[str, Any]]:
    """Give the reviews of what the person asked, with what was decided; a draft that was never given is left out."""
    rows = await work.sql(
        "SELECT id, turn_id, usecase, kind, question, status, why, complaint, created_at, due_at, decided_at,"
        " CASE WHEN status <> 'open' THEN final END AS final, CASE WHEN status <> 'open' THEN final_data END AS"
        " final_data, CASE WHEN status <> 'open' THEN note END AS note"
        " FROM reviews WHERE asker = :user_id ORDER BY created_at",
        user_id=user_id,
    )
    return [sealed.opened(work.seals, "reviews", dict(row)) for row in rows.mappings()]


async def captured_cases(work: Work, user_id: str) -> list[dict[str, Any]]:
    """Give what was said to be right about the person's turns."""
    rows = await work.sql(
        "SELECT id, turn_id, usecase, kind, question, expected, expected_data, remark, status, created_at"
        " FROM captured_cases WHERE asker = :user_id ORDER BY created_at",
        user_id=user_id,
    )
    return [sealed.opened(work.seals, "captured_cases", dict(row)) for row in rows.mappings()]


async def pieces(work: Work, document_id: UUID) -> list[dict[str, Any]]:
    """Give the text of a document piece by piece, as far as the claims of this transaction read it."""
    rows = await work.sql(
        "SELECT ordinal, heading, page, text FROM chunks WHERE document_id = :id ORDER BY ordinal", id=document_id
    )
    return [dict(row) for row in rows.mappings()]


async def keys(work: Work, user_id: str) -> list[dict[str, Any]]:
    """Give the API keys that the person made or that act for them, without secrets."""
    rows = await work.sql(
        "SELECT id, name, account, permissions, groups, usecases, created_at, expires_at, revoked_at, last_used_at"
        " FROM api_keys WHERE account = :user_id OR created_by = :user_id ORDER BY created_at",
        user_id=user_id,
    )
    return [dict(row) for row in rows.mappings()]


async def sign_ins(work: Work, user_id: str) -> list[dict[str, Any]]:
    """Give since when and until when browsers of the person are signed in."""
    rows = await work.sql(
        "SELECT created_at, expires_at FROM sign_ins WHERE user_id = :user_id ORDER BY created_at", user_id=user_id
    )
    return [dict(row) for row in rows.mappings()]


async def money(work: Work, user_id: str) -> list[dict[str, Any]]:
    """Give what the person spent per day and use case, as far as it is still kept."""
    rows = await work.sql(
        "SELECT period AS day, split_part(name, '/', 1) AS usecase, spent AS spent_usd FROM budgets"
        " WHERE kind = 'person' AND substr(name, strpos(name, '/') + 1) = :user_id ORDER BY period",
        user_id=user_id,
    )
    return [dict(row) for row in rows.mappings()]


async def events(work: Work, user_id: str) -> list[dict[str, Any]]:
    """Give what other systems were told that names the person, as far as it is still kept."""
    rows = await work.sql(
        "SELECT kind, subject, usecase, data, at FROM events WHERE people @> ARRAY[CAST(:user_id AS text)] ORDER BY at",
        user_id=user_id,
    )
    return [dict(row) for row in rows.mappings()]
