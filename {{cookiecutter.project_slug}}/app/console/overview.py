"""The first page: traffic, speed, errors, cost, quality and what is left of the error budget."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.console.charts import outcome_bars
from app.console.html import duration, page
from app.console.kept import kept
from app.console.plots import Axis, Chart, Series, columns, lines, share
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.domain.usecase import UseCase
from app.store import jobs, quality, traffic
from app.store.traffic import Span, by_slot
from app.wiring.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Opener = Annotated[Principal, Depends(needs(Permission.OPEN_CONSOLE))]
# Hours to the number of slots and their length in seconds.
SPANS = {1: (12, 300), 24: (24, 3600), 168: (28, 21_600), 720: (30, 86_400)}
SPAN_NAMES = {1: "hour", 24: "24 hours", 168: "7 days", 720: "30 days"}
FAMILIES = ("answered", "refused", "escalated", "paused", "failed")
BUDGET_DAYS = 30


class Look(BaseModel):
    """How far back, and at which use case; empty: all."""

    model_config = ConfigDict(extra="forbid")

    hours: int = 24
    usecase: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of the failures that a contract allows over 30 days: 1 is all, 0 none, less: too many."""

    failed: int
    turns: int
    slo: float

    @property
    def left(self) -> float:
        """Give the share that is left, as ops/slos says it."""
        allowed = self.turns * (1 - self.slo)
        return 1 - self.failed / allowed if allowed else float(self.failed == 0)

    @property
    def tone(self) -> str:
        """Give its colour."""
        return "gone" if self.left <= 0 else "low" if self.left < 0.25 else "full"

    @property
    def width(self) -> float:
        """Give the length of its bar, 0 to 100."""
        return round(100 * min(max(self.left, 0), 1), 1)


