"""Budgets: what a turn may draw on, what it may cost at most, and how a refusal reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_UP, Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.contract import Money, Share
from app.domain.turn import Turn
from app.domain.usecase import UseCase
from app.errors import CannotStart, OverBudget
from app.store.budgets import BudgetSpent

FILE = "config/budgets.toml"
CENT = Decimal("0.01")
FINE = Decimal("0.0001")


class UnitBudgets(BaseModel):
    """US dollars per business unit and calendar month (UTC), and the share at which a unit is warned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alert_share: Share = 0.8
    units: dict[Annotated[str, Field(min_length=1)], Money] = {}


def parse(raw: Mapping[str, Any]) -> UnitBudgets:
    """Check what config/budgets.toml says; anything unusable stops the start with file, key and cure."""
    try:
        return UnitBudgets.model_validate(raw)
    except ValidationError as error:
        faults = [
            f"- {FILE}: {'.'.join(map(str, fault['loc']))}: {fault['msg']} (found: {fault['input']!r:.60});"
            ' write US dollars per month, for example Sales = "200"'
            for fault in error.errors()
        ]
        raise CannotStart("\n".join(faults)) from error


@dataclass(frozen=True, slots=True)
class Budgets:
    """The limits in force; `most_usd` says what one turn may cost at most (0: no model can be reached)."""

    most_usd: Callable[[UseCase], Decimal]
    units: UnitBudgets

    def limits(self, turn: Turn) -> dict[str, Decimal | None]:
        """Give the limits of the turn's budgets, in US dollars per kind."""
        cost = turn.usecase.contract.cost
        return {
            "person": cost.per_user_day_usd,
            "unit": self.units.units.get(turn.principal.unit),
            "usecase": cost.per_month_usd,
            "shadow": turn.usecase.contract.shadow_usd,
        }

    def refusal(self, turn: Turn, spent: BudgetSpent) -> OverBudget:
        """Say whose budget it is, what of it is used, and when it is renewed."""
        renewed = _renewed(spent.kind, turn)
        most = self.most_usd(turn.usecase)
        whose = {
            "person": f"Your budget for today in {turn.usecase.contract.title!r}",
            "unit": f"This month's budget of the unit {spent.name!r}",
            "usecase": f"This month's budget of {turn.usecase.contract.title!r}",
            "shadow": f"This month's budget for shadows of {turn.usecase.contract.title!r}",
        }[spent.kind]
        used = f"{_usd(spent.spent_usd)} of {_usd(spent.limit_usd)} are spent"
        if spent.reserved_usd:
            used += f", {_usd(spent.reserved_usd)} held by turns that are running"
        if most:
            used += f", and one more turn may cost {_usd(most)}"
        cure = "" if spent.kind == "person" else "; its owner can raise it"
        return OverBudget(
            f"{whose} is used up: {used}. It is renewed on {renewed.isoformat()} at 00:00 UTC{cure}.",
            budget={
                "kind": spent.kind,
                "limit_usd": str(spent.limit_usd),
                "spent_usd": str(spent.spent_usd),
                "reserved_usd": str(spent.reserved_usd),
                "renewed_at": f"{renewed.isoformat()}T00:00:00Z",
            },
        )


def _renewed(kind: str, turn: Turn) -> date:
    today = turn.started_at.date()
    if kind == "person":
        return today + timedelta(days=1)
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


def _usd(amount: Decimal) -> str:
    fine = FINE if 0 < amount < 1 else CENT
    return f"${amount.quantize(fine, ROUND_UP)}"
