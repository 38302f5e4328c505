"""Candidates at the terminal: their shadow runs, a comparison on the cases, and cases captured from real turns."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
import typer
from rich.markup import escape

from app.cli.operating import listing
from app.cli.session import err, in_place, operator, out
from app.domain.identity import Permission, Principal
from app.domain.usecase import UseCase
from app.errors import BadInput, quoted
from app.evaluation import captured
from app.evaluation.side_by_side import SideBySide
from app.evaluation.suite import Suite
from app.evaluation.trials import DAYS, Trial
from app.evaluation.versions import Comparer, Versions
from app.store import comparisons
from app.store.captured import Status
from app.store.jobs import Order
from app.turn.candidate import spoken

if TYPE_CHECKING:
    from app.wiring.service import Service

Json = Annotated[bool, typer.Option("--json", help="print JSON instead of a table")]
WORDS = {"better": "green", "same": "default", "worse": "red", "unknown": "dim"}


def shadow(
    usecase: Annotated[str, typer.Argument(help="one use case; left out: all")] = "",
    days: Annotated[int, typer.Option(min=1, help="so far back")] = DAYS,
    json: Json = False,
) -> None:
    """Set candidates that answer unseen beside what people saw: agreement, the judge's preference, latency, cost."""
    who = Principal(operator(), permissions=frozenset({Permission.READ_ALL_TURNS}))
    found = in_place(lambda service: service.trying.trials.every(who, usecase=usecase or None, days=days))
    if json:
        told = [trial.as_json() for trial in found]
        print(orjson.dumps(told, option=orjson.OPT_INDENT_2, default=str).decode())
        return
    if not found:
        out.print("No candidate runs in the shadow; docs/how-to/try-a-model-in-the-shadow.md says how to begin.")
    for trial in found:
        _show(trial)


def cases(
    case_id: Annotated[UUID | None, typer.Argument(help="which one to decide on; left out: list them")] = None,
    *,
    accept: Annotated[bool, typer.Option("--accept", help="make it a case of the evaluation")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="leave it out")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="take the decision back")] = False,
    expected: Annotated[
        str, typer.Option(help="the right answer, in place of what was proposed; somebody else accepts it")
    ] = "",
    because: Annotated[str, typer.Option(help="why; kept with the case and in the audit")] = "",
    usecase: Annotated[str, typer.Option(help="only cases of this use case")] = "",
) -> None:
    """List what people said the right answer is, or decide whether the evaluation learns from it."""
    who = Principal(operator(), permissions=frozenset({Permission.DECIDE_REVIEWS}))
    if case_id is not None:
        status = _status(accept=accept, reject=reject, undo=undo)
        decided = in_place(
            lambda service: service.trying.captures.decide(
                who, case_id, status=status, because=because, expected=expected or None
            )
        )
        waits = ": somebody else accepts what you wrote" if accept and decided.status == "proposed" else ""
        out.print(f"the case of turn {decided.turn_id} is {decided.status}{waits}", markup=False)
        return
    table = listing("case", "status", "kind", "use case", "question", "what is right", "said about it")
    for row in in_place(lambda service: service.trying.captures.listed(who, usecase=usecase or None)):
        right = row["expected"] or (orjson.dumps(row["expected_data"]).decode() if row["expected_data"] else "")
        said = (row["status"], row["kind"], row["usecase"], row["question"], right, row["remark"])
        table.add_row(str(row["id"]), *map(escape, said))
    out.print(table)


def _status(*, accept: bool, reject: bool, undo: bool) -> Status:
    if accept + reject + undo != 1:
        raise BadInput("Say one of --accept, --reject and --undo.")
    return "accepted" if accept else "rejected" if reject else "proposed"


