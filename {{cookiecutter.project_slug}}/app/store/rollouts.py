"""What a rollout's guard reads from the ledger: each arm's turns since a step began, and those before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.outcome import Outcome
from app.domain.rollout import CURRENT
from app.store.db import Work

# Turns that say something about what answered them; not those that were kept out, given again, or left.
COUNTED = (
    *(Outcome.ANSWERED_MODEL, Outcome.ANSWERED_EXTRACTIVE, Outcome.ANSWERED_RULES, Outcome.REFUSED_NO_EVIDENCE),
    *(Outcome.REFUSED_CHECK, Outcome.ESCALATED_REVIEW, Outcome.FAILED_MODEL, Outcome.FAILED_TIMEOUT),
    *(Outcome.FAILED_INTERNAL, Outcome.FAILED_DEPENDENCY),
)
USUAL_DAYS = 7
# What was usual is read from so many times as many turns as a step is judged by.
USUAL_TIMES = 10
# Errors: it failed, or a rung of the ladder was passed over. A thumb is the asker's own, about that turn.
_SUMS = """count(*) AS turns,
    count(*) FILTER (WHERE outcome LIKE 'failed%' OR jsonb_array_length(coalesce(skipped, '[]')) > 0) AS errors,
    count(*) FILTER (WHERE latency_ms > :slow_ms) AS slow,
    sum(least(coalesce(cost_usd, 0), :cap) / :cap) AS cost,
    count(*) FILTER (WHERE outcome = 'refused_no_evidence') AS refusals,
    count(*) FILTER (WHERE jsonb_array_length(coalesce(findings, '[]')) > 0) AS check_failures,
    count(thumbs) AS rated, count(*) FILTER (WHERE thumbs = 'down') AS thumbs_down,
    coalesce(avg(cost_usd), 0) AS cost_usd, percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms,
    count(DISTINCT user_id) AS people"""
_TURNS = """SELECT t.id, t.arm, t.user_id, t.started_at, t.outcome, t.skipped, t.findings, t.latency_ms, t.cost_usd,
    f.thumbs FROM turns t LEFT JOIN feedback f ON f.turn_id = t.id AND f.user_id = t.user_id"""
_COUNTED = "usecase = :usecase AND channel = ANY(:channels) AND outcome = ANY(:counted)"
_SINCE = f"{_COUNTED} AND arm <> '' AND started_at >="
# The latest turns of the arm that is watched, and what the other arm answered meanwhile.
_FIRST = f"SELECT started_at FROM turns WHERE {_SINCE} :since AND arm = :arm ORDER BY started_at DESC"  # noqa: S608 - constants
_LATEST = f"{_TURNS} WHERE {_SINCE} coalesce(({_FIRST} OFFSET :most - 1 LIMIT 1), :since)"
_USUAL = f"""{_TURNS} WHERE {_COUNTED} AND coalesce(arm, '') IN ('', :arm) AND started_at < :since
    AND started_at > CAST(:since AS timestamptz) - make_interval(days => :days)
    ORDER BY started_at DESC LIMIT :most"""
# Of one person only the latest turns count: what somebody repeats says little new.
_NUMBERED = "SELECT *, row_number() OVER (PARTITION BY arm, user_id ORDER BY started_at DESC, id) AS nth FROM seen"
_FROM_EACH = f"FROM ({_NUMBERED}) numbered WHERE nth <= :each"
CHANNELS = ("api", "openai", "job")


@dataclass(frozen=True, slots=True)
class Span:
    """Which turns of a use case are added up, and how.

    The latest `most` of an `arm` since a moment, with those that the other arm answered meanwhile, and of those the
    latest `each` of a person; which of them are slow, and up to where a turn's cost counts.
    """

    usecase: str
    arm: str
    since: datetime
    slow_ms: float
    cap_usd: float
    most: int
    each: int


async def lock(work: Work, usecase: str) -> None:
    """Let nobody else move this rollout until this transaction ends."""
    await work.sql("SELECT pg_advisory_xact_lock(hashtext('rollout.' || :usecase))", usecase=usecase)


async def sums(work: Work, span: Span) -> list[Mapping[str, Any]]:
    """Add up each arm's turns."""
    statement = f"WITH seen AS ({_LATEST}) SELECT arm, {_SUMS} {_FROM_EACH} GROUP BY arm"
    return await _read(work, statement, span, arm=span.arm, most=span.most, each=span.each)


async def persons(work: Work, span: Span) -> list[Mapping[str, Any]]:
    """Add up the turns of the arm that is watched, for each person who asked."""
    statement = f"WITH seen AS ({_LATEST}) SELECT {_SUMS} {_FROM_EACH} AND arm = :arm GROUP BY user_id"
    return await _read(work, statement, span, arm=span.arm, most=span.most, each=span.each)


async def usual(work: Work, span: Span) -> Mapping[str, Any]:
    """Add up what was answered as the contract says in the days before the step."""
    statement = f"WITH seen AS ({_USUAL}) SELECT {_SUMS} {_FROM_EACH}"
    more = {"arm": CURRENT, "most": span.most * USUAL_TIMES, "each": span.each, "days": USUAL_DAYS}
    return (await _read(work, statement, span, **more))[0]


async def series(work: Work, span: Span, *, slots: int) -> list[Mapping[str, Any]]:
    """Add up all turns of the arms, in `slots` equal parts of the time since then, numbered from 0."""
    part = "least(floor(extract(epoch FROM started_at - :since) / :part_s), :last)::integer"
    those = f"{_TURNS} WHERE {_SINCE} :since"
    slots_of = f"SELECT arm, {part} AS slot, {_SUMS} FROM seen GROUP BY 1, 2 ORDER BY 2"  # noqa: S608 - constants
    statement = f"WITH seen AS ({those}) {slots_of}"
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
