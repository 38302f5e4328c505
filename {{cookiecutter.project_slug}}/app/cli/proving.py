"""Measure quality, and prove readiness."""

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli.session import err, in_place, out
from app.evaluation import readiness as readiness_
from app.evaluation.cases import load as load_cases
from app.evaluation.readiness import Row, State
from app.evaluation.suite import Report, Suite
from app.settings import ROOT
from app.store import quality
from app.store.jobs import Order

if TYPE_CHECKING:
    from app.wiring.service import Service

COLOURS = {State.PROVEN: "green", State.BEGUN: "cyan", State.BROKEN: "red", State.NOT_YET: "yellow"}
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


def evaluate(
    usecase: Annotated[str, typer.Argument(help="one use case; left out: all")] = "",
    sealed: Annotated[bool, typer.Option(help="run the sealed cases too: for a release decision")] = False,
    json: Json = False,
) -> None:
    """Run the evaluation cases through the real pipeline; exits 1 below the contract's share, 2 when not measurable."""
    reports = in_place(lambda service: _evaluate(service, usecase, sealed=sealed))
    if json:
        print(orjson.dumps([report.as_json() for report in reports], option=orjson.OPT_INDENT_2).decode())
    else:
        for report in reports:
            _show(report)
    if not reports or any(report.unmeasured for report in reports):
        raise typer.Exit(2)
    raise typer.Exit(0 if all(report.good for report in reports) else 1)


async def _evaluate(service: "Service", only: str, *, sealed: bool) -> list[Report]:
    await service.start()
    suite = Suite(service.pipeline, service.roles, service.settings.config("people"))
    reports = []
    for name, case in service.usecases.items():
        if only not in ("", name) or not (case.folder / "evals").is_dir():
            continue
        for source in case.sources:
            order = Order("ingest", name, "evaluation", (), {"source": source.name})
            await service.jobs.run(await service.jobs.submit(order))
        total = sum(sealed or not each.sealed for each in load_cases(case.folder))
        with _bar() as progress:
            bar = progress.add_task(name, total=total)
            reports.append(await suite.run(case, sealed=sealed, seen=lambda _, bar=bar: progress.advance(bar)))  # type: ignore[misc]
        async with service.database.work() as work:
            await quality.keep(work, reports[-1].as_json(), commit=_commit())
    return reports


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err)


def _commit() -> str:
    if given := os.environ.get("GIT_COMMIT"):
        return given
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    except FileNotFoundError:  # the service's image brings no git
        return ""
    return found.stdout.strip()


def _show(report: Report) -> None:
    low, high = report.interval
    colour = "green" if report.good else "red"
    out.print(
        f"[bold]{report.usecase}[/]: [{colour}]{report.passed} of {len(report.results)} cases right,"
        f" {report.rate:.0%}[/] (95 % between {low:.0%} and {high:.0%}); the contract asks for {report.threshold:.0%};"
        f" revision {report.revision}; answered by {dict(report.rungs)}"
    )
    table = Table("kind of case", "right", "of")
    for tag, (passed, total) in report.by_tag().items():
        table.add_row(tag, str(passed), str(total))
    out.print(table)
    for result in report.results:
        if not result.passed:
            wrong = ", ".join(name for name, good in result.scores.items() if not good)
            out.print(f"  [red]✗[/] {result.case}: {wrong}; {result.outcome}: {escape(result.answer[:140])!r}")
    for line in report.unmeasured:
        out.print(f"  [yellow]?[/] {escape(line)}")


def readiness(
    strict: Annotated[bool, typer.Option(help="exit 1 unless every row is proven")] = False, json: Json = False
) -> None:
    """Report, requirement by requirement, what is proven and by what; exits 1 when evidence failed."""
    folder = Path(os.environ.get("APP_LOCAL_DIR") or ROOT / ".local") / "evidence"
    rows = readiness_.assess(folder)
    if json:
        print(orjson.dumps([_row(row) for row in rows], option=orjson.OPT_INDENT_2).decode())
    else:
        _print(rows)
    bad = set(State) - {State.PROVEN} if strict else {State.BROKEN}
    raise typer.Exit(1 if any(row.state in bad for row in rows) else 0)


def _row(row: Row) -> dict[str, Any]:
    proofs = [
        {"test": proof.name, "outcome": proof.outcome, "at": proof.at, "commit": proof.commit} for proof in row.proofs
    ]
    about = row.requirement
    told = {"id": about.id, "text": about.text, "state": row.state, "person": about.person, "missing": about.missing}
    return {**told, "proofs": proofs}


def _print(rows: list[Row]) -> None:
    table = Table("id", "state", "requirement", "evidence", "still missing", "a person has to see to it that")
    for row in rows:
        newest = max(row.proofs, key=lambda proof: proof.at, default=None)
        what = f"{newest.name.rsplit('::', 1)[-1]}\n{newest.at} at {newest.commit}" if newest else ""
        more = f" (+{len(row.proofs) - 1} more)" if len(row.proofs) > 1 else ""
        state = f"[{COLOURS[row.state]}]{row.state.value}[/]"
        about = row.requirement
        table.add_row(about.id, state, escape(about.text), escape(what + more), escape(about.missing), about.person)
    out.print(table)
    counted = ", ".join(f"{sum(row.state is state for row in rows)} {state.value}" for state in State)
    out.print(f"{counted}, of {len(rows)}; evidence is written by `make test`")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (evaluate, readiness):
        app.command()(command)
