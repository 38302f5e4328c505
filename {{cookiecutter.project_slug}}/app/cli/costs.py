"""Money: what a month will cost."""

from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.chart import svg
from app.cli.money import usd
from app.cli.session import in_place, out
from app.work.forecast import Forecast, Total, UseCaseForecast, Volume

Assumed = Literal["none", "openai", "anthropic"]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


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
        out.print(f"[bold]{one.usecase}[/]: {usd(one.per_turn_usd)} a turn; {one.basis}: {escape(one.said)}")
        out.print(f"  the month's budget of {usd(one.budget_usd)} holds {_breaks(one)} turns")
        if one.documents_usd:
            out.print(f"  {usd(one.documents_usd)} of each month is for embedding documents, as in the last 30 days")
    out.print("; ".join(f"{name}: {meaning}" for name, meaning in made.definitions.items()), style="dim")
    for name in made.breaks:
        out.print(f"[red]The expected month of {name} breaks its budget.[/]")
    for name in made.unknown:
        out.print(f"[yellow]Calls of {name} have no known price: add it to config/models.toml, prices.[/]")


def _month(volume: Volume | Total, one: UseCaseForecast | None = None) -> tuple[str, ...]:
    unknown = volume.unknown if isinstance(volume, Total) else one is not None and one.unpriced_share
    cost = usd(volume.cost_usd)
    if volume.cost_usd is not None and unknown:
        cost = f"at least {cost}"
    if isinstance(volume, Volume) and volume.within_budget is False:
        cost = f"[red]{cost}[/]"
    saved = ("–" if each is None else usd(each) for each in (volume.saved_by_cache_usd, volume.saved_by_routes_usd))
    return volume.name, f"{volume.turns:,}", cost, *saved


def _breaks(one: UseCaseForecast) -> str:
    if one.breaks_at_turns is None:
        return "unknown" if one.per_turn_usd is None else "never"
    return f"{one.breaks_at_turns:,} ({one.breaks_at_turns / one.volumes[0].turns:.1f} x expected)"


def _json(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(forecast)
