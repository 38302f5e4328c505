"""What the ledger adds up to: money, tokens and turns by whoever caused them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from app.store.glance import Asks

By = Literal["usecase", "unit", "user", "model"]
_COLUMN = {"usecase": "usecase", "unit": "unit", "user": "user_id"}
# Turns that nobody asked for are paid for all the same, but they are not volume.
_UNASKED = "('evaluation', 'shadow')"
# They run under somebody's rights, and are not what that person spent.
_ASKER = f"CASE WHEN channel IN {_UNASKED} THEN '' ELSE user_id END"
# Of the channels only those matter that nobody asked on; few turns are theirs.
_CALLS_WITH_CHANNEL = f"""(
        SELECT c.*, unasked.channel FROM calls c LEFT JOIN (
            SELECT id, channel FROM turns WHERE channel IN {_UNASKED}
            AND started_at >= :since AND (cast(:until AS timestamptz) IS NULL OR started_at < :until)
        ) unasked ON unasked.id = c.turn_id
    ) AS with_channel"""  # noqa: S608 - constants
# Jobs that one list shows.
MOST = 200


@dataclass(frozen=True, slots=True)
class Sample:
    """What a use case's turns cost in the last days, in US dollars; `turns` are those that people asked for.

    `unpriced` of the `calls` have no known price; `saved_*` is what the cache and the routes kept from being spent.
    `documents_usd` is what jobs spent on the use case's documents, which is no part of the other figures.
    """

    turns: int
    calls: int
    unpriced: int
    cost_usd: Decimal
    saved_by_cache_usd: Decimal
    saved_by_routes_usd: Decimal
    documents_usd: Decimal


async def sums(work: Asks, *, by: By, since: datetime, until: datetime | None = None) -> Sequence[Mapping[str, Any]]:
    """Add up turns, and calls of jobs, between two times, the dearest first; `unpriced` calls are in no `cost_usd`.

    Turns that retention removed count by whole days (UTC), but under no person, and in no percentile. Evaluations and
    shadows count under the person "".
    """
    known = "false" if by == "user" else "true"
    column = _COLUMN.get(by, "")
    named = {"whose": column, "kept": column, "calls": "calls", "known": known, "by": by}
    if by == "user":
        named |= {"whose": _ASKER, "kept": "usecase", "calls": _CALLS_WITH_CHANNEL}
    statement = _BY_MODEL if by == "model" else _BY_TURN.format(**named)
    rows = await work.sql(statement, since=since, until=until)
    return [dict(row) for row in rows.mappings()]


_BY_TURN = """
WITH asked AS (
    SELECT {whose} AS name, count(*) AS turns, count(*) FILTER (WHERE outcome LIKE 'failed%') AS failed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms,
        sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
        sum(saved_usd) + coalesce(sum((route ->> 'saved_usd')::numeric), 0) AS saved_usd
    FROM turns WHERE started_at >= :since AND (cast(:until AS timestamptz) IS NULL OR started_at < :until)
    GROUP BY 1
), made AS (
    SELECT {whose} AS name, count(*) AS calls, count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced,
        coalesce(sum(input_tokens) FILTER (WHERE turn_id IS NULL), 0) AS input_tokens,
        coalesce(sum(output_tokens) FILTER (WHERE turn_id IS NULL), 0) AS output_tokens,
        coalesce(sum(cost_usd), 0) AS cost_usd
    FROM {calls} WHERE started_at >= :since AND (cast(:until AS timestamptz) IS NULL OR started_at < :until)
    GROUP BY 1
), kept AS (
    SELECT {kept} AS name, sum(turns) FILTER (WHERE model = '') AS turns,
        sum(failed) FILTER (WHERE model = '') AS failed, sum(calls) AS calls,
        sum(unpriced) AS unpriced, sum(input_tokens) AS input_tokens,
        sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd,
        sum(saved_by_cache_usd + saved_by_routes_usd) AS saved_usd
    FROM daily_costs WHERE {known} AND day >= (cast(:since AS timestamptz) AT TIME ZONE 'UTC')::date
    AND (cast(:until AS timestamptz) IS NULL OR day < (cast(:until AS timestamptz) AT TIME ZONE 'UTC')::date)
    GROUP BY 1
), known AS (
    SELECT name, turns, failed, p50_ms, p95_ms, 0 AS calls, 0 AS unpriced, input_tokens, output_tokens, 0 AS cost_usd,
        saved_usd FROM asked
    UNION ALL SELECT name, 0, 0, NULL, NULL, calls, unpriced, input_tokens, output_tokens, cost_usd, 0 FROM made
    UNION ALL SELECT name, turns, failed, NULL, NULL, calls, unpriced, input_tokens, output_tokens, cost_usd, saved_usd
    FROM kept
)
SELECT name AS "{by}", coalesce(sum(turns), 0)::bigint AS turns, coalesce(sum(failed), 0)::bigint AS failed,
    max(p50_ms) AS p50_ms, max(p95_ms) AS p95_ms, coalesce(sum(calls), 0)::bigint AS calls,
    coalesce(sum(unpriced), 0)::bigint AS unpriced, coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
    coalesce(sum(output_tokens), 0)::bigint AS output_tokens, coalesce(sum(cost_usd), 0) AS cost_usd,
    coalesce(sum(saved_usd), 0) AS saved_usd
