"""The forecast as a drawing: one bar per month and volume, and a line where the budget ends."""

from collections.abc import Iterator
from decimal import Decimal
from html import escape

from app.work.forecast import Forecast, UseCaseForecast, Volume

WIDTH, LEFT, RIGHT, BAR, GAP, HEAD = 940, 200, 190, 22, 6, 34
KEY = "The line is where the budget of the month ends."
COLOURS = {True: "#2f6f4f", False: "#b3261e", None: "#8a6d00"}
WORDS = {True: "", False: ", over budget", None: ", calls without a price on top"}
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1b1b1b;stroke:#fff;stroke-width:4px;paint-order:stroke}"
    ".head{font-weight:600}.small{font-size:12px}"
    "@media (prefers-color-scheme:dark){.paper{fill:#161616}text{fill:#eee;stroke:#161616}.budget{stroke:#eee}}"
)


def svg(made: Forecast) -> str:
    """Draw the forecast; bars of a use case are in proportion to its largest month or its budget."""
    parts, y = [], 56
    for one in made.usecases:
        parts += [f'<text class="head" x="16" y="{y + 14}">{escape(one.usecase)}: {escape(_basis(one))}</text>']
        y += HEAD - 8
        parts += _bars(one, y)
        y += len(one.volumes) * (BAR + GAP) + HEAD
    told = "; ".join(_said(one) for one in made.usecases)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" aria-labelledby="title desc">'
        f'<title id="title">Cost of a month by use case and volume</title><desc id="desc">{escape(told)}</desc>'
        f'<style>{STYLE}</style><rect class="paper" width="{WIDTH}" height="{y}" fill="#fff"/>'
        f'<text class="head" x="16" y="28">Cost of a month, US dollars, {made.at:%Y-%m-%d}</text>'
        f'<text class="small" x="16" y="46">{KEY}</text>'
        f"{''.join(parts)}</svg>\n"
    )


def _bars(one: UseCaseForecast, y: int) -> Iterator[str]:
    room = WIDTH - LEFT - RIGHT
    most = max([one.budget_usd, *(volume.cost_usd or Decimal(0) for volume in one.volumes)])
    x, end = f"{LEFT + float(one.budget_usd / most) * room:.1f}", y + len(one.volumes) * (BAR + GAP)
    yield f'<line class="budget" x1="{x}" y1="{y - 4}" x2="{x}" y2="{end}" stroke="#1b1b1b" stroke-width="2"/>'
    for place, volume in enumerate(one.volumes):
        top, said = y + place * (BAR + GAP), f"{_cost(volume)}{WORDS[volume.within_budget]}"
        length = float((volume.cost_usd or Decimal(0)) / most) * room
        colour = COLOURS[volume.within_budget]
        yield f'<text class="small" x="16" y="{top + 15}">{volume.name}, {volume.turns:,} turns</text>'
        yield f'<rect x="{LEFT}" y="{top}" width="{max(1.0, length):.1f}" height="{BAR}" fill="{colour}"/>'
        yield f'<text class="small" x="{LEFT + length + 8:.1f}" y="{top + 15}">{said}</text>'


def _cost(volume: Volume) -> str:
    return "unknown" if volume.cost_usd is None else f"${volume.cost_usd:,.2f}"


def _basis(one: UseCaseForecast) -> str:
    how = f"{one.sample_turns:,} turns of the ledger" if one.basis == "ledger" else "an estimate"
    return f"from {how}, budget ${one.budget_usd:,.2f}"


def _said(one: UseCaseForecast) -> str:
    months = ", ".join(f"{volume.name} {_cost(volume)}" for volume in one.volumes)
    return f"{one.usecase}, {_basis(one)}: {months}"
