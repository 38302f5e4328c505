"""Incidents at the terminal: what was stopped before it left, and what came of it."""

from datetime import UTC
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from app.cli.operating import listing
from app.cli.session import in_place, operator, out
from app.domain.identity import Permission, Principal


def incidents(
    incident_id: Annotated[UUID | None, typer.Argument(help="which one to close; left out: list what is open")] = None,
    *,
    because: Annotated[str, typer.Option(help="what came of it; kept with the incident and in the audit")] = "",
    every: Annotated[bool, typer.Option("--all", help="closed ones too")] = False,
) -> None:
    """List what was stopped before it left (leaks, secrets, other people's data ...), or close one with a reason."""
    who = Principal(operator(), permissions=frozenset({Permission.DECIDE_REVIEWS}))
    if incident_id is not None:
        closed = in_place(lambda service: service.incidents.close(who, incident_id, because=because))
        out.print(f"{closed['kind']} of turn {closed['turn_id']} is closed", markup=False)
        return
    table = listing("incident", "when", "kind", "use case", "asked by", "turn", "what", "came of it")
    for row in in_place(lambda service: service.incidents.listed(who, status="" if every else "open")):
        when = row["at"].astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        said = (row["usecase"], row["user_id"], str(row["turn_id"]), row["detail"], row["note"] or "")
        table.add_row(str(row["id"]), when, row["kind"], *map(escape, said))
    out.print(table)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(incidents)
