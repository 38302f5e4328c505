"""The doctor at the command line: a line for each check, with its cure."""

import json as json_
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from app.cli.session import out
from app.settings import read
from app.wiring.doctor import Finding, examine

_COLOURS = {"ok": "green", "warning": "yellow", "fault": "red", "unknown": "magenta"}


def doctor(json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False) -> None:
    """Check settings, contracts, engines, keys, clock, disk; 1 when something is at fault, 2 when not all answers."""
    found = examine(read())
    if json:
        print(json_.dumps([asdict(finding) for finding in found], indent=2))
    else:
        _show(found)
    raise typer.Exit(exit_code(found))


def exit_code(found: list[Finding]) -> int:
    """Give 0 when all is well, 1 when something is at fault, else 2 when something could not be looked at."""
    verdicts = {finding.verdict for finding in found}
    return 1 if "fault" in verdicts else 2 if "unknown" in verdicts else 0


def _show(found: list[Finding]) -> None:
    table = Table("check", "", "found", "cure")
    for finding in found:
        colour = _COLOURS[finding.verdict]
        table.add_row(finding.check, f"[{colour}]{finding.verdict}[/]", escape(finding.detail), escape(finding.cure))
    out.print(table)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(doctor)
