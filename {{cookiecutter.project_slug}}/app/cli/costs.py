"""Money: what a month will cost, and what was spent by whom on what."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import orjson
import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.chart import svg
from app.cli.operating import listing
from app.cli.session import in_place, out
from app.errors import BadInput
from app.store import costs
from app.store import ledger as ledger_
from app.store.costs import By
from app.work.forecast import Forecast, Total, UseCaseForecast, Volume

if TYPE_CHECKING:
    from app.wiring.service import Service

Assumed = Literal["none", "openai", "anthropic"]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def forecast(
    json: Json = False,
    chart: Annotated[Path | None, typer.Option(help="also draw the months as an SVG file")] = None,
    provider: Annotated[
        Assumed, typer.Option(help="estimate as if this provider's models of config/models.toml were configured")
    ] = "none",
) -> None:
    """Forecast the month's cost per use case; exits 1 when the expected month breaks a budget, 2 when unknown."""
    made = in_place(lambda service: service.forecaster.make(assume=provider))
    if json:
        print(_json(made))
    else:
        _show(made)
    if chart:
        chart.write_text(svg(made), encoding="utf-8")
        out.print(f"{chart} shows the same", markup=False) if not json else None
    raise typer.Exit(1 if made.breaks else 2 if made.unknown else 0)


def _show(made: Forecast) -> None:
    figures = (
        Column(name, justify="right", no_wrap=True) for name in ("turns", "costs", "cache saves", "routing saves")
    )
    table = Table("use case", Column("a month at", no_wrap=True), *figures)
    for one in made.usecases:
        for place, volume in enumerate(one.volumes):
            table.add_row(one.usecase if place == 0 else "", *_month(volume, one), end_section=place == 3)
    for total in made.totals:
        table.add_row("all" if total is made.totals[0] else "", *_month(total))
    out.print(table)
    for one in made.usecases:
        out.print(f"[bold]{one.usecase}[/]: {_usd(one.per_turn_usd)} a turn; {one.basis}: {escape(one.said)}")
        out.print(f"  the month's budget of {_usd(one.budget_usd)} holds {_breaks(one)} turns")
        if one.documents_usd:
            out.print(f"  {_usd(one.documents_usd)} of each month is for embedding documents, as in the last 30 days")
    out.print("; ".join(f"{name}: {meaning}" for name, meaning in made.definitions.items()), style="dim")
    for name in made.breaks:
        out.print(f"[red]The expected month of {name} breaks its budget.[/]")
    for name in made.unknown:
        out.print(f"[yellow]Calls of {name} have no known price: add it to config/models.toml, prices.[/]")


def _month(volume: Volume | Total, one: UseCaseForecast | None = None) -> tuple[str, ...]:
    unknown = volume.unknown if isinstance(volume, Total) else one is not None and one.unpriced_share
    cost = _usd(volume.cost_usd)
    if volume.cost_usd is not None and unknown:
        cost = f"at least {cost}"
    if isinstance(volume, Volume) and volume.within_budget is False:
        cost = f"[red]{cost}[/]"
    saved = ("–" if each is None else _usd(each) for each in (volume.saved_by_cache_usd, volume.saved_by_routes_usd))
    return volume.name, f"{volume.turns:,}", cost, *saved


def _breaks(one: UseCaseForecast) -> str:
    if one.breaks_at_turns is None:
        return "unknown" if one.per_turn_usd is None else "never"
    return f"{one.breaks_at_turns:,} ({one.breaks_at_turns / one.volumes[0].turns:.1f} x expected)"


def _usd(amount: Decimal | None) -> str:
    if amount is None:
        return "unknown"
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= Decimal("0.1") else f"${amount:,.6f}"


def ledger(  # noqa: PLR0913 - options of a command
    user: Annotated[str, typer.Option(help="only turns of this person")] = "",
    usecase: Annotated[str, typer.Option(help="only turns of this use case")] = "",
    at: Annotated[str, typer.Option(help='around this time, UTC: "tuesday 14:00" or 2026-11-17T14:00')] = "",
    turn: Annotated[UUID | None, typer.Option(help="everything about one turn")] = None,
    by: Annotated[By | None, typer.Option(help="add up instead, by one of these")] = None,
    hours: Annotated[float, typer.Option(min=0.01, help="so far back, where no time is given")] = 24,
    minutes: Annotated[float, typer.Option(min=0.1, help="so far before and after the time given")] = 30,
    json: Json = False,
) -> None:
    """List turns with their calls, and jobs that called models by themselves: by whom, what was said, what it cost."""
    since, until = _between(at, hours=hours, minutes=minutes)
    jobs: Any = []
    if turn:
        rows: Any = [in_place(lambda service: _story(service, turn))]
    elif by:
        if user or usecase:
            raise BadInput("--by adds up everybody's turns in all use cases: leave out --user and --usecase.")
        rows = in_place(lambda service: _sums(service, by, since=since, until=until))
    else:
        rows, jobs = in_place(lambda service: _made(service, since=since, until=until, user=user, usecase=usecase))
    if json:
        print(_json([*rows, *jobs]))
    elif by and not turn:
        _show_sums(rows, by)
    else:
        _show_turns(rows)
        _show_jobs(jobs)


