"""What a month will cost at several volumes, and at which volume a budget breaks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from app.domain.contract import Traffic
from app.domain.usecase import UseCase
from app.llm.catalog import Catalog, Provider
from app.store import costs
from app.store.costs import Sample
from app.store.db import Database
from app.work import estimate
from app.work.estimate import Asked, Estimate, Refs

DAYS_A_MONTH = Decimal("30.4")
# The peak month is as busy as its busiest minute during the hours in which people work.
PEAK_MINUTES = 60 * 8 * 22
# So many turns of the last days say more than an estimate.
LEAST_TURNS = 100
SAMPLE_DAYS = 30
CENT = Decimal("0.01")
FINE = Decimal("0.00000001")
VOLUMES = {
    "expected": "traffic.expected_per_day x 30.4 days",
    "peak": "traffic.peak_per_minute during 8 hours of 22 days",
    "5x": "5 x expected",
    "10x": "10 x expected",
}


@dataclass(frozen=True, slots=True)
class Volume:
    """A month of so many turns, in US dollars, what its documents cost included; `cost_usd` is null where unknown.

    What cache and routes save is null in an estimate; `within_budget` is null where unpriced calls leave it open.
    """

    name: str
    turns: int
    cost_usd: Decimal | None
    saved_by_cache_usd: Decimal | None
    saved_by_routes_usd: Decimal | None
    within_budget: bool | None


@dataclass(frozen=True, slots=True)
class UseCaseForecast:
    """A use case's months; `sample_turns` is the number of turns of the ledger behind it, 0 for an estimate.

    `unpriced_share` is the share of calls without a known price: what they cost comes on top. `documents_usd` is what
    embedding documents cost in the last 30 days, which every volume is taken to cost again.
    """

    usecase: str
    title: str
    basis: Literal["ledger", "estimate"]
    said: str
    sample_turns: int
    per_turn_usd: Decimal | None
    unpriced_share: float
    volumes: tuple[Volume, ...]
    budget_usd: Decimal
    breaks_at_turns: int | None
    documents_usd: Decimal


@dataclass(frozen=True, slots=True)
class Total:
    """All use cases together at one volume; `unknown` names those that are not in the sum, or not wholly."""

    name: str
    turns: int
    cost_usd: Decimal
    saved_by_cache_usd: Decimal
    saved_by_routes_usd: Decimal
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What months cost in US dollars; `definitions` says what each volume means."""

    at: datetime
    definitions: Mapping[str, str]
    usecases: tuple[UseCaseForecast, ...]
    totals: tuple[Total, ...]

    @property
    def breaks(self) -> tuple[str, ...]:
        """Name the use cases whose expected month breaks their budget."""
        return tuple(one.usecase for one in self.usecases if one.volumes[0].within_budget is False)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Name the use cases of which nobody can say whether the expected month keeps to the budget."""
        return tuple(one.usecase for one in self.usecases if one.volumes[0].within_budget is None)


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Forecasts from the ledger where it knows enough, else from an estimate; `asked` gives the questions to expect."""

    database: Database
    usecases: Mapping[str, UseCase]
    catalog: Catalog
    refs: Refs
    asked: Callable[[UseCase], Sequence[Asked]]

    async def make(self, *, assume: Provider = "none") -> Forecast:
        """Forecast every use case; with `assume` as if this provider's models were configured, without the ledger."""
        made = []
        for name, usecase in self.usecases.items():
            sample = None
            if assume == "none":
                async with self.database.work() as work:
                    sample = await costs.sample(work, usecase=name, days=SAMPLE_DAYS)
            made.append(self._one(usecase, sample, assume=assume))
        return Forecast(datetime.now(UTC), VOLUMES, tuple(made), _totals(made))

    def _one(self, usecase: UseCase, sample: Sample | None, *, assume: Provider) -> UseCaseForecast:
        estimated = self._estimate(usecase, assume)
        # Turns from before a model was connected say nothing about what it will cost.
        if sample and sample.turns >= LEAST_TURNS and (sample.calls or estimated.per_turn_usd == 0):
            return _told(usecase, _from_ledger(sample))
        return _told(usecase, _from_estimate(estimated, sample.documents_usd if sample else Decimal(0)))

    def _estimate(self, usecase: UseCase, assume: Provider) -> Estimate:
        refs = self.refs if assume == "none" else lambda role, _: self.catalog.model_for(assume, role)
        return estimate.of(usecase, asked=self.asked(usecase), refs=refs, catalog=self.catalog)


