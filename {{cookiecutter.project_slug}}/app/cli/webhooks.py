"""Receivers of events, and jobs that failed, from the command line."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.session import err, in_place, operator, out
from app.domain.identity import Permission, Principal

if TYPE_CHECKING:
    from app.wiring.service import Service
    from app.work.webhooks import Made

commands = typer.Typer(no_args_is_help=True, help="Receivers of events: make, list, change, try, send again.")
letters = typer.Typer(no_args_is_help=True, help="Jobs that failed: list, put back in the queue.")
Because = Annotated[str, typer.Option("--because", help="why; kept in the audit")]
Name = Annotated[str, typer.Argument(help="the receiver's name")]
# As `app.work.webhooks` has it; it is imported when it is needed.
OVERLAP_H = 24.0


def _keeper() -> Principal:
    # Whoever reaches the database holds everything already.
    return Principal(operator(), permissions=frozenset(Permission))


async def _id(service: "Service", name: str) -> UUID:
    from app.errors import NotFound

    rows = await service.webhooks.listed(_keeper())
    found = next((row["id"] for row in rows if row["name"] == name), None)
    if found is None:
        there = ", ".join(row["name"] for row in rows) or "none yet"
        raise NotFound(f"There is no receiver {name!r}; there are: {there}.")
    return found


@commands.command()
def make(
    name: Annotated[str, typer.Argument(help="to know it by, such as the system that listens")],
    url: Annotated[str, typer.Argument(help="https address that events are sent to")],
    kind: Annotated[list[str], typer.Option(help="a kind of event; can be given again")],
    because: Because,
    usecase: Annotated[list[str] | None, typer.Option(help="only this; can be given again; left out: all")] = None,
) -> None:
    """Make a receiver; its secret is printed once, on standard output and alone."""
    from app.store.webhooks import Listens

    listens = Listens(tuple(kind), tuple(usecase) if usecase else None)
    _show(
        in_place(lambda service: service.webhooks.make(_keeper(), name=name, url=url, listens=listens, because=because))
    )


@commands.command("list")
def list_() -> None:
    """List the receivers, those that are on first, and how they do."""
    table = Table(Column("name", no_wrap=True), "to", "hears", "of", "state", "waiting", "dead", "last error")
    for row in in_place(lambda service: service.webhooks.listed(_keeper())):
        state = "on" if row["enabled"] else row["why_off"] or "off"
        of = ", ".join(row["usecases"]) if row["usecases"] is not None else "all"
        shown = (row["name"], row["url"], ", ".join(row["kinds"]), of, state)
        table.add_row(*map(escape, shown), str(row["waiting"]), str(row["dead"]), escape(row["last_error"]))
    out.print(table)


@commands.command()
def turn(
    name: Name,
    to: Annotated[Literal["on", "off"], typer.Argument()],
    because: Because,
) -> None:
    """Turn a receiver off, or on again: what waits for it stays for three days."""

    async def work(service: "Service") -> None:
        await service.webhooks.change(_keeper(), await _id(service, name), enabled=to == "on", because=because)

    in_place(work)
    out.print(f"{name} is {to}", markup=False)


@commands.command()
def rotate(
    name: Name,
    because: Because,
    overlap_hours: Annotated[float, typer.Option(help="how long the former secret signs as well")] = OVERLAP_H,
) -> None:
    """Sign with a new secret from now on; it is printed once, on standard output and alone."""

    async def work(service: "Service") -> "Made":
        id = await _id(service, name)
        return await service.webhooks.rotate(_keeper(), id, overlap_h=overlap_hours, because=because)

    _show(in_place(work))


@commands.command("try")
def try_(name: Name, because: Because = "to try it") -> None:
    """Send an event to one receiver, whatever it listens to; a worker sends it within seconds."""

    async def work(service: "Service") -> UUID:
        return await service.webhooks.test(_keeper(), await _id(service, name), because=because)

    out.print(f"event {in_place(work)} waits; `app webhooks deliveries {name}` shows what came of it", markup=False)


@commands.command()
def deliveries(
    name: Name, status: Annotated[Literal["waiting", "delivered", "dead", ""], typer.Option(help="left out: any")] = ""
) -> None:
    """List what was sent to a receiver, waits, or was given up, the newest hundred first."""
    table = Table(Column("event", no_wrap=True), "kind", "about", "at", "status", "tries", "last answer")

    async def work(service: "Service") -> None:
        for row in await service.webhooks.deliveries(_keeper(), await _id(service, name), status=status):
            said = row["last_error"] or (str(row["last_status"]) if row["last_status"] else "")
            shown = (str(row["event_id"]), row["kind"], row["subject"], _when(row["at"]), row["status"])
            table.add_row(*map(escape, shown), str(row["attempts"]), escape(said))

    in_place(work)
    out.print(table)


@commands.command()
def replay(
    name: Name,
    because: Because,
    event: Annotated[UUID | None, typer.Option(help="one event, however it ended; left out: every dead letter")] = None,
) -> None:
    """Send again; receivers know an event by its id, which stays the same."""

    async def work(service: "Service") -> int:
        id = await _id(service, name)
        return await service.webhooks.replay(_keeper(), id, event_id=event, because=because)

    out.print(f"{in_place(work)} to be sent again", markup=False)


@letters.command("list")
def list_letters() -> None:
    """List the jobs that failed, the newest hundred first."""
    table = Table(Column("job", no_wrap=True), "kind", "use case", "of", "failed", "done", "why", "can be run again")
    for one in in_place(lambda service: service.dead_letters.listed(_keeper())):
        again = f"no: {one.cannot}" if one.cannot else "yes"
        shown = (str(one.id), one.kind, one.usecase, one.user_id, _when(one.finished_at))
        table.add_row(*map(escape, shown), f"{one.done}/{one.total}", escape(one.error), escape(again))
    out.print(table)


@letters.command("replay")
def replay_letter(job_id: Annotated[UUID, typer.Argument(metavar="ID")], because: Because) -> None:
    """Put a failed job back in the queue; what is done of it stays done."""
    job = in_place(lambda service: service.dead_letters.replay(_keeper(), job_id, because=because))
    out.print(f"{job.id} is {job.status.value} again", markup=False)


def _show(made: "Made") -> None:
    err.print(f"for {made.row['name']}; nobody can show it again", markup=False)
    out.print(made.secret, markup=False)


def _when(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if moment else "never"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="webhooks")
    app.add_typer(letters, name="failed")
