"""Who is kept out, from the command line."""

from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.session import in_place, operator, out
from app.store import restrictions as table

if TYPE_CHECKING:
    from app.store.restrictions import Restriction
    from app.wiring.service import Service

group = typer.Typer(no_args_is_help=True, help="List, set and lift restrictions of people, keys and addresses.")
Because = Annotated[str, typer.Option("--because", help="why; kept in the audit")]


@group.command("list")
def show(ended: Annotated[bool, typer.Option(help="also those that are over")] = False) -> None:
    """Show who is kept out, from what, until when and why."""

    async def work(service: "Service") -> "list[Restriction]":
        async with service.database.work() as database:
            return await (table.latest(database) if ended else table.standing(database))

    # Ids and names are copied: neither is cut.
    copied = (Column(name, no_wrap=True) for name in ("restriction", "subject"))
    shown = Table(*copied, "from", "until", "set by", "why")
    for one in in_place(work):
        end = one.lifted_at or one.until
        until = end.isoformat(timespec="minutes") if end else "lifted"
        shown.add_row(str(one.id), escape(one.subject), one.what, until, one.set_by, escape(one.reason))
    out.print(shown)


@group.command("set")
def put(
    subject: Annotated[str, typer.Argument(help="user:<id>, key:<id>, address:<one, or a network>")],
    because: Because,
    what: Annotated[Literal["ask", "everything"], typer.Option("--from", help="asking, or every request")] = "ask",
    minutes: Annotated[int | None, typer.Option(help="for how long; left out: until it is lifted")] = None,
) -> None:
    """Keep somebody out; it holds in every process within a second or two."""
    made = in_place(
        lambda service: service.limiting.restrictions.restrict(
            subject, what=what, minutes=minutes, by=operator(), because=because
        )
    )
    until = made.until.isoformat(timespec="minutes") if made.until else "it is lifted"
    out.print(f"{made.subject} is kept from {made.what} until {until}: {made.id}", markup=False)


@group.command("lift")
def lift(restriction_id: Annotated[UUID, typer.Argument(help="from `list`")], because: Because) -> None:
    """Let somebody in again."""
    in_place(lambda service: service.limiting.restrictions.lift(restriction_id, by=operator(), because=because))
    out.print("lifted; the reason stands in the audit")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(group, name="restrictions")
