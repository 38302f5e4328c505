"""Why a search did not find a document, and who can read one: looks that see everything and stand in the audit."""

import sys
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from app.cli.session import in_place, operator, out
from app.domain.identity import Permission, Principal
from app.errors import BadInput

if TYPE_CHECKING:
    from app.work.inspecting import Explanation
    from app.work.readers import Readable, Readers
    from app.work.why import Diagnosis

Because = Annotated[str, typer.Option("--because", help="why you look; kept in the audit, asked for when left out")]
Group = Annotated[list[str] | None, typer.Option("--group", help="a group of the person's identity token; repeatable")]
Json = Annotated[bool, typer.Option("--json", help="print JSON instead of tables")]


def _who() -> Principal:
    # Whoever may build the service on this machine holds its keys.
    return Principal(operator(), permissions=frozenset({Permission.INSPECT_DOCUMENTS}))


def _reason(because: str) -> str:
    if because.strip() or not sys.stdin.isatty():
        return because
    return str(typer.prompt("Why do you look"))


def why(  # noqa: PLR0913 - each is an option of the command
    question: Annotated[str, typer.Argument(help="what was asked")],
    usecase: Annotated[str, typer.Option(help="where it was asked")],
    person: Annotated[str, typer.Option("--as", help="who asked: the search has this person's rights")],
    document: Annotated[str, typer.Option(help="what should have been found: id, path or title")] = "",
    chunk: Annotated[int | None, typer.Option(min=1, help="a passage of it: its place from 1, or its id")] = None,
    because: Because = "",
    group: Group = None,
    json: Json = False,
) -> None:
    """Search as somebody, without a model, and say why a document was found or not; exits 1 when it was not."""
    from app.work.inspecting import Question

    because = _reason(because)
    asked = Question(question, usecase, person, tuple(group or ()), document, chunk)
    found = in_place(lambda service: service.inspection.why(_who(), asked, because=because))
    if json:
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(found)
    raise typer.Exit(0 if not document or any(each.found for each in found.diagnoses) else 1)


def _show(found: "Explanation") -> None:
    claims = found.claims
    out.print(f"[bold]{escape(found.person)}[/] in {found.usecase}: {escape(', '.join(claims.names))}")
    if claims.clearance or claims.regions:
        out.print(f"clearance {claims.clearance}, regions {', '.join(claims.regions) or 'none'}")
    if found.note:
        out.print(f"[yellow]{escape(found.note)}[/]")
    out.print(f"plan {found.plan}, {found.visible_chunks} passages visible, {found.ms:.1f} ms")
    if found.weighed:
        table = Table("passage", "scores", "fate", "why")
        for each in found.weighed:
            scores = "  ".join(f"{stage} {score:.3g}" for stage, score in each.scores.items())
            place = f"{each.title} > {each.heading}" if each.heading else each.title
            table.add_row(escape(place), scores, "kept" if each.kept else "cut", escape(each.because))
        out.print(table)
    else:
        out.print("nothing was found that this person may read")
    for diagnosis in found.diagnoses:
        _tell(diagnosis)


def _tell(diagnosis: "Diagnosis") -> None:
    out.print(f"\n[bold]{escape(diagnosis.title or diagnosis.name)}[/] {escape(diagnosis.path)}")
    for verdict in diagnosis.verdicts:
        mark = "[green]yes[/]" if verdict.good else "[red]no[/] "
        out.print(f"  {mark} {verdict.step}: {escape(verdict.said)}")
        if verdict.cure and not verdict.good:
            out.print(f"      what would change it: {escape(verdict.cure)}")
    if diagnosis.reason:
        out.print(f"[red]not found[/]: {escape(diagnosis.reason)}")


def readers(
    document: Annotated[str, typer.Argument(help="id, path or title; left out with --person")] = "",
    person: Annotated[str, typer.Option(help="the other way round: what this person can read")] = "",
    because: Because = "",
    group: Group = None,
    json: Json = False,
) -> None:
    """Say who can read a document, since when and by which rule; or how much of each source a person can read."""
    if bool(document) == bool(person):
        raise BadInput("Name a document, or `--person USER`.")
    because = _reason(because)
    if person:
        seen = in_place(
            lambda service: service.inspection.readable(_who(), person, because=because, groups=tuple(group or ()))
        )
        print(orjson.dumps(seen, option=orjson.OPT_INDENT_2).decode()) if json else _readable(seen)
        return
    found = in_place(lambda service: service.inspection.readers(_who(), document, because=because))
    if json:
        print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    for each in found:
        _readers(each)


def _readers(found: "Readers") -> None:
    access = found.access
    out.print(f"\n[bold]{escape(found.title)}[/] {found.usecase}/{found.source}/{escape(found.path)} {found.id}")
    out.print(f"readers {escape(', '.join(access.readers))}; denied {escape(', '.join(access.denied) or 'none')}")
    out.print(f"classification {access.classification or 'none'}; regions {', '.join(access.regions) or 'all'}")
    for given in found.history:
        job = f"job {given.job_id} ({given.kind or 'gone'} by {given.by or '?'})" if given.job_id else "no job known"
        out.print(f"since {given.at:%Y-%m-%d %H:%M} UTC: {escape(', '.join(given.access.readers))}, {job}")
    for group in found.groups:
        names = escape(", ".join(group.people) or "nobody known")
        out.print(f"{'denied' if group.denied else 'reader'} {escape(group.group)}: {names}")
    table = Table("person", "may read", "rule", "why")
    for who in found.people:
        table.add_row(who.user_id, "yes" if who.allowed else "no", who.rule, escape(who.said))
    out.print(table)
    if found.everyone:
        out.print("and everybody else who signs in, unless a rule above keeps them out")


def _readable(seen: "Readable") -> None:
    out.print(f"[bold]{escape(seen.user_id)}[/]: {escape(', '.join(seen.names))}")
    out.print(f"clearance {seen.clearance or 'lowest'}; regions {', '.join(seen.regions) or 'none'}")
    table = Table("use case", "source", "documents", "can read", "as", "kept out by")
    for source in seen.sources:
        by = ", ".join(f"{name}: {n}" for name, n in source.by.items())
        out_by = ", ".join(f"{rule}: {n}" for rule, n in source.kept_out.items())
        table.add_row(source.usecase, source.source, str(source.documents), str(source.readable), escape(by), out_by)
    out.print(table)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (why, readers):
        app.command()(command)
