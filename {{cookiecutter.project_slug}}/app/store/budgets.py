"""What is spent and reserved per budget: held before a turn's first call, settled with its ledger rows."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import orjson

from app.domain.turn import Tape, Turn
from app.store.db import Work

# As the ledger's columns round, so that budgets are its sums to the last digit.
DIGITS = Decimal("0.00000001")


class BudgetSpent(Exception):
    """A budget has no room for another turn; the transaction that asked must be given up. Amounts in US dollars."""

    def __init__(self, kind: str, name: str, **amounts: Decimal) -> None:
        super().__init__(f"{kind} {name}")
        self.kind = kind
        self.name = name
        self.limit_usd = amounts["limit_usd"]
        self.spent_usd = amounts["spent_usd"]
        self.reserved_usd = amounts["reserved_usd"]


@dataclass(frozen=True, slots=True)
class Held:
    """A turn that holds money, and that nobody settled in time."""

    turn_id: UUID
    user_id: str
    usecase: str
    unit: str
    channel: str
    session_id: UUID | None
    job_id: UUID | None
    trace_id: str
    amount: Decimal
    started_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a budget stands in its present period, in US dollars."""

    kind: str
    name: str
    period: date
    spent: Decimal
    reserved: Decimal
    warned: bool


async def settle(work: Work, turn: Turn) -> None:
    """Replace what the turn held by what its priced calls cost; also right when it held nothing, or was given up."""
    await work.sql(
        "SELECT settle(jsonb_populate_record(NULL::reservations, cast(:turn AS jsonb)), cast(:cost AS numeric))",
        turn=orjson.dumps(holder(turn, Decimal(0))).decode(),
        cost=cost_usd(turn.tape),
    )


def cost_usd(tape: Tape) -> Decimal:
    """Add up the calls with a known price, each rounded as the ledger keeps it."""
    known = (call.usage.cost_usd for call in tape.calls if call.usage.cost_usd is not None)
    return sum((cost.quantize(DIGITS, ROUND_HALF_UP) for cost in known), Decimal(0))


def holder(turn: Turn, amount: Decimal) -> dict[str, Any]:
    """Give the row of a turn that holds `amount` US dollars, without the time at which it is given up."""
    return {
        "turn_id": turn.id,
        "user_id": turn.principal.user_id,
        "usecase": turn.usecase.name,
        "unit": turn.principal.unit,
        "channel": turn.channel,
        "session_id": turn.session_id,
        "job_id": turn.job_item.job_id if turn.job_item else None,
        "trace_id": turn.trace_id,
        "amount": str(amount),
        "started_at": turn.started_at,
    }


async def expired(work: Work, *, most: int = 100) -> list[Held]:
    """Give turns that should have been settled long ago, the oldest first."""
    rows = await work.sql(
        "SELECT turn_id, user_id, usecase, unit, channel, session_id, job_id, trace_id, amount, started_at, expires_at"
        " FROM reservations WHERE abandoned_at IS NULL AND expires_at < now() ORDER BY expires_at LIMIT :most",
        most=most,
    )
    return [Held(**row) for row in rows.mappings()]


async def give_up(work: Work, turn_id: UUID) -> None:
    """Count what a dead turn held as spent."""
    await work.sql("SELECT give_up(:turn_id)", turn_id=turn_id)


async def standings(work: Work) -> list[Standing]:
    """Give this month's budgets of use cases and units, as far as anything was spent or reserved."""
    rows = await work.sql(
        "SELECT kind, name, period, spent, reserved, warned_at IS NOT NULL AS warned FROM budgets"
        " WHERE kind <> 'person' AND period = date_trunc('month', now() AT TIME ZONE 'UTC')::date"
    )
    return [Standing(**row) for row in rows.mappings()]


async def warn(work: Work, standing: Standing) -> bool:
    """Note that the owner was warned; False when another process did so before."""
    row = await work.sql(
        "UPDATE budgets SET warned_at = now() WHERE kind = :kind AND name = :name AND period = :period"
        " AND warned_at IS NULL RETURNING name",
        kind=standing.kind,
        name=standing.name,
        period=standing.period,
    )
    return row.first() is not None


async def forget(work: Work, *, older_than_days: int) -> None:
    """Drop the days of persons that are long over; the ledger has every turn of them."""
    await work.sql(
        "DELETE FROM budgets WHERE kind = 'person' AND period < now() - make_interval(days => :days)",
        days=older_than_days,
    )
