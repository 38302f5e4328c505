"""Measure quality, and prove readiness."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli import finding, screening, trying
from app.cli.session import err, in_place, out
from app.domain.usecase import UseCase
from app.evaluation import baseline, questions
from app.evaluation import readiness as readiness_
from app.evaluation.baseline import Comparison, told
from app.evaluation.cases import load as load_cases
from app.evaluation.injection import load as load_samples
from app.evaluation.injection import measure
from app.evaluation.readiness import Row, State
from app.evaluation.retrieval import RetrievalReport, SearchSuite
from app.evaluation.suite import Report, Suite
from app.settings import ROOT
from app.store import quality

if TYPE_CHECKING:
    from app.wiring.service import Service

COLOURS = {State.PROVEN: "green", State.BEGUN: "cyan", State.BROKEN: "red", State.NOT_YET: "yellow"}
CAPTURE = "capture"
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one use case: its answers, its search, and what changed in what the search finds."""

    usecase: UseCase
    answers: Report | None
    search: RetrievalReport | None
    compared: Comparison | None

    @property
    def is_whole(self) -> bool:
        """Say whether everything could be measured."""
        return not ((self.answers and self.answers.unmeasured) or (self.search and self.search.faults))

    @property
    def good(self) -> bool:
        """Say whether the contract is kept and nothing fell below the approved run."""
        return all(part.good for part in (self.answers, self.search, self.compared) if part is not None)

    def as_json(self) -> dict[str, Any]:
        """Give the report as it is printed and kept; `good` is the verdict on all of it."""
        search = told(self.search, self.compared) if self.search else None
        answers = self.answers.as_json() if self.answers else {"usecase": self.usecase.name}
        return {**answers, "good": self.good, "search": search}


def evaluate(  # noqa: PLR0913 - options of a command
    usecase: Annotated[str, typer.Argument(help="one use case, or `capture`; left out: all")] = "",
    sealed: Annotated[bool, typer.Option(help="run the sealed cases too: for a release decision")] = False,
    search: Annotated[bool, typer.Option("--search", help="measure the search alone, without any answer")] = False,
    approve: Annotated[str, typer.Option(help="make what the search found the approved run; say why")] = "",
    injection: Annotated[bool, typer.Option("--injection", help="measure the screen against attacks, alone")] = False,
    against: Annotated[str, typer.Option(help="compare with a candidate: its name, role=..., prompt=...")] = "",
    usecase_: Annotated[str, typer.Option("--usecase", help="with `capture`: of this use case only")] = "",
    person: Annotated[str, typer.Option("--as", help="with `capture`: who of config/people.toml asks")] = "",
    json: Json = False,
) -> None:
    """Run the evaluation cases through the real pipeline, and the questions to the search.

    `evaluate capture` writes the cases that people accepted of corrections, complaints and reviews. Exits 1 below the
    contract's shares or the approved run of the search, or where a candidate is worse; 2 when not measurable.
    """
    if usecase == CAPTURE:
        trying.capture(usecase_, person)
        return
    if against:
        _compare(usecase, against, sealed=sealed, json=json)
    if injection:
        _screen(json, sealed=sealed)
    measured = in_place(lambda service: _evaluate(service, usecase, sealed=sealed, answers=not search))
    if json:
        print(orjson.dumps([each.as_json() for each in measured], option=orjson.OPT_INDENT_2).decode())
    else:
        for each in measured:
            _show_all(each)
    if not measured or not all(each.is_whole for each in measured):
        raise typer.Exit(2)
    if approve:
        for each in measured:
            if each.search:
                baseline.approve(each.usecase.folder, each.search, because=approve)
        raise typer.Exit(0 if all(each.answers is None or each.answers.good for each in measured) else 1)
    raise typer.Exit(0 if all(each.good for each in measured) else 1)


def _compare(usecase: str, candidate: str, *, sealed: bool, json: bool) -> None:
    """Compare a candidate with the current version, case by case."""
    found = trying.against(usecase, candidate, sealed=sealed, commit=_commit())
    if json:
        print(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        trying.show_versions(found)
    raise typer.Exit(2 if found.unmeasured or not found.cases else 0 if found.good else 1)


def _screen(json: bool, *, sealed: bool) -> None:
    """Measure what the screen stops, which needs neither a service nor a model."""
    report = measure(load_samples())
    if json:
        print(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        screening.show(report, sealed=sealed)
    raise typer.Exit(0 if report.good else 1)


async def _evaluate(service: "Service", only: str, *, sealed: bool, answers: bool) -> list[Measured]:
    await service.start()
    people = service.settings.config("people")
    suite = Suite(service.pipeline, service.roles, people)
    searching = SearchSuite(service.pipeline.retrieve, service.database, service.roles, people)
    measured = []
    for name, case in service.usecases.items():
        if only not in ("", name) or not (case.folder / "evals").is_dir():
            continue
        await trying.ingest(service, case)
        found = await _searched(searching, case)
        compared = baseline.compare(case.folder, found) if found else None
        # A use case may bring questions to its search alone.
        is_asked = answers and ((case.folder / "evals" / "cases.yaml").exists() or found is None)
        report = await _answered(suite, case, sealed=sealed) if is_asked else None
        measured.append(Measured(case, report, found, compared))
        if report:
            async with service.database.work() as work:
                await quality.keep(work, measured[-1].as_json(), commit=_commit())
    return [each for each in measured if each.answers or each.search]


async def _answered(suite: Suite, case: UseCase, *, sealed: bool) -> Report:
    total = sum(sealed or not each.sealed for each in load_cases(case.folder))
    with _bar() as progress:
        bar = progress.add_task(case.name, total=total)
        return await suite.run(case, sealed=sealed, seen=lambda _: progress.advance(bar))


async def _searched(suite: SearchSuite, case: UseCase) -> RetrievalReport | None:
    with _bar() as progress:
        bar = progress.add_task(f"{case.name}, search", total=len(questions.load(case.folder)) or None)
        return await suite.run(case, seen=lambda _: progress.advance(bar))


def _show_all(measured: Measured) -> None:
    if measured.answers:
        _show(measured.answers)
    if measured.search:
        finding.show(measured.search, measured.compared)


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
