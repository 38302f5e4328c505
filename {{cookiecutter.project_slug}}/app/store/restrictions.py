"""Restrictions: who may not ask, or not come in at all; each change goes with its audit row."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from app.errors import NotFound
from app.store import audit
from app.store.db import Work

What = Literal["ask", "everything"]
Cause = Literal["operator", "spike"]
# How far back somebody's usual hour is looked for.
USUAL_DAYS = 14


@dataclass(frozen=True, slots=True)
class Restriction:
    """One restriction of a `user:`, `key:` or `address:` and its name; without `until` it stands until it is lifted."""

    id: UUID
    subject: str
    what: What
    cause: Cause
    reason: str
    set_by: str
    created_at: datetime
    until: datetime | None
    lifted_at: datetime | None = None
    lifted_by: str | None = None


# Named, never `*`: processes live on while a migration adds a column, and PostgreSQL then refuses the plan they kept.
_COLUMNS = "id, subject, what, cause, reason, set_by, created_at, until, lifted_at, lifted_by"


@dataclass(frozen=True, slots=True)
class Spending:
    """What a subject spent in one use case since `since`, and in a usual hour of theirs (None: there is none)."""

    subject: str
    usecase: str
    usd: Decimal
    usual_usd: Decimal | None


async def standing(work: Work) -> list[Restriction]:
    """Give those that hold now, the newest first."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM restrictions WHERE lifted_at IS NULL AND (until IS NULL OR until > now())"  # noqa: S608
        " ORDER BY created_at DESC"
    )
    return [Restriction(**row) for row in rows.mappings()]


async def latest(work: Work, *, limit: int = 100) -> list[Restriction]:
    """Give the newest, whether or not they still hold."""
    statement = f"SELECT {_COLUMNS} FROM restrictions ORDER BY created_at DESC LIMIT :limit"  # noqa: S608 - constants
    rows = await work.sql(statement, limit=limit)
    return [Restriction(**row) for row in rows.mappings()]


async def count(work: Work) -> int:
    """Count all that were ever set."""
    return int((await work.sql("SELECT count(*) FROM restrictions")).scalar_one())


async def lock(work: Work) -> None:
    """Let nobody else set a restriction until this transaction ends."""
    await work.sql("SELECT pg_advisory_xact_lock(hashtext('restrictions'))")


async def put(work: Work, made: Restriction) -> None:
    """Set a restriction in place of the one that the subject has."""
    await lock(work)
    found = await work.sql(
        "UPDATE restrictions SET lifted_at = least(now(), until), lifted_by = :by"
        " WHERE subject = :subject AND lifted_at IS NULL"
        " RETURNING what, until, reason, until IS NULL OR until > now() AS stood",
        subject=made.subject,
        by=made.set_by,
    )
    before = found.mappings().first()
    row = {"id": made.id, "subject": made.subject, "what": made.what, "cause": made.cause, "reason": made.reason}
    await work.sql(
        "INSERT INTO restrictions (id, subject, what, cause, reason, set_by, until)"
        " VALUES (:id, :subject, :what, :cause, :reason, :by, :until)",
        **row,
        by=made.set_by,
        until=made.until,
    )
    await audit.note(
        work,
        actor=made.set_by,
        action="restriction.set",
        subject=made.subject,
        reason=made.reason,
        before=_told(before) if before and before["stood"] else None,
        after=_told({"what": made.what, "until": made.until, "reason": made.reason}),
    )


async def lift(work: Work, restriction_id: UUID, *, by: str, because: str) -> str:
    """End one; gives whose it was. Raises NotFound when there is none that stands."""
    found = await work.sql(
        "UPDATE restrictions SET lifted_at = now(), lifted_by = :by"
        " WHERE id = :id AND lifted_at IS NULL AND (until IS NULL OR until > now())"
        " RETURNING subject, what, until, reason",
        id=restriction_id,
        by=by,
    )
    row = found.mappings().first()
    if row is None:
        raise NotFound("There is no restriction with this id that still stands.")
    await audit.note(
        work, actor=by, action="restriction.lift", subject=row["subject"], reason=because, before=_told(row)
    )
    return str(row["subject"])


async def spending(work: Work, *, minutes: int, least_usd: Decimal) -> list[Spending]:
    """Give who spent at least so much within the last minutes, by use case, and is not restricted now.

    What was spent before a restriction ended was judged then. Whoever asks by a key is that key, and nobody else.
    """
    rows = await work.sql(_SPENDING, minutes=minutes, least_usd=least_usd, days=USUAL_DAYS)
    return [Spending(**row) for row in rows.mappings()]


async def spikes(work: Work, *, since: datetime) -> list[dict[str, Any]]:
    """List who was kept from asking since a time because their spending suddenly rose, the newest first."""
    rows = await work.sql(
        "SELECT subject, reason, created_at, until, lifted_at FROM restrictions"
        " WHERE cause = 'spike' AND created_at >= :since ORDER BY created_at DESC LIMIT 50",
        since=since,
    )
    return [dict(row) for row in rows.mappings()]


# What the team runs by itself (evaluations, shadows) is nobody's spending.
_SPENDING = """
WITH recent AS (
    SELECT CASE WHEN key_id <> '' THEN 'key:' || key_id ELSE 'user:' || user_id END AS subject,
        user_id, coalesce(key_id, '') AS key_id, usecase, started_at, cost_usd
    FROM turns
    WHERE started_at > now() - make_interval(mins => :minutes) AND cost_usd > 0
    AND channel NOT IN ('evaluation', 'shadow')
), counted AS (
    SELECT r.subject, r.user_id, r.key_id, r.usecase, sum(r.cost_usd) AS usd,
        sum(sum(r.cost_usd)) OVER (PARTITION BY r.subject) AS whole
    FROM recent r
    LEFT JOIN LATERAL (
        SELECT max(least(coalesce(s.lifted_at, 'infinity'), coalesce(s.until, 'infinity'))) AS ended_at
        FROM restrictions s WHERE s.subject = r.subject
    ) before ON true
    WHERE before.ended_at IS NULL OR r.started_at > before.ended_at
    GROUP BY 1, 2, 3, 4
)
SELECT c.subject, c.usecase, c.usd, usual.usd AS usual_usd FROM counted c
LEFT JOIN LATERAL (
    SELECT avg(hour.usd) AS usd FROM (
        SELECT sum(t.cost_usd) AS usd FROM turns t
        WHERE t.user_id = c.user_id AND coalesce(t.key_id, '') = c.key_id AND t.cost_usd > 0
        AND t.channel NOT IN ('evaluation', 'shadow')
        AND t.started_at > now() - make_interval(days => :days)
        AND t.started_at <= now() - make_interval(mins => :minutes)
        GROUP BY date_trunc('hour', t.started_at)
    ) AS hour
) usual ON true
WHERE c.whole >= :least_usd
"""


def _told(row: Any) -> dict[str, Any]:
    until = row["until"]
    return {"what": row["what"], "until": until.isoformat() if until else None, "reason": row["reason"]}
