"""The operator's commands: pause and resume the AI, look at switches and jobs."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.session import in_place, operator, out
from app.domain.plan import PREFIX
from app.domain.switch import EVERYTHING, switch_key
from app.errors import BadInput, Conflict, NotFound, quoted
from app.store import flags as flags_table
from app.store import jobs as jobs_table

if TYPE_CHECKING:
    from app.wiring.service import Service

# As long as an id.
KEY_CHARS = 36
Because = Annotated[str, typer.Option("--because", help="why; kept in the audit")]
Why = Annotated[str, typer.Option("--because", help="why; kept in history and audit")]
Subject = Annotated[
    str,
    typer.Argument(help='"ai" for everything, a use case, or model: provider: tool: group: unit: and a name'),
]
Minutes = Annotated[
    int | None, typer.Option("--minutes", min=1, help="for so long only; left out: until somebody acts")
]


def pause(because: Because, subject: Subject = EVERYTHING, minutes: Minutes = None) -> None:
    """Turn the AI, or a part of it, off in every process within seconds."""
    _flip(subject, enabled=False, because=because, minutes=minutes)


def resume(because: Because, subject: Subject = EVERYTHING, minutes: Minutes = None) -> None:
    """Turn it on again."""
    _flip(subject, enabled=True, because=because, minutes=minutes)


def _flip(subject: str, *, enabled: bool, because: str, minutes: int | None) -> None:
    until = _until(minutes)

    async def work(service: "Service") -> None:
        await service.flags.refresh()
        await service.flags.flip(subject, enabled=enabled, by=operator(), because=because, until=until)

    in_place(work)
    end = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    out.print(
        f"{switch_key(subject)} is {'on' if enabled else 'off'}{end}; the reason stands in the audit", markup=False
    )


def _until(minutes: int | None) -> datetime | None:
    return datetime.now(UTC) + timedelta(minutes=minutes) if minutes else None


def listing(key: str, *others: str) -> Table:
    """Make a table whose first column is never cut: people copy it."""
    return Table(Column(key, no_wrap=True, min_width=KEY_CHARS), *others)


def flags(
    key: Annotated[str, typer.Argument(help="a flag, to see its history; left out: all flags")] = "",
    to: Annotated[str, typer.Option("--to", help="give the flag this variant")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="take its latest change back")] = False,
    review_by: Annotated[
        datetime | None, typer.Option("--review-by", formats=["%Y-%m-%d"], help="look at it again on this day")
    ] = None,
    because: Why = "",
    minutes: Minutes = None,
) -> None:
    """Show every flag, or the history of one; give one another variant, or take its latest change back."""
    if key and review_by:
        in_place(lambda service: _review(service, key, review_by.date(), because=because))
        out.print(f"{key} is to be looked at again on {review_by:%Y-%m-%d}", markup=False)
    elif key and (to or undo):
        in_place(lambda service: _change(service, key, to="" if undo else to, because=because, until=_until(minutes)))
        out.print(f"{key} is changed; the reason stands in its history", markup=False)
    elif key:
        _show_history(key)
    elif to or undo or review_by:
        raise BadInput("Name the flag: `app flags KEY --to VARIANT --because ...`.")
    else:
        _show_flags()


async def _change(service: "Service", key: str, *, to: str, because: str, until: datetime | None) -> None:
    await service.flags.refresh()
    row = next((row for row in service.flags.rows if row["key"] == key), None)
    if row is None:
        raise NotFound(f"There is no flag {quoted(key)}; `app flags` lists them.")
    if key.startswith(PREFIX):
        raise Conflict("This is a rollout: `app rollout` changes it, in the order of its stages.")
    if not to:
        await service.flags.undo(key, version=row["version"], by=operator(), because=because)
        return
    await service.flags.choose(key, to, by=operator(), because=because, until=until)


async def _review(service: "Service", key: str, day: date, *, because: str) -> None:
    await service.flags.refresh()
    await service.flags.review(key, day, by=operator(), because=because)


def _show_flags() -> None:
    async def work(service: "Service") -> Sequence[flags_table.FlagRow]:
        await service.flags.refresh()
        return service.flags.rows

    table = listing("flag", "value", "until", "owner", "review by", "changed by", "why")
    for row in in_place(work):
        value, until = str(row["definition"].get("defaultVariant", "")), row["until"]
        end = f"{until:%Y-%m-%d %H:%M} UTC" if until else ""
        told = (value, end, row["owner"], str(row["expires_on"]), row["changed_by"], row["reason"])
        table.add_row(row["key"], *map(escape, told))
    out.print(table)


def _show_history(key: str) -> None:
    async def work(service: "Service") -> list[flags_table.PastRow]:
        async with service.database.work() as database:
            return await flags_table.history(database, key)

    past = in_place(work)
    if not past:
        raise NotFound(f"There is no flag {quoted(key)}; `app flags` lists them.")
    table = Table("version", "when", "who", "before", "after", "until", "why")
    for one in past:
        before = str((one["before"] or {}).get("defaultVariant", ""))
        end = f"{one['until']:%Y-%m-%d %H:%M} UTC" if one["until"] else ""
        told = (one["actor"], before, str(one["after"].get("defaultVariant", "")), end, one["reason"])
        table.add_row(str(one["version"]), f"{one['at']:%Y-%m-%d %H:%M:%S} UTC", *map(escape, told))
    out.print(table)


def jobs() -> None:
    """Show the newest jobs and where they stand."""

    async def work(service: "Service") -> Any:
        async with service.database.work() as database:
            return await jobs_table.listed(database, user_id=None)

    table = listing("job", "kind", "use case", "status", "done", "attempts", "error")
    for job in in_place(work):
        done = f"{job.done}/{job.total}"
        table.add_row(str(job.id), job.kind, job.usecase, job.status.value, done, str(job.attempts), job.error)
    out.print(table)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (pause, resume, flags, jobs):
        app.command()(command)
