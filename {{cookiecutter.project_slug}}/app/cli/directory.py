"""The operator's look at the company's directory: sync now, say how the copy of its groups stands."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from app.cli.session import in_place, out
from app.errors import AppError

if TYPE_CHECKING:
    from app.store.directory import Standing
    from app.wiring.service import Service


def directory(
    sync: Annotated[bool, typer.Option(help="read the directory now, before showing")] = True,
    release: Annotated[
        str, typer.Option(metavar="GROUP", help="let tokens speak again for a group that the directory has dropped")
    ] = "",
) -> None:
    """Read the company's directory now, and show how many groups and people this service knows of."""

    async def work(service: "Service") -> "tuple[Standing, AppError | None]":
        keeper, fault = service.directory, None
        if release and not await keeper.release(release):
            raise typer.BadParameter(f"the directory has not dropped a group called {release!r}")
        try:
            if sync:
                await keeper.sync()
        except AppError as error:
            fault = error
        return await keeper.standing(), fault

    standing, fault = in_place(work)
    out.print(_shown(standing))
    if fault:
        raise fault


def _shown(standing: "Standing") -> Table:
    table = Table("groups", "people", "dropped groups", "read last", "wrong since")
    last = standing.synced_at.isoformat(timespec="seconds") if standing.synced_at else "never"
    table.add_row(str(standing.groups), str(standing.people), str(standing.gone), last, standing.error or "nothing")
    return table


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(directory)
