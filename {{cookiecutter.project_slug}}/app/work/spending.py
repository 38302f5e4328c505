"""What the AI costs and what it is worth: by day, use case and month, with what stands out."""

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from app.domain.usecase import UseCase
from app.store import restrictions, spending
from app.store.db import Database
from app.store.spending import Bought, Day
from app.work.anomalies import MOST_DAYS, Anomaly, anomalies

FINE, CENT = Decimal("0.000001"), Decimal("0.01")
# A month goes on as these last whole days went.
PACE_DAYS = 7
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Worth:
    """A use case over the days that are looked at, in US dollars.

    `value_usd` is `value.per_answer_usd` of the contract for each good answer, and None where the contract states none;
    `roi` is (value - cost) / cost, None where nothing was spent or no value is stated.
    """

    usecase: str
    title: str
    turns: int
    cost_usd: Decimal
    saved_by_cache_usd: Decimal
    saved_by_routes_usd: Decimal
    asked: int
    good: int
    found_bad: int
    value_usd: Decimal | None
    net_usd: Decimal | None
    roi: float | None


@dataclass(frozen=True, slots=True)
class Month:
    """This calendar month (UTC) of a use case: spent so far, and at its end if it goes on as in the last seven days.

    `breaks_on` is the day on which the budget would then be used up, None where it lasts.
    """

    usecase: str
    title: str
    spent_usd: Decimal
    pace_usd: Decimal
    end_usd: Decimal
    budget_usd: Decimal
    breaks_on: date | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Somebody whose spending suddenly rose, and who was kept from asking for that: config/limits.toml, [spike]."""

    subject: str
    reason: str
    at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Spending:
    """All of it; `days` holds every day since `since`, of every use case that spent or was asked."""

    since: date
    days: tuple[Day, ...]
    worth: tuple[Worth, ...]
    months: tuple[Month, ...]
    anomalies: tuple[Anomaly, ...]
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """Adds up what the ledger knows of money."""

    database: Database
    usecases: Mapping[str, UseCase]

    async def look(self, *, days: int, now: datetime | None = None) -> Spending:
        """Add up the last days, today included, and this month."""
        today = (now or datetime.now(UTC)).date()
        since = first_day(days, today)
        # What is usual is seen in the weeks before, and the month begins where it begins.
        first = min(since - timedelta(days=MOST_DAYS), today.replace(day=1), today - timedelta(days=PACE_DAYS))
        async with self.database.work() as work:
            known = await spending.days(work, since=midnight(first))
            bought = {each.usecase: each for each in await spending.bought(work, since=midnight(since))}
            kept = await restrictions.spikes(work, since=midnight(since))
        shown = tuple(day for day in known if day.day >= since)
        return Spending(
            since,
            shown,
            tuple(self._worth(name, shown, bought.get(name)) for name in self._names(shown)),
            tuple(self._month(name, known, today) for name in self.usecases),
            tuple(each for each in anomalies(_without_gaps(known, first, today)) if each.day >= since),
            tuple(Kept(row["subject"], row["reason"], row["created_at"], row["until"]) for row in kept),
        )

    def _names(self, shown: Sequence[Day]) -> list[str]:
        # A use case that is gone has cost what it has cost.
        return [*self.usecases, *sorted({day.usecase for day in shown} - {*self.usecases})]

    def _worth(self, name: str, shown: Sequence[Day], bought: Bought | None) -> Worth:
        mine, case = [day for day in shown if day.usecase == name], self.usecases.get(name)
        cost = sum((day.cost_usd for day in mine), ZERO)
        good, each = bought.good if bought else 0, case.contract.value.per_answer_usd if case else ZERO
        value = each * good if each else None
        return Worth(
            usecase=name,
            title=case.contract.title if case else name or "documents of no use case",
            turns=sum(day.turns for day in mine),
            cost_usd=cost.quantize(FINE),
            saved_by_cache_usd=sum((day.saved_by_cache_usd for day in mine), ZERO).quantize(FINE),
            saved_by_routes_usd=sum((day.saved_by_routes_usd for day in mine), ZERO).quantize(FINE),
            asked=bought.asked if bought else 0,
            good=good,
            found_bad=bought.found_bad if bought else 0,
            value_usd=value,
            net_usd=(value - cost).quantize(CENT, ROUND_HALF_UP) if value is not None else None,
            roi=round(float((value - cost) / cost), 2) if value is not None and cost else None,
        )

    def _month(self, name: str, known: Sequence[Day], today: date) -> Month:
        contract = self.usecases[name].contract
        mine = {day.day: day.cost_usd for day in known if day.usecase == name}
        spent = sum((usd for day, usd in mine.items() if day >= today.replace(day=1)), ZERO)
        pace = sum((mine.get(today - timedelta(days=back), ZERO) for back in range(1, PACE_DAYS + 1)), ZERO) / PACE_DAYS
        left = calendar.monthrange(today.year, today.month)[1] - today.day
        rest_of_today = max(ZERO, pace - mine.get(today, ZERO))
        end, budget = spent + rest_of_today + pace * left, contract.cost.per_month_usd
        return Month(
            name, contract.title, spent.quantize(FINE), pace.quantize(FINE), end.quantize(FINE), budget,
            _breaks_on(today, spent + rest_of_today, pace, budget) if end > budget else None,
        )  # fmt: skip


def _breaks_on(today: date, spent: Decimal, pace: Decimal, budget: Decimal) -> date:
    if spent >= budget or not pace:
        return today
    return today + timedelta(days=int((budget - spent) / pace) + 1)


def _without_gaps(known: Sequence[Day], first: date, last: date) -> dict[str, list[tuple[date, Decimal]]]:
    costs: dict[str, dict[date, Decimal]] = {}
    for day in known:
        costs.setdefault(day.usecase, {})[day.day] = day.cost_usd
    every = [first + timedelta(days=place) for place in range((last - first).days + 1)]
    # Before its first turn a use case was not cheap, it was not there.
    return {name: [(day, mine.get(day, ZERO)) for day in every if day >= min(mine)] for name, mine in costs.items()}


def first_day(days: int, today: date) -> date:
    """Give the first of so many days, today included."""
    return today - timedelta(days=days - 1)


def midnight(day: date) -> datetime:
    """Give when a day begins, UTC."""
    return datetime.combine(day, time(), UTC)
