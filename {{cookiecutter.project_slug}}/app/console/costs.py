"""The page about money: what was spent by whom, what it was worth, what the month ends with, and what stands out."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, field_validator

from app.console.html import money, page
from app.console.kept import Counted, kept
from app.console.plots import Axis, Chart, Series, columns
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.store import costs as costs_
from app.store.costs import By
from app.store.spending import Day
from app.wiring.service import Service
from app.work.forecast import Forecast
from app.work.spending import Spending, Worth, first_day, midnight

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Accountant = Annotated[Principal, Depends(needs(Permission.READ_COSTS))]
SPANS = {1: "Today", 7: "7 days", 30: "30 days", 90: "90 days"}
BY = {"usecase": "Use case", "user": "Person", "unit": "Unit", "model": "Model"}
# What costs are called that have none of it.
NOBODY = {"usecase": "documents", "user": "nobody: evaluations and shadows", "unit": "no unit", "model": "no model"}
# Series that a chart tells apart; the rest is one.
MOST_SERIES = 6
ROWS = 50
ZERO = Decimal(0)
Found = tuple[Counted[Spending], Counted[Sequence[Mapping[str, Any]]], Counted[Forecast]]


class CostFilter(BaseModel):
    """How many days back, and by whom the sums are."""

    days: Literal[1, 7, 30, 90] = 7
    by: By = "usecase"

    @field_validator("days", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        # An address holds words only, and a choice of numbers takes no word for one.
        return int(value) if isinstance(value, str) and value.isdecimal() else value


@dataclass(frozen=True, slots=True)
class Sums:
    """Everything of all use cases together, in US dollars; `roi` as for one use case."""

    turns: int
    cost_usd: Decimal
    saved_usd: Decimal
    value_usd: Decimal
    per_turn_usd: Decimal | None
    roi: float | None


@router.get("/console/costs")
async def costs(request: Request, service: Here, who: Accountant, asked: Annotated[CostFilter, Query()]) -> Response:
    """Show money: by day, by whoever caused it, its value, the months and the forecast."""
    spending, summed, forecast = await _counted(service, asked)
    seen, rows = spending.value, summed.value
    return page(
        request,
        "costs.html",
        who,
        asked=asked,
        spans=SPANS,
        names=BY,
        seen=seen,
        sums=_sums(seen.worth),
        spent=_by_day(seen, "Cost per day", _cost),
        saved=_by_day(seen, "Saved per day", _saved),
        rows=rows[:ROWS],
        whole=sum((row["cost_usd"] for row in rows), ZERO),
        left_out=max(0, len(rows) - ROWS),
        nobody=NOBODY[asked.by],
        forecast=forecast.value,
        kept_at=min((each.at for each in (spending, summed, forecast) if each.is_kept), default=None),
    )


async def _counted(service: Service, asked: CostFilter) -> Found:
    """Count side by side: each goes through all turns of its time."""

    async def spending() -> Spending:
        return await service.lookback.accounts.look(days=asked.days)

    async def sums() -> Sequence[Mapping[str, Any]]:
        since = midnight(first_day(asked.days, datetime.now(UTC).date()))
        async with service.database.work() as work:
            return await costs_.sums(work, by=asked.by, since=since)

    on = service.database
    found: Found = await asyncio.gather(
        kept(on, ("spending", asked.days), spending),
        kept(on, ("costs", asked.days, asked.by), sums),
        kept(on, "forecast", service.forecaster.make),
    )
    return found


def _sums(worth: Sequence[Worth]) -> Sums:
    turns, cost = sum(each.turns for each in worth), sum((each.cost_usd for each in worth), ZERO)
    valued = [each for each in worth if each.value_usd is not None]
    value = sum((each.value_usd for each in valued if each.value_usd is not None), ZERO)
    # What nobody put a value on is no loss: it is left out of both sides.
    paid = sum((each.cost_usd for each in valued), ZERO)
    return Sums(
        turns=turns,
        cost_usd=cost,
        saved_usd=sum((each.saved_by_cache_usd + each.saved_by_routes_usd for each in worth), ZERO),
        value_usd=value,
        per_turn_usd=cost / turns if turns else None,
        roi=float((value - paid) / paid) if valued and paid else None,
    )


def _cost(day: Day) -> Decimal:
    return day.cost_usd


def _saved(day: Day) -> Decimal:
    return day.saved_by_cache_usd + day.saved_by_routes_usd


def _by_day(seen: Spending, title: str, what: Any) -> Chart:
    """Draw a column per day, the dearest use cases told apart."""
    whole: dict[str, Decimal] = {}
    for day in seen.days:
        whole[day.usecase] = whole.get(day.usecase, ZERO) + what(day)
    dearest = sorted((name for name, usd in whole.items() if usd), key=lambda name: -whole[name])
    shown = dearest[:MOST_SERIES] if len(dearest) > MOST_SERIES else dearest
    labels = _labels(seen.since)
    series = [Series(name or "documents", _values(seen, labels, {name}, what)) for name in shown]
    if others := set(dearest) - set(shown):
        series.append(Series("others", _values(seen, labels, others, what)))
    return columns(title, [day.strftime("%d %b") for day in labels], series=series, axis=Axis(told=money))


def _labels(since: date) -> list[date]:
    days = (datetime.now(UTC).date() - since).days + 1
    return [since + timedelta(days=place) for place in range(max(1, days))]


def _values(seen: Spending, labels: Sequence[date], names: set[str], what: Any) -> list[float | None]:
    sums = dict.fromkeys(labels, ZERO)
    for day in seen.days:
        if day.usecase in names and day.day in sums:
            sums[day.day] += what(day)
    return [float(usd) for usd in sums.values()]
