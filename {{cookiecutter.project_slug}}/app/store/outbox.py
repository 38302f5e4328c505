"""Messages that must leave if, and only if, the transaction that wrote them was committed."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert

from app.store.db import Work
from app.store.tables import outbox


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way out."""

    id: int
    topic: str
    payload: dict[str, Any]


async def put(work: Work, topic: str, payload: dict[str, Any]) -> None:
    """Write a message; the relay sends it after the commit."""
    await work.run(insert(outbox), {"topic": topic, "payload": payload})


async def take(work: Work, *, most: int = 100) -> list[Letter]:
    """Lock the oldest unsent messages for this transaction; two relays never take the same."""
    rows = await work.sql(
        "SELECT id, topic, payload FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED",
        most=most,
    )
    return [Letter(row.id, row.topic, row.payload) for row in rows]


async def mark_sent(work: Work, letters: list[int]) -> None:
    """Note that these messages have left."""
    await work.sql("UPDATE outbox SET sent_at = now() WHERE id = ANY(:ids)", ids=letters)


async def forget(work: Work, *, older_than_s: float) -> None:
    """Delete messages that left long ago."""
    await work.sql("DELETE FROM outbox WHERE sent_at < now() - make_interval(secs => :age)", age=older_than_s)


async def unsent(work: Work) -> tuple[int, float]:
    """Count the messages that wait, and give the age of the oldest in seconds."""
    row = (
        await work.sql(
            "SELECT count(*) AS n, coalesce(extract(epoch FROM now() - min(created_at)), 0) AS age_s"
            " FROM outbox WHERE sent_at IS NULL"
        )
    ).one()
    return row.n, float(row.age_s)