def turns_a_month(traffic: Traffic) -> dict[str, int]:
    """Give the turns of a month at each volume."""
    expected = int((traffic.expected_per_day * DAYS_A_MONTH).to_integral_value())
    return {
        "expected": expected,
        "peak": traffic.peak_per_minute * PEAK_MINUTES,
        "5x": 5 * expected,
        "10x": 10 * expected,
    }


@dataclass(frozen=True, slots=True)
class _Basis:
    """What one turn costs and saves, and how that is known."""

    kind: Literal["ledger", "estimate"]
    said: str
    per_turn_usd: Decimal | None
    unpriced: float
    turns: int = 0
    by_cache_usd: Decimal | None = None
    by_routes_usd: Decimal | None = None
    documents_usd: Decimal = Decimal(0)


def _from_ledger(sample: Sample) -> _Basis:
    unpriced = sample.unpriced / sample.calls if sample.calls else 0.0
    said = f"{sample.turns} turns of the last {SAMPLE_DAYS} days, {sample.calls} calls"
    if unpriced:
        said += f"; {unpriced:.1%} of the calls have no known price and come on top"
    return _Basis(
        kind="ledger",
        said=said,
        per_turn_usd=sample.cost_usd / sample.turns if unpriced < 1 else None,
        unpriced=unpriced,
        turns=sample.turns,
        by_cache_usd=sample.saved_by_cache_usd / sample.turns,
        by_routes_usd=sample.saved_by_routes_usd / sample.turns,
        documents_usd=sample.documents_usd,
    )


def _from_estimate(found: Estimate, documents_usd: Decimal) -> _Basis:
    unpriced = 1.0 if found.per_turn_usd is None else 0.0
    return _Basis("estimate", found.said, found.per_turn_usd, unpriced=unpriced, documents_usd=documents_usd)


def _told(usecase: UseCase, basis: _Basis) -> UseCaseForecast:
    budget, per_turn = usecase.contract.cost.per_month_usd, basis.per_turn_usd
    left = max(budget - basis.documents_usd, Decimal(0))
    return UseCaseForecast(
        usecase=usecase.name,
        title=usecase.contract.title,
        basis=basis.kind,
        said=basis.said,
        sample_turns=basis.turns,
        per_turn_usd=per_turn.quantize(FINE, ROUND_HALF_UP) if per_turn is not None else None,
        unpriced_share=basis.unpriced,
        volumes=tuple(
            _volume(name, turns, basis, budget=budget)
            for name, turns in turns_a_month(usecase.contract.traffic).items()
        ),
        budget_usd=budget,
        breaks_at_turns=int(left / per_turn) + 1 if per_turn else None,
        documents_usd=basis.documents_usd.quantize(FINE, ROUND_HALF_UP),
    )


def _volume(name: str, turns: int, basis: _Basis, *, budget: Decimal) -> Volume:
    breaks = basis.per_turn_usd is not None and basis.per_turn_usd * turns + basis.documents_usd > budget
    return Volume(
        name=name,
        turns=turns,
        cost_usd=_cents(basis.per_turn_usd, turns, basis.documents_usd),
        saved_by_cache_usd=_cents(basis.by_cache_usd, turns),
        saved_by_routes_usd=_cents(basis.by_routes_usd, turns),
        within_budget=False if breaks else None if basis.unpriced else True,
    )


def _totals(made: Sequence[UseCaseForecast]) -> tuple[Total, ...]:
    months = [(name, [one.volumes[place] for one in made]) for place, name in enumerate(VOLUMES)]
    unknown = tuple(one.usecase for one in made if one.unpriced_share)
    return tuple(
        Total(
            name,
            turns=sum(month.turns for month in them),
            cost_usd=_sum(month.cost_usd for month in them),
            saved_by_cache_usd=_sum(month.saved_by_cache_usd for month in them),
            saved_by_routes_usd=_sum(month.saved_by_routes_usd for month in them),
            unknown=unknown,
        )
        for name, them in months
    )


def _cents(each: Decimal | None, turns: int, fixed: Decimal = Decimal(0)) -> Decimal | None:
    return (each * turns + fixed).quantize(CENT, ROUND_HALF_UP) if each is not None else None


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))