async def _story(service: "Service", turn_id: UUID) -> Any:
    async with service.database.work() as work:
        return await ledger_.story(work, turn_id, user_id=None)


async def _sums(service: "Service", by: By, *, since: datetime, until: datetime) -> Any:
    async with service.database.work() as work:
        return await costs.sums(work, by=by, since=since, until=until)


async def _made(service: "Service", *, since: datetime, until: datetime, user: str, usecase: str) -> tuple[Any, Any]:
    wanted: dict[str, Any] = {"since": since, "until": until, "user_id": user or None, "usecase": usecase or None}
    async with service.database.work() as work:
        return await costs.turns_at(work, **wanted), await costs.jobs_at(work, **wanted)


def _between(at: str, *, hours: float, minutes: float) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    if not at:
        return now - timedelta(hours=hours), now
    middle, around = moment(at, now=now), timedelta(minutes=minutes)
    return middle - around, middle + around


def moment(text: str, *, now: datetime) -> datetime:
    """Read a time in UTC: ISO 8601, or a day of the last week such as "tuesday 14:00". Raises BadInput."""
    day, _, clock = text.strip().lower().partition(" ")
    try:
        if day in DAYS:
            time = datetime.strptime(clock or "12:00", "%H:%M").time()
            back = (now.weekday() - DAYS.index(day)) % 7
            found = datetime.combine(now.date() - timedelta(days=back), time, UTC)
            return found if found <= now else found - timedelta(days=7)
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(f'{text!r} is no time; write "tuesday 14:00" or 2026-11-17T14:00, in UTC.') from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _show_sums(rows: Any, by: str) -> None:
    money = (Column(name, justify="right", no_wrap=True) for name in ("spent", "saved"))
    table = Table(by, "turns", "failed", "calls", "input tokens", "output tokens", *money, "unpriced calls")
    for row in rows:
        counts = (f"{row[key] or 0:,}" for key in ("turns", "failed", "calls", "input_tokens", "output_tokens"))
        table.add_row(row[by] or "none", *counts, _usd(row["cost_usd"]), _usd(row["saved_usd"]), str(row["unpriced"]))
    out.print(table)


def _show_turns(rows: Any) -> None:
    table = listing(
        "turn", "at (UTC)", "user", "use case", "outcome", "answered by", "ms", "cost", "question and answer"
    )
    for row in rows:
        when = row["started_at"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        who = (row["user_id"], row["usecase"], row["outcome"])
        by = f"{row['rung']} {row['model']} {row['revision']}".strip()
        said = escape(f"{row['question'][:100]}\n→ {(row['answer'] or row['reason'])[:100]}")
        table.add_row(str(row["id"]), when, *who, by, f"{row['latency_ms']:.0f}", _usd(row["cost_usd"]), said)
        for call in row["calls"]:
            cost = _usd(None if call["cost_usd"] is None else Decimal(str(call["cost_usd"])))
            tokens = f"{call['input_tokens']}+{call['output_tokens']} tokens"
            model, how = f"{call['provider']}:{call['model']}", f"call {call['attempt']} ({call['purpose']})"
            end = escape(call["error"]) or "ok"
            table.add_row(f"  └ {how}", "", "", "", end, model, f"{call['latency_ms']:.0f}", cost, tokens)
    out.print(table)
    if len(rows) == costs.MOST:
        out.print(f"These are the first {costs.MOST}; ask for a shorter time, a person or a use case to see others.")


def _show_jobs(rows: Any) -> None:
    if not rows:
        return
    table = listing("job", "from (UTC)", "kind", "user", "use case", "model", "calls", "failed", "tokens", "cost")
    for row in rows:
        when = row["started_at"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        who = (row["kind"] or "", row["user_id"], row["usecase"] or "all", row["model"])
        unpriced = f" and {row['unpriced']} unpriced" if row["unpriced"] else ""
        counts = (str(row["calls"]), str(row["failed"]), f"{row['input_tokens']:,}")
        table.add_row(str(row["job_id"]), when, *who, *counts, f"{_usd(row['cost_usd'])}{unpriced}")
    out.print(table)


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (forecast, ledger):
        app.command()(command)
