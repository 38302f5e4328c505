"""What is kept of people: export, erasure, legal holds; and what is deleted because of its age."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import orjson
import typer

from app.cli.operating import listing
from app.cli.session import in_place, operator, out
from app.errors import BadInput
from app.store import erasures, holds
from app.store.holds import Hold
from app.work.named_cases import naming, take_out

if TYPE_CHECKING:
    from app.wiring.service import Service

Action = Literal["export", "erase", "certificate", "cases", "remove-cases", "hold", "holds", "release"]
Because = Annotated[str, typer.Option("--because", help="why; kept in the audit")]
WAIT_S = 0.5


def people(
    action: Annotated[Action, typer.Argument(help="what to do")],
    name: Annotated[
        str, typer.Argument(help="the person's id; an erasure's or a hold's for certificate and release")
    ] = "",
    because: Because = "",
    to: Annotated[
        Path | None, typer.Option("--to", help="export: the file to write; left out: standard output")
    ] = None,
    confirm: Annotated[str, typer.Option(help="erase: the person's id once more, as there is no way back")] = "",
    told: Annotated[str, typer.Option(help="hold: what the person may be told of the reason")] = "",
    usecase: Annotated[str, typer.Option(help="hold: of this use case only")] = "",
) -> None:
    """Export or erase a person, read the certificate, and keep data from being deleted by a legal hold."""
    _refuse_incomplete(action, name, because, usecase)
    if action == "export":
        in_place(lambda service: _export(service, name, because, to))
    elif action == "erase":
        _erase(name, because, confirm)
    elif action == "certificate":
        _certificates(name)
    elif action in ("cases", "remove-cases"):
        in_place(lambda service: _cases(service, name, remove=action == "remove-cases"))
    elif action == "hold":
        _hold(Hold(because, told or "it is under a legal hold", user_id=name, usecase=usecase))
    elif action == "release":
        hold_id = _id(name)
        in_place(lambda service: service.data_life.erasures.release(hold_id, by=operator(), because=because))
        out.print("released; what it kept is due again")
    else:
        _holds(name)


def _refuse_incomplete(action: Action, name: str, because: str, usecase: str) -> None:
    if action in ("export", "erase", "certificate", "cases", "remove-cases", "release") and not name:
        raise BadInput(f"`app people {action}` needs a name: the person's id, or an erasure's or hold's.")
    if action == "hold" and not (name or usecase):
        raise BadInput("`app people hold` needs a person, or --usecase; a hold of everything is none.")
    if action in ("export", "erase", "hold", "release") and not because.strip():
        raise BadInput(f"`app people {action}` needs --because, which is kept.")


async def _export(service: "Service", person: str, because: str, to: Path | None) -> None:
    who = await service.people.principal(person)
    pieces = await service.data_life.export.noted(who, by=operator(), because=because)
    if to is None:
        async for piece in pieces:
            print(piece.decode(), end="")
        return
    # Read by nobody but whoever ran this command.
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        async for piece in pieces:
            file.write(piece)
    out.print(f"{to} has everything that is kept of {person}", markup=False)


async def _cases(service: "Service", person: str, *, remove: bool) -> None:
    found = naming(service.usecases, person)
    if remove:
        take_out(found)
    for case in found:
        out.print(f"{case.place} {case.id}{': taken out' if remove else ''}", markup=False)
    if not found:
        out.print(f"no evaluation case names {person}", markup=False)
    elif remove:
        out.print("commit the files; reports of earlier runs are emptied by `app people erase`")


def _erase(person: str, because: str, confirm: str) -> None:
    if confirm != person:
        raise BadInput(f"There is no way back: repeat the id with --confirm {person}")
    found = in_place(lambda service: _erased(service, person, because))
    _show(found)
    raise typer.Exit(0 if found["status"] == "done" else 1)


async def _erased(service: "Service", person: str, because: str) -> Any:
    """Request it and run its job here; a worker that was quicker is waited for."""
    life = service.data_life
    made = await life.erasures.request(person, by=operator(), because=because)
    while True:
        await service.jobs.run(made.job_id)
        async with life.keeper.work() as work:
            made = await erasures.get(work, made.id)
            job = await work.sql("SELECT status IN ('queued', 'running') FROM jobs WHERE id = :id", id=made.job_id)
            if made.status in ("done", "held") or not job.scalar():
                return await life.erasures.case(work, made)
        await asyncio.sleep(WAIT_S)


def _certificates(name: str) -> None:
    async def work(service: "Service") -> list[Any]:
        async with service.data_life.keeper.work() as work:
            found = await erasures.listed(work, user_id=name)
            if not found:
                found = [await erasures.get(work, _id(name))]
            return await service.data_life.erasures.cases(work, found)

    cases = in_place(work)
    for case in cases:
        _show(case)
    raise typer.Exit(0 if all(case["proven"] for case in cases if case["status"] == "done") else 1)


def _show(case: Any) -> None:
    if case["status"] != "done":
        out.print(f"{case['id']}: {case['status']}, erased so far: {dict(case['counts'])}", markup=False)
        return
    print(orjson.dumps(case["certificate"], option=orjson.OPT_INDENT_2).decode())
    proven = "as it was written, and in the audit" if case["proven"] else "NOT what the audit has"
    out.print(f"SHA-256 {case['hash']}: {proven}", markup=False)


def _hold(hold: Hold) -> None:
    async def work(service: "Service") -> UUID:
        async with service.data_life.keeper.work() as work:
            return await holds.place(work, hold, by=operator())

    out.print(f"held as {in_place(work)}", markup=False)


def _holds(name: str) -> None:
    async def work(service: "Service") -> Any:
        async with service.data_life.keeper.work() as work:
            return await holds.listed(work, user_id=name)

    table = listing("hold", "person", "use case", "in force", "by", "why")
    for row in in_place(work):
        in_force = "yes" if row["in_force"] else "no"
        table.add_row(str(row["id"]), row["user_id"] or "all", row["usecase"] or "all", in_force, row["placed_by"],
                      row["reason"])  # fmt: skip
    out.print(table)


def _id(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError as error:
        raise BadInput(f"{name!r} is no id, and nothing is kept under it.") from error


def retention(run: Annotated[bool, typer.Option("--run", help="delete what is due now")] = False) -> None:
    """Show how much of each class is older than it may be kept, or delete it; the job does so twice a day."""
    life = "removed" if run else "due"
    found = in_place(lambda service: service.data_life.retention.run() if run else service.data_life.retention.due())
    table = listing("class", life)
    for name, rows in found.items():
        table.add_row(name, f"{rows:,}")
    out.print(table if found else f"nothing is {'left to delete' if run else 'due'}")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (people, retention):
        app.command()(command)