FROM known GROUP BY 1 ORDER BY cost_usd DESC, turns DESC, 1
"""
_BY_MODEL = """
WITH made AS (
    SELECT provider || ':' || model AS model, count(DISTINCT turn_id) AS turns,
        count(DISTINCT turn_id) FILTER (WHERE error <> '') AS failed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms, count(*) AS calls,
        count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced, sum(input_tokens) AS input_tokens,
        sum(output_tokens) AS output_tokens, coalesce(sum(cost_usd), 0) AS cost_usd
    FROM calls WHERE started_at >= :since AND (cast(:until AS timestamptz) IS NULL OR started_at < :until)
    GROUP BY 1
    UNION ALL
    SELECT model, sum(turns), sum(failed), NULL, NULL, sum(calls), sum(unpriced), sum(input_tokens),
        sum(output_tokens), sum(cost_usd)
    FROM daily_costs WHERE model <> '' AND day >= (cast(:since AS timestamptz) AT TIME ZONE 'UTC')::date
    AND (cast(:until AS timestamptz) IS NULL OR day < (cast(:until AS timestamptz) AT TIME ZONE 'UTC')::date)
    GROUP BY 1
)
SELECT model, sum(turns)::bigint AS turns, sum(failed)::bigint AS failed, max(p50_ms) AS p50_ms, max(p95_ms) AS p95_ms,
    sum(calls)::bigint AS calls, sum(unpriced)::bigint AS unpriced, sum(input_tokens)::bigint AS input_tokens,
    sum(output_tokens)::bigint AS output_tokens, sum(cost_usd) AS cost_usd, 0 AS saved_usd
FROM made GROUP BY 1 ORDER BY cost_usd DESC, calls DESC, 1
"""


async def sample(work: Asks, *, usecase: str, days: int) -> Sample:
    """Add up what a use case's turns of the last days cost; what nobody asked for is left out."""
    row = (
        await work.sql(
            f"SELECT count(*) FILTER (WHERE channel NOT IN {_UNASKED}) AS turns,"  # noqa: S608 - fixed words
            " coalesce(sum(saved_usd), 0) AS saved_by_cache_usd,"
            " coalesce(sum((route ->> 'saved_usd')::numeric), 0) AS saved_by_routes_usd"
            f" FROM turns WHERE usecase = :usecase AND channel NOT IN {_UNASKED} AND outcome NOT LIKE 'refused_b%'"
            " AND started_at > now() - make_interval(days => :days)",
            usecase=usecase,
            days=days,
        )
    ).one()
    made = (
        await work.sql(
            "SELECT count(turn_id) AS calls,"  # noqa: S608 - fixed words
            " count(*) FILTER (WHERE turn_id IS NOT NULL AND cost_usd IS NULL) AS unpriced,"
            " coalesce(sum(cost_usd) FILTER (WHERE turn_id IS NOT NULL), 0) AS cost_usd,"
            " coalesce(sum(cost_usd) FILTER (WHERE turn_id IS NULL), 0) AS documents_usd FROM calls c"
            " WHERE usecase = :usecase AND started_at > now() - make_interval(days => :days)"
            f" AND NOT EXISTS (SELECT FROM turns t WHERE t.id = c.turn_id AND t.channel IN {_UNASKED}"
            "   AND t.started_at > now() - make_interval(days => :days))",
            usecase=usecase,
            days=days,
        )
    ).one()
    seen = Sample(**row._mapping, **made._mapping)
    return _sum(seen, await _kept(work, usecase=usecase, days=days))


