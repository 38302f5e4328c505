"""Turns over time, for charts: how they ended, how long they took, what they cost, what people thought of them.

Evaluations and shadow runs do not count: nobody asked them. Times are cut into slots of whole seconds since 1970, UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.store.db import Work

_ASKED = (
    "started_at >= to_timestamp(:since) AND channel NOT IN ('evaluation', 'shadow')"
    " AND (:usecase = '' OR usecase = :usecase)"
)
_SLOT = "floor(extract(epoch FROM started_at) / :slot_s)::bigint AS slot"


@dataclass(frozen=True, slots=True)
class Span:
    """Slots of `slot_s` seconds up to now, `slots` of them; `usecase` empty: all."""

    slots: int
    slot_s: int
    now: datetime
    usecase: str = ""

    @property
    def first(self) -> int:
        """Give the number of the first slot, counted from 1970."""
        return int(self.now.timestamp()) // self.slot_s - self.slots + 1

    @property
    def starts(self) -> list[datetime]:
        """Give when each slot begins, UTC."""
        return [datetime.fromtimestamp((self.first + place) * self.slot_s, UTC) for place in range(self.slots)]

    def given(self) -> dict[str, Any]:
        """Give it as the statements ask for it."""
        return {"since": self.first * self.slot_s, "slot_s": self.slot_s, "usecase": self.usecase}


async def outcomes(work: Work, span: Span) -> list[dict[str, Any]]:
    """Count turns by slot and outcome, with their cost in US dollars."""
    rows = await work.sql(
        f"SELECT {_SLOT}, outcome, count(*) AS turns, coalesce(sum(cost_usd), 0) AS cost_usd"  # noqa: S608 - constants
        f" FROM turns WHERE {_ASKED} GROUP BY 1, 2",
        **span.given(),
    )
    return [dict(row) for row in rows.mappings()]


async def speeds(work: Work, span: Span) -> list[dict[str, Any]]:
    """Give median and 95th percentile of the time to the answer by slot, in ms."""
    rows = await work.sql(
        f"SELECT {_SLOT}, percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms,"  # noqa: S608 - constants
        f" percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms FROM turns WHERE {_ASKED} GROUP BY 1",
        **span.given(),
    )
    return [dict(row) for row in rows.mappings()]


async def opinions(work: Work, span: Span) -> list[dict[str, Any]]:
    """Count thumbs by slot of the turn that they are about."""
    rows = await work.sql(
        f"SELECT {_SLOT}, count(*) FILTER (WHERE thumbs = 'up') AS up, count(*) AS said"  # noqa: S608 - constants
        f" FROM feedback JOIN turns ON id = turn_id WHERE {_ASKED} GROUP BY 1",
        **span.given(),
    )
    return [dict(row) for row in rows.mappings()]


async def by_usecase(work: Work, span: Span) -> list[dict[str, Any]]:
    """Count turns, failures, latency percentiles in ms and US dollars per use case."""
    rows = await work.sql(
        "SELECT usecase, count(*) AS turns, count(*) FILTER (WHERE outcome LIKE 'failed%') AS failed,"  # noqa: S608 - constants
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms,"
        " percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms, coalesce(sum(cost_usd), 0) AS cost_usd"
        f" FROM turns WHERE {_ASKED} GROUP BY usecase ORDER BY usecase",
        since=span.first * span.slot_s,
        usecase=span.usecase,
    )
    return [dict(row) for row in rows.mappings()]


async def failures(work: Work, *, days: int) -> dict[str, tuple[int, int]]:
    """Give failed and all turns of the last days per use case: what an error budget is measured by."""
    rows = await work.sql(
        "SELECT usecase, count(*) FILTER (WHERE outcome LIKE 'failed%') AS failed, count(*) AS turns FROM turns"
        " WHERE started_at > now() - make_interval(days => :days) AND channel NOT IN ('evaluation', 'shadow')"
        " GROUP BY usecase",
        days=days,
    )
    return {row.usecase: (row.failed, row.turns) for row in rows}


def by_slot(span: Span, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """Put rows in the order of the slots; None where nothing was."""
    found = {row["slot"]: row for row in rows}
    return [found.get(span.first + place) for place in range(span.slots)]
