"""The spaces of vectors: how far each is, and the operator's hand on a change of embedding model."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer
from rich.table import Table

from app.cli.session import in_place, operator, out
from app.errors import BadInput

if TYPE_CHECKING:
    from app.wiring.service import Service

Action = Literal["list", "start", "activate", "retire"]


def embeddings(
    action: Annotated[
        Action, typer.Argument(help="list the spaces, start the change, or activate or retire one")
    ] = "list",
    name: Annotated[str, typer.Argument(help="the space to activate or to retire")] = "",
    because: Annotated[
        str, typer.Option("--because", help="why; kept in the audit; `list` needs none, the others do")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="print the list as JSON")] = False,
) -> None:
    """List the spaces of vectors, or change which is searched; exits 1 until it is the configured one, and whole."""
    if (action in ("activate", "retire")) != bool(name):
        raise BadInput("`activate` and `retire` need the name of a space, `list` and `start` take none.")
    if action == "start":
        out.print(in_place(lambda service: _start(service, because)), markup=False)
    elif action == "activate":
        out.print(in_place(lambda service: _activate(service, name, because)), markup=False)
    elif action == "retire":
        is_gone = in_place(lambda service: service.embedding.retire(name, operator(), because))
        out.print(
            f"{name} is {'deleted' if is_gone else 'out of use; the same command again deletes it'}", markup=False
        )
    else:
        raise typer.Exit(0 if in_place(lambda service: _list(service, as_json=json)) else 1)


async def _start(service: "Service", because: str) -> str:
    job_id = await service.embedding.start(operator(), because)
    return f"queued as job {job_id}" if job_id else "it is queued already; `app embeddings` shows how far it is"


async def _activate(service: "Service", name: str, because: str) -> str:
    job_id = await service.embedding.activate(name, operator(), because)
    return f"{name} is searched once job {job_id} has filled its gaps" if job_id else f"{name} is searched from now on"


async def _list(service: "Service", *, as_json: bool) -> bool:
    wanted, standings = service.embedders.wanted, await service.embedding.standings()
    rows = [
        {
            "name": each.space.name,
            "status": each.space.status,
            "dimensions": each.space.dimensions,
            "chunks": each.chunks,
            "vectors": each.vectors,
            "is_configured": wanted is not None and wanted.name == each.space.name,
            "can_be_asked": service.spaces.embedder(each.space) is not None,
        }
        for each in standings
    ]
    if as_json:
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(rows)
        await _advise(service, rows)
    is_whole = all(row["vectors"] == row["chunks"] for row in rows if row["status"] != "retired")
    return is_whole and (wanted is None or any(row["is_configured"] and row["status"] == "active" for row in rows))


def _show(rows: list[dict[str, object]]) -> None:
    table = Table("space", "status", "dimensions", "chunks with a vector", "in config/models.toml", "can be asked")
    for row in rows:
        done = f"{row['vectors']:,} of {row['chunks']:,}"
        marks = ("yes" if row[key] else "no" for key in ("is_configured", "can_be_asked"))
        table.add_row(str(row["name"]), str(row["status"]), str(row["dimensions"]), done, *marks)
    out.print(table)


async def _advise(service: "Service", rows: list[dict[str, object]]) -> None:
    wanted = service.embedders.wanted
    if wanted is None:
        out.print("[yellow]The model of config/models.toml cannot be called from here: it has no key or address.[/]")
        return
    mine = next((row for row in rows if row["name"] == wanted.name), None)
    if mine is not None and mine["status"] == "active":
        return
    estimate = await service.embedding.estimate(wanted.name)
    cost = _usd(estimate.cost_usd)
    out.print(f"to fill {wanted.name}: {estimate.chunks:,} chunks, about {estimate.tokens:,} tokens, at most {cost}")


def _usd(amount: Decimal | None) -> str:
    return "an unknown price" if amount is None else f"${amount:,.4f}"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(embeddings)
