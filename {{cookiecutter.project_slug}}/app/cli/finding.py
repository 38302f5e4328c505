"""Shows what the search found: its figures with intervals, by slice, and beside the approved run."""

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table

from app.cli.session import out
from app.evaluation.baseline import Comparison
from app.evaluation.ranking import Figure
from app.evaluation.retrieval import SLICES, RetrievalReport

NAMES = {"recall_at_5": "recall@5", "mrr": "MRR", "ndcg_at_10": "nDCG@10", "silence": "silence"}
# Ids of a list that a person reads; all stand in the JSON.
MOST = 20


def show(report: RetrievalReport, compared: Comparison | None) -> None:
    """Print a run of the questions to the search, and what changed."""
    figures = {name: each for name, each in report.figures.items() if each.count}
    colour = "green" if report.good else "red"
    told = ", ".join(f"{NAMES[name]} {_interval(each)}" for name, each in figures.items())
    out.print(
        f"[bold]{report.usecase}[/], search: [{colour}]{told}[/]; {len(report.results)} questions;"
        f" the contract asks for recall@5 of {report.floor:.0%}"
    )
    for name in SLICES:
        _slices(name, report.by(name))
    for found in report.leaks:
        out.print(f"  [red]LEAK[/] {found.id}: {found.person} was given {escape('; '.join(found.leaked))}")
    missed = [found.id for found in report.results if found.missed]
    out.print(f"  not among the first ten, at least in part: {_listed(missed)}")
    for fault in report.faults:
        out.print(f"  [yellow]?[/] {escape(fault)}")
    _compared(compared)


def _interval(figure: Figure) -> str:
    return f"{figure.mean:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _slices(name: str, parts: dict[str, dict[str, Figure]]) -> None:
    table = Table(name, "questions", *NAMES.values())
    for part, figures in parts.items():
        count = max(figure.count for figure in figures.values())
        cells = [_interval(figures[metric]) if figures[metric].count else "" for metric in NAMES]
        table.add_row(escape(part), str(count), *cells)
    out.print(table)


def _compared(compared: Comparison | None) -> None:
    if compared is None:
        out.print('  no approved run to compare with: `app evaluate --approve "why"` makes this one it')
        return
    out.print(f"  beside the approved run ({escape(compared.because)}):")
    for each in compared.changes:
        verdict = "[red]worse[/]" if each.is_worse else "[green]better[/]" if each.is_better else "no more than chance"
        out.print(f"    {NAMES[each.metric]} {each.before:.3f} -> {each.after:.3f}: {verdict}")
    for moved in sorted(compared.moved, key=lambda each: not each.is_worse):
        mark = "[red]worse[/]" if moved.is_worse else "[green]better[/]"
        out.print(f"    {mark} {moved.id}: {list(moved.before)} -> {list(moved.after)} {escape(moved.question)}")
    for words, ids in (("new or changed, not compared", compared.fresh), ("approved, but gone", compared.gone)):
        if ids:
            out.print(f"    {words}: {_listed(ids)}")


def _listed(ids: Iterable[str]) -> str:
    known = list(ids)
    more = f" and {len(known) - MOST} more" if len(known) > MOST else ""
    return (", ".join(known[:MOST]) or "none") + more
