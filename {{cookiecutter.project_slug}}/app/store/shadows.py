"""Turns that wait for their shadow, and what came of those that ran: figures only, the words are in the ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from pydantic import TypeAdapter

from app.domain.turn import Message, Passage, Retrieval, Turn
from app.store import sealed
from app.store.db import Database, Work
from app.store.plain import as_json

_PUT: LiteralString = (
    "WITH put AS (INSERT INTO shadow_waiting (turn_id, usecase, candidate, user_id, groups, unit, input)"
    " SELECT %s, %s, %s, %s, %s, %s, %s WHERE (SELECT count(*) FROM shadow_waiting WHERE usecase = %s) < %s"
    " ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM put"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a candidate is asked: all of it masked, and the map that puts personal data back."""

    question: str
    fields: dict[str, str]
    history: tuple[Message, ...]
    passages: tuple[Passage, ...]
    retrievals: tuple[Retrieval, ...]
    masks: dict[str, str]
    met: tuple[str, ...]
    canary: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A turn that waits for its shadow; `asked` is None where it does not open any more."""

    turn_id: UUID
    usecase: str
    candidate: str
    user_id: str
    groups: tuple[str, ...]
    unit: str
    asked: Asked | None


@dataclass(frozen=True, slots=True)
class Run:
    """A candidate's run beside the turn that people saw; latencies are those of the step `answer` in ms.

    `agrees` and `overlap` compare both answers, `preference` is the judge's; a cost is None where no price is known.
    """

    shadow_id: UUID
    turn_id: UUID
    usecase: str
    candidate: str
    seen_revision: str
    shadow_revision: str
    seen_outcome: str
    shadow_outcome: str
    agrees: bool
    overlap: float
    preference: str | None
    seen_ms: float
    shadow_ms: float
    seen_usd: Decimal | None
    shadow_usd: Decimal | None
    judge_usd: Decimal | None


_ASKED: TypeAdapter[Asked] = TypeAdapter(Asked)


async def put(database: Database, turn: Turn, candidate: str, asked: Asked, *, most: int) -> bool:
    """Let a turn wait for its shadow, in one trip; False where `most` of its use case wait already."""
    await database.ready()
    row = {"turn_id": turn.id, "input": as_json(asdict(asked))}
    kept = sealed.closed(database.seals, "shadow_waiting", row)["input"]
    who, name = turn.principal, turn.usecase.name
    values = (turn.id, name, candidate, who.user_id, list(who.token_groups), who.unit, kept, name, most)
    return bool(await database.trip(_PUT, *values))


async def waiting(work: Work, usecase: str, *, most: int) -> list[Waiting]:
    """Give the turns of a use case that wait, the oldest first."""
    rows = await work.sql(
        "SELECT turn_id, usecase, candidate, user_id, groups, unit, input FROM shadow_waiting"
        " WHERE usecase = :usecase ORDER BY at LIMIT :most",
        usecase=usecase,
        most=most,
    )
    return [_waiting(work, row) for row in rows.mappings()]


def _waiting(work: Work, row: Mapping[Any, Any]) -> Waiting:
    told = sealed.opened(work.seals, "shadow_waiting", dict(row))
    kept = told.pop("input")
    asked = None if kept == sealed.UNREADABLE else _ASKED.validate_json(kept)
    return Waiting(**{**told, "groups": tuple(told["groups"])}, asked=asked)


async def done(work: Work, turn_id: UUID, run: Run | None) -> None:
    """Forget what a turn waited with, and keep what came of its run, if it ran."""
    await work.sql("DELETE FROM shadow_waiting WHERE turn_id = :id", id=turn_id)
    if run:
        await work.sql(
            "INSERT INTO shadow_runs (shadow_id, turn_id, usecase, candidate, seen_revision, shadow_revision,"
            " seen_outcome, shadow_outcome, agrees, overlap, preference, seen_ms, shadow_ms, seen_usd, shadow_usd,"
            " judge_usd) VALUES (:shadow_id, :turn_id, :usecase, :candidate, :seen_revision, :shadow_revision,"
            " :seen_outcome, :shadow_outcome, :agrees, :overlap, :preference, :seen_ms, :shadow_ms, :seen_usd,"
            " :shadow_usd, :judge_usd) ON CONFLICT DO NOTHING",
            **asdict(run),
        )


async def waits(work: Work, turn_id: UUID) -> bool:
    """Say whether a turn still waits for its shadow: whoever is erased does not."""
    rows = await work.sql("SELECT FROM shadow_waiting WHERE turn_id = :id", id=turn_id)
    return rows.first() is not None


async def forget(work: Work, usecase: str) -> int:
    """Let nothing of a use case wait any longer; gives how many did."""
    rows = await work.sql("DELETE FROM shadow_waiting WHERE usecase = :usecase", usecase=usecase)
    return int(rows.rowcount)


async def outdated(work: Work, *, older_than_s: float) -> int:
    """Forget what waits for so long that nothing comes of it; gives how many."""
    rows = await work.sql(
        "DELETE FROM shadow_waiting WHERE at < now() - make_interval(secs => :age_s)", age_s=older_than_s
    )
    return int(rows.rowcount)


async def unattended(work: Work) -> list[str]:
    """Name the use cases of which turns wait and no job is at work on them."""
    rows = await work.sql(
        "SELECT DISTINCT w.usecase FROM shadow_waiting w WHERE NOT EXISTS (SELECT FROM jobs j"
        " WHERE j.kind = 'shadow' AND j.usecase = w.usecase AND j.status IN ('queued', 'running', 'cancelling'))"
    )
    return sorted(rows.scalars())


async def counts(work: Work) -> dict[str, int]:
    """Count what waits, by use case."""
    rows = await work.sql("SELECT usecase, count(*) AS n FROM shadow_waiting GROUP BY usecase")
    return {row.usecase: row.n for row in rows}


async def tidy(work: Work, usecase: str, *, older_than_s: float) -> None:
    """Delete the rows of jobs that are done: there may be one every few seconds, and they say nothing any more."""
    await work.sql(
        "DELETE FROM jobs WHERE kind = 'shadow' AND usecase = :usecase AND status = 'succeeded'"
        " AND finished_at < now() - make_interval(secs => :age_s)",
        usecase=usecase,
        age_s=older_than_s,
    )


async def lock(work: Work, usecase: str) -> None:
    """Let one process at a time submit the job of a use case."""
    await work.sql("SELECT pg_advisory_xact_lock(hashtext('shadow'), hashtext(:usecase))", usecase=usecase)


async def runs(
    work: Work, usecase: str, candidate: str, *, since: datetime | None = None, most: int = 1000
) -> list[Run]:
    """Give the newest runs of a candidate, the newest first."""
    rows = await work.sql(
        "SELECT shadow_id, turn_id, usecase, candidate, seen_revision, shadow_revision, seen_outcome, shadow_outcome,"
        " agrees, overlap, preference, seen_ms, shadow_ms, seen_usd, shadow_usd, judge_usd FROM shadow_runs"
        " WHERE usecase = :usecase AND candidate = :candidate"
        " AND (cast(:since AS timestamptz) IS NULL OR at >= :since) ORDER BY at DESC LIMIT :most",
        usecase=usecase,
        candidate=candidate,
        since=since,
        most=most,
    )
    return [Run(**row) for row in rows.mappings()]


async def candidates(work: Work) -> list[tuple[str, str]]:
    """Name each use case and candidate of which there are runs."""
    rows = await work.sql("SELECT DISTINCT usecase, candidate FROM shadow_runs ORDER BY 1, 2")
    return [(row.usecase, row.candidate) for row in rows]


async def spent(work: Work, usecase: str) -> Decimal:
    """Give what shadows of a use case cost in this calendar month (UTC), in US dollars."""
    rows = await work.sql(
        "SELECT coalesce(sum(spent), 0) FROM budgets WHERE kind = 'shadow' AND name = :usecase"
        " AND period = date_trunc('month', now() AT TIME ZONE 'UTC')::date",
        usecase=usecase,
    )
    return Decimal(rows.scalar_one())


async def words(work: Work, turn_ids: Sequence[UUID]) -> dict[UUID, Mapping[str, Any]]:
    """Give what the ledger has of these turns: masked question and answer, outcome, model."""
    rows = await work.sql(
        "SELECT id, question, answer, data, outcome, model, revision FROM turns WHERE id = ANY(:ids)",
        ids=list(turn_ids),
    )
    return {row["id"]: dict(row) for row in rows.mappings()}
