"""Model calls that no turn made: booked in the ledger under their job, and counted in budgets like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from app.domain.turn import Call, Tape
from app.store.budgets import cost_usd
from app.store.db import Work
from app.store.ledger import call_row
from app.store.tables import calls


@dataclass(frozen=True, slots=True)
class Payer:
    """On whom calls are booked: the job that makes them, the use case whose documents they serve, and who asked."""

    job_id: UUID
    usecase: str
    user_id: str
    unit: str = ""


async def book(work: Work, payer: Payer, made: Sequence[Call]) -> None:
    """Write one row per call, and count what they cost against the month of the use case and of the unit."""
    if not made:
        return
    made_by = {
        "started_at": datetime.now(UTC),
        "turn_id": None,
        "job_id": payer.job_id,
        "usecase": payer.usecase,
        "user_id": payer.user_id,
        "unit": payer.unit,
    }
    await work.run(insert(calls), [call_row(call) | made_by for call in made])
    cost = cost_usd(Tape(calls=list(made)))
    if cost:
        # The last statement: budgets stay locked until the commit.
        await work.sql(
            "SELECT spend(:usecase, :unit, cast(:cost AS numeric))",
            usecase=payer.usecase,
            unit=payer.unit,
            cost=cost,
        )


async def has_room(work: Work, usecase: str, *, most_usd: Decimal | None) -> bool:
    """Say whether the use case's month has money left; `most_usd` None is a month without a limit."""
    if most_usd is None:
        return True
    rows = await work.sql(
        "SELECT spent + reserved FROM budgets WHERE kind = 'usecase' AND name = :usecase"
        " AND period = date_trunc('month', now() AT TIME ZONE 'UTC')::date",
        usecase=usecase,
    )
    return (rows.scalar() or Decimal(0)) < most_usd


async def summed(work: Work, job_id: UUID) -> dict[str, Any]:
    """Add up the calls that a job made by itself; `cost_usd` is None where one of them has no known price."""
    row = (
        await work.sql(
            "SELECT count(*) AS calls, coalesce(sum(input_tokens), 0) AS tokens, CASE WHEN bool_or(cost_usd IS NULL)"
            " THEN NULL ELSE coalesce(sum(cost_usd), 0) END AS cost_usd FROM calls WHERE job_id = :job_id",
            job_id=job_id,
        )
    ).one()
    cost = None if row.cost_usd is None else f"{row.cost_usd.normalize():f}"
    return {"calls": row.calls, "tokens": row.tokens, "cost_usd": cost}
