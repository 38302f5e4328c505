"""Money day by day, and what it bought: cost, savings and good answers of the ledger, and of what retention removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from app.store.db import Work

# What the team runs by itself is paid for, but nobody asked for it.
_UNASKED = "('evaluation', 'shadow')"


@dataclass(frozen=True, slots=True)
class Day:
    """What a use case spent and saved on a day (UTC), in US dollars; `turns` are those that people asked for."""

    day: date
    usecase: str
    turns: int
    cost_usd: Decimal
    saved_by_cache_usd: Decimal
    saved_by_routes_usd: Decimal


@dataclass(frozen=True, slots=True)
class Bought:
    """What people got from a use case: answers given, answers that a reviewer let out, and those found bad.

    Found bad: thumbs down, or a complaint that no reviewer rejected.
    """

    usecase: str
    asked: int
    answered: int
    approved: int
    found_bad: int

    @property
    def good(self) -> int:
        """Count the answers that nobody found bad."""
        return max(0, self.answered + self.approved - self.found_bad)


async def days(work: Work, *, since: datetime) -> Sequence[Day]:
    """Add up each day and use case since a midnight (UTC), the oldest first; what retention removed counts too."""
    rows = await work.sql(_DAYS, since=since)
    return [Day(**row) for row in rows.mappings()]


_DAYS = f"""
SELECT day, usecase, sum(turns)::bigint AS turns, sum(cost_usd) AS cost_usd,
    sum(saved_by_cache_usd) AS saved_by_cache_usd, sum(saved_by_routes_usd) AS saved_by_routes_usd
FROM (
    SELECT (started_at AT TIME ZONE 'UTC')::date AS day, usecase,
        count(*) FILTER (WHERE channel NOT IN {_UNASKED}) AS turns, 0 AS cost_usd,
        coalesce(sum(saved_usd), 0) AS saved_by_cache_usd,
        coalesce(sum((route ->> 'saved_usd')::numeric), 0) AS saved_by_routes_usd
    FROM turns WHERE started_at >= :since GROUP BY 1, 2
    UNION ALL
    SELECT (started_at AT TIME ZONE 'UTC')::date, usecase, 0, coalesce(sum(cost_usd), 0), 0, 0
    FROM calls WHERE started_at >= :since GROUP BY 1, 2
    UNION ALL
    SELECT day, usecase, coalesce(sum(turns) FILTER (WHERE model = '' AND channel NOT IN {_UNASKED}), 0),
        sum(cost_usd), sum(saved_by_cache_usd), sum(saved_by_routes_usd)
    FROM daily_costs WHERE day >= (CAST(:since AS timestamptz) AT TIME ZONE 'UTC')::date GROUP BY 1, 2
) AS known GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 - constants only


async def bought(work: Work, *, since: datetime) -> Sequence[Bought]:
    """Count what people got since a time, by use case, of the turns that the ledger still holds."""
    rows = await work.sql(_BOUGHT, since=since)
    return [Bought(**row) for row in rows.mappings()]


# The outcome of a turn that a reviewer let out stays `escalated_review`: the answer left with the decision.
_BOUGHT = f"""
SELECT usecase, count(*) AS asked, count(*) FILTER (WHERE answered) AS answered,
    count(*) FILTER (WHERE approved) AS approved, count(*) FILTER (WHERE (answered OR approved) AND down) AS found_bad
FROM (
    SELECT t.usecase, t.outcome LIKE 'answered%' AS answered,
        t.outcome = 'escalated_review' AND EXISTS (
            SELECT FROM reviews r WHERE r.turn_id = t.id AND r.status = 'approved') AS approved,
        EXISTS (SELECT FROM feedback f WHERE f.turn_id = t.id AND f.thumbs = 'down') OR EXISTS (
            SELECT FROM reviews r WHERE r.turn_id = t.id AND r.kind = 'complaint' AND r.status <> 'rejected') AS down
    FROM turns t WHERE t.started_at >= :since AND t.channel NOT IN {_UNASKED}
) AS given GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - constants only