@dataclass(frozen=True, slots=True)
class Row:
    """A use case in the table: its contract, what it did, its last evaluation and its error budget."""

    name: str
    case: UseCase | None
    did: Mapping[str, Any] | None
    measured: Mapping[str, Any] | None
    budget: Budget | None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the turns of a span add up to: by slot and outcome, by slot (times, thumbs), and by use case."""

    span: Span
    ended: Sequence[dict[str, Any]]
    speeds: Sequence[dict[str, Any]]
    opinions: Sequence[dict[str, Any]]
    did: Sequence[dict[str, Any]]


@router.get("/console")
async def overview(request: Request, service: Here, who: Opener, look: Annotated[Look, Query()]) -> Response:
    """Show the last hours or days at a glance."""
    hours = look.hours if look.hours in SPANS else 24
    slots, slot_s = SPANS[hours]
    span = Span(slots, slot_s, datetime.now(UTC), look.usecase if look.usecase in service.usecases else "")
    shown = await gathered(service, span, sees_costs=who.may(Permission.READ_COSTS))
    return page(request, "overview.html", who, hours=hours, spans=SPAN_NAMES, usecase=span.usecase, **shown)


async def gathered(service: Service, span: Span, *, sees_costs: bool) -> dict[str, Any]:
    """Gather the turns of a span, the open jobs, and what each dependency says."""
    health = await service.health()
    seen = await kept(service.database, ("traffic", span.slots, span.usecase), lambda: _traffic(service, span))
    # A month of turns is not counted anew for everybody who looks at an hour.
    failures = (await kept(service.database, "failures", lambda: _failures(service), easy_s=0)).value
    async with service.database.work() as work:
        open_jobs, measured = await jobs.counts(work), await quality.newest(work)
    span, ended = seen.value.span, seen.value.ended
    counted: Counter[str] = Counter()
    for row in ended:
        counted[row["outcome"]] += row["turns"]
    case = service.usecases.get(span.usecase)
    charts = [
        _ended(span, ended),
        _speed(span, seen.value.speeds, case),
        _failed(span, ended, case),
        _liked(span, ended, seen.value.opinions),
    ]
    if sees_costs:
        charts.append(_cost(span, ended))
    return {
        "health": health,
        "kept_at": seen.at if seen.is_kept else None,
        "rows": _rows(service, seen.value.did, measured={row["usecase"]: row for row in measured}, failures=failures),
        "bars": outcome_bars(counted),
        "charts": charts,
        "turns": counted.total(),
        "failed": sum(n for outcome, n in counted.items() if outcome.startswith("failed")),
        "cost": sum((row["cost_usd"] for row in ended), Decimal(0)),
        "open_jobs": open_jobs,
        "paused": {name: why for name in service.usecases if (why := service.flags.why_paused(name))},
        "sees_costs": sees_costs,
        "usecases": list(service.usecases),
        "owners_of": owners_of,
    }


def owners_of(case: UseCase) -> list[tuple[str, str]]:
    """Give whom to turn to about a use case, by what they answer for, whoever is called at night first."""
    owners = case.contract.owners
    return [
        ("on call", owners.on_call),
        ("then", owners.escalation),
        ("workflow", owners.workflow),
        ("prompt", owners.prompt),
        ("cost", owners.cost),
    ]


async def _traffic(service: Service, span: Span) -> Traffic:
    async with service.database.work() as work:
        return Traffic(
            span,
            ended=await traffic.outcomes(work, span),
            speeds=await traffic.speeds(work, span),
            opinions=await traffic.opinions(work, span),
            did=await traffic.by_usecase(work, span),
        )


async def _failures(service: Service) -> dict[str, tuple[int, int]]:
    async with service.database.work() as work:
        return await traffic.failures(work, days=BUDGET_DAYS)


def _rows(
    service: Service,
    did: Sequence[Mapping[str, Any]],
    *,
    measured: Mapping[str, Mapping[str, Any]],
    failures: Mapping[str, tuple[int, int]],
) -> list[Row]:
    by_name = {row["usecase"]: row for row in did}
    rows = []
    for name in sorted({*service.usecases, *by_name}):
        case = service.usecases.get(name)
        budget = Budget(*failures[name], case.contract.availability.slo) if case and name in failures else None
        rows.append(Row(name, case, by_name.get(name), measured.get(name), budget))
    return rows


def _labels(span: Span) -> list[str]:
    told = "%d %b" if span.slot_s >= 86_400 else "%d %b %H:%M" if span.slot_s > 3600 else "%H:%M"
    return [start.strftime(told) for start in span.starts]


def _families(span: Span, ended: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    found = {family: [0.0] * span.slots for family in FAMILIES}
    for row in ended:
        family = row["outcome"].split("_", 1)[0]
        if family in found and 0 <= (place := row["slot"] - span.first) < span.slots:
            found[family][place] += row["turns"]
    return found


def _ended(span: Span, ended: Sequence[Mapping[str, Any]]) -> Chart:
    series = [Series(family, values, family) for family, values in _families(span, ended).items() if any(values)]
    return columns("Turns", _labels(span), series=series)


def _speed(span: Span, speeds: Sequence[dict[str, Any]], case: UseCase | None) -> Chart:
    rows = by_slot(span, speeds)
    series = [
        Series(name, [row[key] if row else None for row in rows], tone)
        for name, key, tone in (("median", "p50_ms", "c2"), ("95 of 100", "p95_ms", "c3"))
    ]
    axis = Axis(duration, limit=case.contract.latency.p95_ms if case else None)
    return lines("Time to the answer", _labels(span), series=series, axis=axis)


def _failed(span: Span, ended: Sequence[Mapping[str, Any]], case: UseCase | None) -> Chart:
    families = _families(span, ended)
    whole = [sum(values) for values in zip(*families.values(), strict=True)]
    shares = [failed / turns if turns else None for failed, turns in zip(families["failed"], whole, strict=True)]
    axis = Axis(share, limit=1 - case.contract.availability.slo if case else None)
    return lines("Share of turns that failed", _labels(span), series=[Series("failed", shares, "failed")], axis=axis)


def _liked(span: Span, ended: Sequence[Mapping[str, Any]], opinions: Sequence[dict[str, Any]]) -> Chart:
    said = [row["up"] / row["said"] if row else None for row in by_slot(span, opinions)]
    turns, held = [0] * span.slots, [0] * span.slots
    for row in ended:
        if 0 <= (place := row["slot"] - span.first) < span.slots:
            turns[place] += row["turns"]
            held[place] += row["turns"] if row["outcome"] == "refused_check" else 0
    kept = [1 - stopped / all_ if all_ else None for stopped, all_ in zip(held, turns, strict=True)]
    series = [Series("thumbs up, of those who said", said, "answered"), Series("passed the checks", kept, "c2")]
    return lines("Quality", _labels(span), series=series, axis=Axis(share, top=1.0))


def _cost(span: Span, ended: Sequence[Mapping[str, Any]]) -> Chart:
    spent = [0.0] * span.slots
    for row in ended:
        if 0 <= (place := row["slot"] - span.first) < span.slots:
            spent[place] += float(row["cost_usd"])
    return columns("Cost", _labels(span), series=[Series("US dollars", spent, "c4")], axis=Axis(_dollars))


def _dollars(usd: float) -> str:
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.3g}"
