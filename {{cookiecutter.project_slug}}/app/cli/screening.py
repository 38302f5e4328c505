"""Shows what the screen against orders to the model stops: per family, with intervals, and what went wrong."""

from rich.markup import escape
from rich.table import Table

from app.cli.session import out
from app.evaluation.injection import KINDS, PARTS, InjectionReport, Share

TITLES = {"attacks": "attacks stopped", "benign": "harmless texts taken for attacks"}


def show(report: InjectionReport, *, sealed: bool) -> None:
    """Print a measurement; what went wrong in the held-out sets only when asked: who reads it, tunes on it."""
    for part in PARTS:
        table = Table("family", "kind", "of", "share", "95 %", title=f"{part} sets", title_justify="left")
        for kind in KINDS:
            for family in report.families(part, kind):
                _row(table, family, TITLES[kind], report.share(part, kind, family))
            _row(table, "[bold]all[/]", TITLES[kind], report.share(part, kind))
        out.print(table)
    for each in report.wrong:
        if each.sample.part == "held-out" and not sealed:
            continue
        signals = ", ".join(each.signals) or "no signal"
        out.print(f"  [red]✗[/] {escape(each.sample.name)!r}: {each.score:.2f} ({signals})")
    for line in report.shortfalls:
        out.print(f"  [red]falls short:[/] {escape(line)}")


def _row(table: Table, family: str, kind: str, share: Share) -> None:
    told = share.as_json()
    table.add_row(family, kind, f"{share.count}/{share.total}", f"{share.rate:.1%}", _interval(told))


def _interval(told: dict[str, float]) -> str:
    return f"{told['low']:.1%} to {told['high']:.1%}"
