"""What a rollout's guard reads from the ledger: each arm's turns since a step began, and before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.outcome import Outcome
from app.store import flags
from app.store.db import Work
from app.store.flags import FlagRow

# Turns that say something about what answered them; not those that were kept out, given again, or left.
COUNTED = (
    *(Outcome.ANSWERED_MODEL, Outcome.ANSWERED_EXTRACTIVE, Outcome.ANSWERED_RULES, Outcome.REFUSED_NO_EVIDENCE),
    *(Outcome.REFUSED_CHECK, Outcome.ESCALATED_REVIEW, Outcome.FAILED_MODEL, Outcome.FAILED_TIMEOUT),
    *(Outcome.FAILED_INTERNAL, Outcome.FAILED_DEPENDENCY),
)
USUAL_DAYS = 7
# Errors: it failed, or a rung of the ladder was passed over. A thumb is the asker's own, about that turn.
_SUMS = """count(*) AS turns,
    count(*) FILTER (WHERE outcome LIKE 'failed%' OR jsonb_array_length(coalesce(skipped, '[]')) > 0) AS errors,
    count(*) FILTER (WHERE latency_ms > :slow_ms) AS slow,
    sum(least(coalesce(cost_usd, 0), :cap) / :cap) AS cost,
    count(*) FILTER (WHERE outcome = 'refused_no_evidence') AS refusals,
    count(*) FILTER (WHERE jsonb_array_length(coalesce(findings, '[]')) > 0) AS check_failures,
    count(f.thumbs) AS rated, count(*) FILTER (WHERE f.thumbs = 'down') AS thumbs_down,
    coalesce(avg(cost_usd), 0) AS cost_usd, percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms"""
_FROM = """FROM turns t LEFT JOIN feedback f ON f.turn_id = t.id AND f.user_id = t.user_id
    WHERE usecase = :usecase AND started_at >= :since AND arm <> '' AND channel = ANY(:channels)
    AND outcome = ANY(:counted)"""
CHANNELS = ("api", "openai", "job")


@dataclass(frozen=True, slots=True)
class Span:
    """Whose turns: of a use case since a moment; which are slow, and up to where a turn's cost counts."""

    usecase: str
    since: datetime
    slow_ms: float
    cap_usd: float


async def lock(work: Work, usecase: str) -> None:
    """Let nobody else move this rollout until this transaction ends."""
    await work.sql("SELECT pg_advisory_xact_lock(hashtext('rollout.' || :usecase))", usecase=usecase)


async def flag(work: Work, key: str) -> FlagRow | None:
    """Give the flag of a rollout; None for a use case that was never moved."""
    return await flags.one(work, key)


async def sums(work: Work, span: Span) -> list[Mapping[str, Any]]:
    """Add up each arm's turns."""
    return await _read(work, f"SELECT arm, {_SUMS} {_FROM} GROUP BY arm", span)


async def series(work: Work, span: Span, *, slots: int) -> list[Mapping[str, Any]]:
    """Add them up in `slots` equal parts of the time since then, numbered from 0."""
    part = "least(floor(extract(epoch FROM started_at - :since) / :part_s), :last)::integer"
    statement = f"SELECT arm, {part} AS slot, {_SUMS} {_FROM} GROUP BY 1, 2 ORDER BY 2"
    age = await work.sql("SELECT extract(epoch FROM now() - CAST(:since AS timestamptz))", since=span.since)
    part_s = max(float(age.scalar_one()) / slots, 1.0)
    return await _read(work, statement, span, part_s=part_s, last=slots - 1)


async def usual_usd(work: Work, usecase: str, *, before: datetime) -> tuple[float, int]:
    """Give what a turn cost on average in the days before a moment, and of how many turns."""
    rows = await work.sql(
        "SELECT coalesce(avg(cost_usd), 0) AS average, count(*) AS turns FROM turns"
        " WHERE usecase = :usecase AND started_at < :before"
        " AND started_at > CAST(:before AS timestamptz) - make_interval(days => :days)"
        " AND coalesce(arm, '') IN ('', 'current') AND channel = ANY(:channels) AND outcome = ANY(:counted)",
        usecase=usecase,
        before=before,
        days=USUAL_DAYS,
        channels=list(CHANNELS),
        counted=[outcome.value for outcome in COUNTED],
    )
    row = rows.one()
    return float(row.average), int(row.turns)


async def _read(work: Work, statement: str, span: Span, **more: Any) -> list[Mapping[str, Any]]:
    rows = await work.sql(
        statement,
        usecase=span.usecase,
        since=span.since,
        slow_ms=span.slow_ms,
        cap=span.cap_usd,
        channels=list(CHANNELS),
        counted=[outcome.value for outcome in COUNTED],
        **more,
    )
    return [dict(row) for row in rows.mappings()]
