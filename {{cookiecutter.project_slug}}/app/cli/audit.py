"""The auditor's commands: verify the chain, write down its head, take entries away, look for some."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from app.cli.session import err, in_place, operator, out
from app.domain.identity import Permission, Principal
from app.errors import BadInput
from app.store import chain
from app.store.audit import Wanted
from app.store.chain import Head
from app.work import auditing

if TYPE_CHECKING:
    from app.wiring.service import Service

# A verification that takes longer than this says how far it is.
PATIENCE_S = 2.0
commands = typer.Typer(no_args_is_help=True, help="Verify the audit, write down its head, export it, show it.")
TIME_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Since = Annotated[datetime | None, typer.Option("--since", formats=TIME_FORMATS, help="from this time on, UTC")]
Until = Annotated[datetime | None, typer.Option("--until", formats=TIME_FORMATS, help="before this time, UTC")]


@commands.command()
def verify(
    *,
    head: Annotated[
        list[str] | None, typer.Option(help="a head that must still be there, as `anchor` printed it")
    ] = None,
    anchor: Annotated[Path | None, typer.Option(help="a file of such heads, one a line", dir_okay=False)] = None,
    file: Annotated[Path | None, typer.Option(help="an export to verify instead of the database", exists=True)] = None,
    new_only: Annotated[bool, typer.Option("--new-only", help="only what came after the last good time")] = False,
) -> None:
    """Verify the chain and the turns under it; exits 1 and names the first entry that somebody changed."""
    if file:
        _verify_file(file)
    else:
        _verify([Head.parse(one) for one in (*(head or ()), *_anchors(anchor))], whole=not new_only)


@commands.command("anchor")
def write_anchor(
    to: Annotated[Path | None, typer.Option(help="add it to this file", dir_okay=False)] = None,
) -> None:
    """Print the chain's head: kept elsewhere, it shows that nobody cut the end off."""
    _anchor(to)


@commands.command()
def export(
    to: Annotated[Path, typer.Option(help="the file to write", dir_okay=False)],
    *,
    because: Annotated[str, typer.Option(help="why they are taken away; kept in the audit")],
    since: Since = None,
    until: Until = None,
) -> None:
    """Write entries as lines of JSON, each with its hash and the text that was hashed."""
    _export(to, _utc(since), _utc(until), because)


@commands.command()
def show(
    *,
    subject: Annotated[str, typer.Option(help="only entries about this")] = "",
    actor: Annotated[str, typer.Option(help="only what this person did")] = "",
    action: Annotated[str, typer.Option(help='only this kind, or a family as in "review."')] = "",
    since: Since = None,
    until: Until = None,
) -> None:
    """Show the newest 100 entries."""
    _show(Wanted(subject=subject, actor=actor, action=action, since=_utc(since), until=_utc(until)))


def _verify(known: list[Head], *, whole: bool) -> None:
    spoke = [time.monotonic()]

    def tell(said: str) -> None:
        if time.monotonic() - spoke[0] >= PATIENCE_S:
            spoke[0] = time.monotonic()
            err.print(said)

    verdict = in_place(lambda service: service.housekeeping.audit.verify(whole=whole, known=known, tell=tell))
    if verdict.broken:
        out.print(f"BROKEN: {verdict.broken}")
        raise typer.Exit(1)
    out.print(f"good: {verdict.entries} entries follow each other, {verdict.turns} turns are as they were recorded")
    out.print(f"head {verdict.head}")


def _verify_file(path: Path) -> None:
    with path.open() as lines:
        count, fault = auditing.check(lines)
    if fault:
        out.print(f"BROKEN: {fault} ({count} entries before it are good)")
        raise typer.Exit(1)
    out.print(f"good: {count} entries follow each other")


def _anchors(path: Path | None) -> list[str]:
    if path is None:
        return []
    if not path.exists():
        raise BadInput(f"There is no file {path}; `app audit anchor --to {path}` begins one.")
    return [line.split()[0] for line in path.read_text().splitlines() if line.strip()]


def _anchor(to: Path | None) -> None:
    async def work(service: "Service") -> Head:
        async with service.database.work() as database:
            return await chain.head(database)

    found = in_place(work)
    if to:
        with to.open("a") as lines:
            lines.write(f"{found} {datetime.now(UTC).isoformat(timespec='seconds')}\n")
        out.print(f"{found} is the newest line of {to}; keep it where nobody who runs the database can write")
    else:
        out.print(str(found))


def _export(to: Path, since: datetime | None, until: datetime | None, because: str) -> None:
    who = Principal(operator(), permissions=frozenset({Permission.EXPORT_AUDIT}))

    async def work(service: "Service") -> int:
        lines: AsyncIterator[str] = await service.auditing.export(who, since=since, until=until, because=because)
        count = 0
        with to.open("w") as file:
            async for line in lines:
                file.write(line)
                count += 1
        return count

    out.print(f"{in_place(work)} entries are in {to}; `app audit verify --file {to}` checks them")


def _show(wanted: Wanted) -> None:
    who = Principal(operator(), permissions=frozenset({Permission.READ_AUDIT}))
    table = Table("entry", "when", "who", "what", "about", "why", "after")
    for row in in_place(lambda service: service.auditing.found(who, wanted, limit=100)):
        when = row["at"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        said: list[Any] = [row["actor"], row["action"], row["subject"], row["reason"], json.dumps(row["after"])[:200]]
        table.add_row(str(row["seq"]), when, *map(escape, said))
    out.print(table)


def _utc(time_: datetime | None) -> datetime | None:
    return time_.replace(tzinfo=UTC) if time_ and time_.tzinfo is None else time_


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(commands, name="audit")
