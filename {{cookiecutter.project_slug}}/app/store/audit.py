"""The audit: who did what, when and why, with what stood before and after; the database chains its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from app.store.db import Work
from app.store.tables import audit

# One entry over each batch of turns: they would drown what people did.
SEALED = "turns.sealed"
_ENTRY = """id, at, actor, action, subject, reason, before, after, seq,
    encode(previous, 'hex') AS previous, encode(hash, 'hex') AS hash"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries: empty or None is any; `before` is a place in the chain, where a page begins; times are UTC.

    `action` ends in a dot to mean a family, as in "review."; seals of turns come only when asked for by name.
    """

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


async def note(
    work: Work,
    *,
    actor: str,
    action: str,
    subject: str,
    reason: str,
    before: Any = None,
    after: Any = None,
) -> None:
    """Add an entry to the audit; `reason` may not be empty. It takes its place in the chain when this commits."""
    await work.run(
        insert(audit),
        {"actor": actor, "action": action, "subject": subject, "reason": reason, "before": before, "after": after},
    )


async def history(work: Work, *, subject: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Read what people did, the newest first."""
    return await found(work, Wanted(subject=subject or ""), limit=limit)


async def newest(work: Work, *, action: str, subjects: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read the newest entry of an action for each of these subjects, by subject."""
    rows = await work.sql(
        f"SELECT DISTINCT ON (subject) {_ENTRY} FROM audit WHERE action = :action"  # noqa: S608 - constants only
        " AND subject = ANY(CAST(:subjects AS text[])) ORDER BY subject, seq DESC",
        action=action,
        subjects=list(subjects),
    )
    return {row["subject"]: dict(row) for row in rows.mappings()}


async def found(work: Work, wanted: Wanted, *, limit: int) -> list[dict[str, Any]]:
    """Read the entries that are wanted, the newest first."""
    rows = await work.sql(
        f"SELECT {_ENTRY} FROM audit WHERE (:subject = '' OR subject = :subject) AND (:actor = '' OR actor = :actor)"  # noqa: S608 - constants only
        " AND (CASE WHEN :action = '' THEN action <> :sealed WHEN right(:action, 1) = '.'"
        " THEN starts_with(action, :action) ELSE action = :action END)"
        " AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)"
        " AND (CAST(:until AS timestamptz) IS NULL OR at < :until)"
        " AND (CAST(:before AS bigint) IS NULL OR seq < :before) ORDER BY seq DESC LIMIT :limit",
        subject=wanted.subject,
        actor=wanted.actor,
        action=wanted.action,
        sealed=SEALED,
        since=wanted.since,
        until=wanted.until,
        before=wanted.before,
        limit=limit,
    )
    return [dict(row) for row in rows.mappings()]