def capture(usecase: str, person: str) -> None:
    """Write the accepted cases of a use case, or of all, into evals/captured.jsonl beside its other cases."""

    async def work(service: "Service") -> list[str]:
        people, told = service.settings.config("people"), []
        for name, case in service.usecases.items():
            if usecase not in ("", name):
                continue
            known = await service.trying.captures.known(name)
            if any(each.status == "accepted" or each.written_at for each in known):
                path, kept = captured.write(case.folder, known, captured.asker_of(case, people, person))
                await service.trying.captures.written([each.id for each in kept])
                told.append(f"{name}: {len(kept)} captured cases stand in {path}")
        return told

    told = in_place(work)
    for line in told:
        out.print(line, markup=False)
    if not told:
        out.print("No captured case was accepted yet: `app cases` lists what is proposed.")


async def ingest(service: "Service", case: UseCase) -> None:
    """Read the sources of a use case, so that its cases find what they ask about."""
    for source in case.sources:
        order = Order("ingest", case.name, "evaluation", (), {"source": source.name})
        await service.jobs.run(await service.jobs.submit(order))


def against(name: str, candidate: str, *, sealed: bool, commit: str) -> Versions:
    """Compare a use case with its candidate on the cases, and keep what was found."""

    async def work(service: "Service") -> Versions:
        await service.start()
        case = service.usecases.get(name)
        if case is None:
            there = ", ".join(service.usecases)
            raise BadInput(f"--against needs one use case, and there is no {quoted(name)}; there are: {there}.")
        await ingest(service, case)
        suite = Suite(service.pipeline, service.roles, service.settings.config("people"))
        comparer = Comparer(suite, service.gateway, service.trying.preference)
        found = await comparer.run(case, spoken(case.contract, candidate), sealed=sealed)
        async with service.database.work() as unit:
            await comparisons.keep(unit, found.as_json(), commit=commit)
        return found

    return in_place(work)


def show_versions(found: Versions) -> None:
    """Print a comparison: shares, interval, what moved, and both sides."""
    (current, other), of = found.passed, len(found.cases)
    difference, low, high = found.difference
    colour = "green" if found.good else "red"
    out.print(
        f"[bold]{found.usecase}[/]: {current} of {of} cases right now, [{colour}]{other} with {found.candidate}[/]"
        f" ({difference:+.0%}, 95 % between {low:+.0%} and {high:+.0%}); {found.more} better, {found.fewer} worse"
        f" (by chance alone: {found.chance:.0%}); the contract asks for {found.threshold:.0%}"
    )
    for each in found.cases:
        if each.current.passed != each.other.passed:
            mark = "[green]+[/]" if each.other.passed else "[red]-[/]"
            out.print(f"  {mark} {each.case}: {escape(each.other.answer[:140])!r}")
    _show_sides(found.sides)
    for line in found.unmeasured:
        err.print(f"  [yellow]?[/] {escape(line)}")


def _show(trial: Trial) -> None:
    state = f"answers {trial.share:.0%} of the turns unseen" if trial.is_running else "does not run now"
    out.print(
        f"[bold]{trial.usecase}[/]: {escape(trial.candidate)} {state}; {trial.waiting} turns wait;"
        f" ${trial.spent_usd:.2f} of ${trial.limit_usd:.2f} are spent this month"
    )
    _show_sides(trial.sides)


def _show_sides(sides: SideBySide) -> None:
    table = listing("", "now", "candidate", "candidate in times of now", "verdict")
    agreed = sides.agreement
    table.add_row("agree", "", f"{agreed.share:.0%} of {agreed.of}", f"{agreed.low:.0%} to {agreed.high:.0%}", "")
    said: dict[str, Any] = sides.preferences
    told = f"{said['better']} better, {said['same']} same, {said['worse']} worse"
    table.add_row("judge", "", told, "", _verdict(sides.quality))
    for label, each, form in (("latency", sides.latency_ms, "{:.0f} ms"), ("cost a turn", sides.cost_usd, "${:.6f}")):
        times = f"{each.ratio:.2f} ({each.low:.2f} to {each.high:.2f})" if each.of else "unknown"
        table.add_row(label, form.format(each.seen), form.format(each.other), times, _verdict(each.verdict))
    out.print(table)


def _verdict(verdict: str) -> str:
    return f"[{WORDS[verdict]}]{verdict if verdict != 'unknown' else 'too few to tell'}[/]"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (shadow, cases):
        app.command()(command)
