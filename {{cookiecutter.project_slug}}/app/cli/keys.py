"""API keys from the command line: make, list, rotate, revoke."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.session import err, in_place, operator, out
from app.domain.identity import Permission, Principal

if TYPE_CHECKING:
    from app.store.keys import KeyRow
    from app.work.keys import Made

commands = typer.Typer(no_args_is_help=True, help="API keys of service accounts: make, list, rotate, revoke.")
Because = Annotated[str, typer.Option("--because", help="why; kept in the audit")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="the twelve letters after appkey_")]
Only = Annotated[list[str] | None, typer.Option(help="only this; can be given again; left out: all of the account")]
# As `app.work.keys` has them; it is imported when it is needed.
DAYS, OVERLAP_H = 90, 24.0


def _keeper() -> Principal:
    # Whoever reaches the database holds everything already.
    return Principal(operator(), permissions=frozenset(Permission))


@commands.command()
def make(
    name: Annotated[str, typer.Argument(help="to know it by, such as the program that will use it")],
    account: Annotated[str, typer.Option(help="a service account of config/roles.toml")],
    because: Because,
    permission: Only = None,
    group: Only = None,
    usecase: Only = None,
    days: Annotated[int, typer.Option(help="how long it works, at most 366")] = DAYS,
) -> None:
    """Make a key; it is printed once, on standard output and alone."""
    from app.store.keys import Scope
    from app.work.keys import Wanted

    scope = Scope(*(tuple(names) if names else None for names in (permission, group, usecase)))
    _show(in_place(lambda service: service.keys.make(_keeper(), Wanted(name, account, scope, days), because=because)))


@commands.command("list")
def list_() -> None:
    """List the keys, those that work first."""
    table = Table(Column("key", no_wrap=True), "name", "account", "status", "works until", "last used", "for")
    for row in in_place(lambda service: service.keys.listed(_keeper())):
        shown = (row["name"], row["account"], row["status"], _when(row["expires_at"]), _when(row["last_used_at"]))
        table.add_row(row["id"], *map(escape, shown), escape(_scope(row)))
    out.print(table)


@commands.command()
def rotate(
    key_id: KeyId,
    because: Because,
    overlap_hours: Annotated[float, typer.Option(help="how long the old key works beside the new one")] = OVERLAP_H,
) -> None:
    """Make a key like this one, which goes on working for a while; the new one is printed once."""
    _show(in_place(lambda service: service.keys.rotate(_keeper(), key_id, overlap_h=overlap_hours, because=because)))


@commands.command()
def revoke(key_id: KeyId, because: Because) -> None:
    """End a key at once and for ever."""
    row = in_place(lambda service: service.keys.revoke(_keeper(), key_id, because=because))
    out.print(f"{row['id']} ({row['name']}) is revoked; every process refuses it from now on", markup=False)


def _show(made: "Made") -> None:
    row = made.row
    err.print(f"for {row['account']}, until {_when(row['expires_at'])}; nobody can show it again", markup=False)
    out.print(made.key, markup=False)


def _scope(row: "KeyRow") -> str:
    parts = {"permissions": row["permissions"], "groups": row["groups"], "use cases": row["usecases"]}
    return "; ".join(", ".join(names) for names in parts.values() if names) or "everything of the account"


def _when(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if moment else "never"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="keys")
