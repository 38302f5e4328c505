"""Messages that must leave if, and only if, the transaction that wrote them was committed."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert

from app.domain.job import DUTIES, NOTHING, Pauses
from app.store.db import Work
from app.store.tables import outbox


def waits(kind: str, usecase: str) -> str:
    """Give the condition, in SQL, under which a job of these expressions waits; its values are those of `waiting`."""
    return f"({kind} <> ALL(CAST(:duties AS text[])) AND (:everything OR {usecase} = ANY(CAST(:usecases AS text[]))))"


def waiting(but: Pauses) -> dict[str, Any]:
    """Give the values of the condition of `waits`."""
    return {"duties": list(DUTIES), "everything": but.everything, "usecases": list(but.usecases)}


# A letter about a job that waits keeps its place.
_WAITS = waits("coalesce(payload ->> 'kind', '')", "coalesce(payload ->> 'usecase', '')")
_GOES = f"NOT (topic = 'job' AND {_WAITS})"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way out."""

    id: int
    topic: str
    payload: dict[str, Any]


async def put(work: Work, topic: str, payload: dict[str, Any]) -> None:
    """Write a message; the relay sends it after the commit."""
    await work.run(insert(outbox), {"topic": topic, "payload": payload})


async def take(work: Work, *, after: int = 0, but: Pauses = NOTHING, most: int = 100) -> list[Letter]:
    """Lock the oldest unsent messages above a number for this transaction; two relays never take the same.

    Those of jobs that wait (`but`) stay.
    """
    rows = await work.sql(
        f"SELECT id, topic, payload FROM outbox WHERE sent_at IS NULL AND id > :after AND {_GOES}"  # noqa: S608 - ours
        " ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED",
        after=after,
        most=most,
        **waiting(but),
    )
    return [Letter(row.id, row.topic, row.payload) for row in rows]


async def mark_sent(work: Work, letters: list[int]) -> None:
    """Note that these messages have left."""
    await work.sql("UPDATE outbox SET sent_at = now() WHERE id = ANY(:ids)", ids=letters)


async def forget(work: Work, *, older_than_s: float) -> None:
    """Delete messages that left long ago."""
    await work.sql("DELETE FROM outbox WHERE sent_at < now() - make_interval(secs => :age)", age=older_than_s)


async def unsent(work: Work, *, but: Pauses = NOTHING) -> tuple[int, float]:
    """Count the messages that should leave, and give the age of the oldest in seconds; jobs that wait do not count."""
    row = (
        await work.sql(
            "SELECT count(*) AS n, coalesce(extract(epoch FROM now() - min(created_at)), 0) AS age_s"  # noqa: S608 - ours
            f" FROM outbox WHERE sent_at IS NULL AND {_GOES}",
            **waiting(but),
        )
    ).one()
    return row.n, float(row.age_s)
