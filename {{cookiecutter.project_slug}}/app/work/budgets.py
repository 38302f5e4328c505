"""What has to be seen to between turns: money that dead processes hold, and budgets that come to their end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import structlog

from app.control.budgets import Budgets
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Channel, Turn
from app.domain.usecase import UseCase
from app.store import budgets, events, ledger, sessions
from app.store.budgets import Held, Standing
from app.store.db import Database, Work
from app.telemetry import metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Limit:
    """A budget with a limit; `step_usd` is what one more turn may cost."""

    usd: Decimal
    alert_share: float
    step_usd: Decimal


@dataclass(frozen=True, slots=True)
class BudgetKeeper:
    """Gives up dead turns; shows how much of each budget is used, and warns once per period."""

    database: Database
    usecases: Mapping[str, UseCase]
    budgets: Budgets

    async def sweep(self) -> int:
        """Settle the turns of dead processes at what they held, each with its row in the ledger; gives their number."""
        async with self.database.work() as work:
            dead = await budgets.expired(work)
        return sum([await self._give_up(held) for held in dead])

    async def _give_up(self, held: Held) -> bool:
        async with self.database.work() as work:
            # The ledger's row first, as `record` does it: whoever comes second, writes nothing.
            if not await ledger.give_up(work, held):
                return False
            if held.session_id:
                await sessions.release(work, held.session_id, turn_id=held.turn_id)
            await budgets.give_up(work, held.turn_id)
        log.warning("turn.abandoned", turn_id=str(held.turn_id), usecase=held.usecase, held_usd=str(held.amount))
        if usecase := self.usecases.get(held.usecase):
            metrics.record_turn(_dead(held, usecase))
        return True

    async def look(self) -> None:
        """Show the share of each budget that is used; log a warning when it first passes its alert share."""
        async with self.database.work() as work:
            found = {(one.kind, one.name): one for one in await budgets.standings(work)}
            for (kind, name), limit in self._limits():
                standing = found.get((kind, name))
                spent = standing.spent if standing else Decimal(0)
                metrics.observe("budget_used_ratio", _used(spent, limit), kind=kind, name=name)
                metrics.observe("budget_alert_ratio", limit.alert_share, kind=kind, name=name)
                if standing and spent >= limit.usd * Decimal(str(limit.alert_share)) and not standing.warned:
                    await self._warn(work, standing, limit)

    async def _warn(self, work: Work, standing: Standing, limit: _Limit) -> None:
        if await budgets.warn(work, standing):
            log.warning(
                "budget.nearly_used",
                kind=standing.kind,
                name=standing.name,
                period=standing.period.isoformat(),
                spent_usd=str(standing.spent),
                limit_usd=str(limit.usd),
            )
            told = {"budget": standing.kind, "name": standing.name, "period": standing.period.isoformat()}
            money = {"spent_usd": str(standing.spent), "limit_usd": str(limit.usd), "alert_share": limit.alert_share}
            usecase = standing.name if standing.kind in ("usecase", "shadow") else ""
            subject = f"budgets/{standing.kind}/{standing.name}"
            await events.emit(work, "budget.warned", subject=subject, usecase=usecase, data={**told, **money})

    def _limits(self) -> Iterator[tuple[tuple[str, str], _Limit]]:
        steps = {name: self.budgets.most_usd(usecase) for name, usecase in self.usecases.items()}
        for name, usecase in self.usecases.items():
            cost = usecase.contract.cost
            yield ("usecase", name), _Limit(cost.per_month_usd, cost.alert_share, steps[name])
            if usecase.contract.shadow.share:
                yield ("shadow", name), _Limit(usecase.contract.shadow_usd, cost.alert_share, steps[name])
        dearest = max(steps.values(), default=Decimal(0))
        for name, usd in self.budgets.units.units.items():
            yield ("unit", name), _Limit(usd, self.budgets.units.alert_share, dearest)


def _used(spent: Decimal, limit: _Limit) -> float:
    # Turns are refused from where one more does not fit, which is a little before the last cent.
    return 1.0 if spent + limit.step_usd > limit.usd else float(spent / limit.usd)


def _dead(held: Held, usecase: UseCase) -> Turn:
    return Turn(
        usecase=usecase,
        principal=Principal(held.user_id, unit=held.unit),
        question="",
        id=held.turn_id,
        channel=cast(Channel, held.channel),
        started_at=held.started_at,
        outcome=Outcome.FAILED_ABANDONED,
        latency_ms=(held.expires_at - held.started_at).total_seconds() * 1000,
    )