async def _kept(work: Asks, *, usecase: str, days: int) -> Sample:
    """Add up the same of turns whose rows are gone."""
    rows = await work.sql(
        "SELECT coalesce(sum(turns - refused) FILTER (WHERE asked), 0)::bigint AS turns,"  # noqa: S608 - fixed words
        " coalesce(sum(calls) FILTER (WHERE of_turns), 0)::bigint AS calls,"
        " coalesce(sum(unpriced) FILTER (WHERE of_turns), 0)::bigint AS unpriced,"
        " coalesce(sum(cost_usd) FILTER (WHERE of_turns), 0) AS cost_usd,"
        " coalesce(sum(saved_by_cache_usd), 0) AS saved_by_cache_usd,"
        " coalesce(sum(saved_by_routes_usd), 0) AS saved_by_routes_usd,"
        " coalesce(sum(cost_usd) FILTER (WHERE channel = ''), 0) AS documents_usd"
        f" FROM (SELECT *, model = '' AND channel NOT IN {_UNASKED} AS asked, channel <> '' AS of_turns"
        "   FROM daily_costs WHERE usecase = :usecase AND channel NOT IN ('evaluation', 'shadow')"
        "   AND day > (now() AT TIME ZONE 'UTC')::date - cast(:days AS integer)) AS kept",
        usecase=usecase,
        days=days,
    )
    return Sample(**rows.one()._mapping)


def _sum(one: Sample, other: Sample) -> Sample:
    return Sample(**{each.name: getattr(one, each.name) + getattr(other, each.name) for each in fields(Sample)})


async def jobs_at(
    work: Asks,
    *,
    since: datetime,
    until: datetime,
    user_id: str | None = None,
    usecase: str | None = None,
    limit: int = MOST,
) -> Sequence[Mapping[str, Any]]:
    """Add up, between two times, the calls that jobs made by themselves, per job, use case and model."""
    rows = await work.sql(
        "SELECT job_id, j.kind, min(c.started_at) AS started_at, c.usecase, c.user_id, c.purpose,"
        " c.provider || ':' || c.model AS model, count(*) AS calls, count(*) FILTER (WHERE c.error <> '') AS failed,"
        " sum(c.latency_ms) AS latency_ms, sum(c.input_tokens) AS input_tokens,"
        " count(*) FILTER (WHERE c.cost_usd IS NULL) AS unpriced, coalesce(sum(c.cost_usd), 0) AS cost_usd"
        " FROM calls c LEFT JOIN jobs j ON j.id = c.job_id WHERE c.turn_id IS NULL"
        " AND c.started_at >= :since AND c.started_at < :until"
        " AND (cast(:user_id AS text) IS NULL OR c.user_id = :user_id)"
        " AND (cast(:usecase AS text) IS NULL OR c.usecase = :usecase)"
        " GROUP BY 1, 2, 4, 5, 6, 7 ORDER BY 3 LIMIT :limit",
        since=since,
        until=until,
        user_id=user_id,
        usecase=usecase,
        limit=limit,
    )
    return [dict(row) for row in rows.mappings()]
