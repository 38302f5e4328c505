"""Cost spikes: whose spending suddenly rises may not ask for a while, and engineering hears of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import structlog

from app.control.allowed import Spike
from app.control.restrictions import Restrictions, new
from app.domain.usecase import UseCase
from app.store import restrictions as table
from app.store.db import Database, Work
from app.store.restrictions import Restriction, Spending

log = structlog.get_logger(__name__)
# In whose name the rule decides.
BY = "spike-rule"
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class SpikeKeeper:
    """Compares what each person and key has just spent with their usual hour, and with the month's budget."""

    database: Database
    usecases: Mapping[str, UseCase]
    rule: Spike
    restrictions: Restrictions

    async def look(self) -> list[Restriction]:
        """Restrict whoever spends far more than usual; gives the restrictions that it made."""
        made: list[Restriction] = []
        if not self.rule.enabled:
            return made
        async with self.database.work() as work:
            if self._unusual(await self._found(work)):
                # Once more, alone: another process may have been first.
                await table.lock(work)
                for subject, reason in self._unusual(await self._found(work)).items():
                    minutes = self.rule.minutes
                    made.append(new(subject, what="ask", minutes=minutes, by=BY, because=reason, cause="spike"))
                    await table.put(work, made[-1])
        for one in made:
            log.error("spending.restricted", subject=one.subject, reason=one.reason, minutes=self.rule.minutes)
        if made:
            await self.restrictions.tell()
        return made

    async def _found(self, work: Work) -> list[Spending]:
        # Nothing below the smallest of all bounds can be unusual.
        budgets = [usecase.contract.cost.per_month_usd for usecase in self.usecases.values()]
        shares = [budget * Decimal(str(self.rule.month_share)) for budget in budgets]
        least = min([self._times(self.rule.least_usd), *shares])
        return await table.spending(work, minutes=self.rule.window_minutes, least_usd=least)

    def _unusual(self, found: Iterable[Spending]) -> dict[str, str]:
        """Give who is restricted, and why; the words stand in the audit and on the operators' page."""
        whole: dict[str, list[Spending]] = {}
        for one in found:
            whole.setdefault(one.subject, []).append(one)
        return {subject: reason for subject, parts in whole.items() if (reason := self._reason(parts))}

    def _reason(self, parts: list[Spending]) -> str:
        spent = sum((one.usd for one in parts), Decimal(0))
        usual = max(parts[0].usual_usd or Decimal(0), self.rule.least_usd)
        said = f"{_usd(spent)} spent within {self.rule.window_minutes} minutes"
        if spent >= self._times(usual):
            return f"{said}: {spent / usual:.1f} times a usual hour ({_usd(usual)})"
        for one in parts:
            month = self.usecases[one.usecase].contract.cost.per_month_usd if one.usecase in self.usecases else None
            if month and one.usd >= month * Decimal(str(self.rule.month_share)):
                return f"{said}, {one.usd / month:.0%} of the month's budget of {one.usecase} ({_usd(month)})"
        return ""

    def _times(self, usual: Decimal) -> Decimal:
        return usual * Decimal(str(self.rule.times))


def _usd(amount: Decimal) -> str:
    return f"${amount.quantize(CENT, ROUND_HALF_UP)}"
