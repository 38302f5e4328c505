"""Questions that were answered, as vectors: finds the one that is nearest to another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.store.db import Work


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An answered question: the key of its answer, and the cosine of the angle between the two, at most 1."""

    key: str
    cosine: float


async def nearest(work: Work, *, scope: str, vector: Sequence[float], threshold: float) -> Neighbour | None:
    """Give the nearest question of this scope whose cosine reaches the threshold, or None."""
    rows = await work.sql(
        "SELECT key, 1 - (embedding <=> CAST(:vector AS halfvec)) AS cosine FROM semantic_answers"
        " WHERE scope = :scope AND expires_at > now() ORDER BY embedding <=> CAST(:vector AS halfvec) LIMIT 1",
        scope=scope,
        vector=_written(vector),
    )
    row = rows.first()
    return Neighbour(row.key, float(row.cosine)) if row and row.cosine >= threshold else None


async def keep(work: Work, *, key: str, scope: str, vector: Sequence[float], expires_at: datetime) -> None:
    """Keep a question that was answered; asked again, it lasts longer."""
    await work.sql(
        "INSERT INTO semantic_answers (key, scope, embedding, expires_at)"
        " VALUES (:key, :scope, CAST(:vector AS halfvec), :expires_at)"
        " ON CONFLICT (key) DO UPDATE SET scope = excluded.scope, embedding = excluded.embedding,"
        " expires_at = excluded.expires_at",
        key=key,
        scope=scope,
        vector=_written(vector),
        expires_at=expires_at,
    )


async def forget(work: Work) -> int:
    """Delete what has expired; gives how many there were."""
    rows = await work.sql("DELETE FROM semantic_answers WHERE expires_at < now() RETURNING key")
    return len(rows.all())


def _written(vector: Sequence[float]) -> str:
    return "[" + ",".join(f"{number:.5g}" for number in vector) + "]"
