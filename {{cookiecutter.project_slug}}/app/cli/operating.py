"""The operator's commands: pause and resume the AI, look at switches, jobs and reviews."""

import json
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.session import in_place, operator, out
from app.control.flags import EVERYTHING, switch_key
from app.domain.identity import Permission, Principal
from app.store import flags as flags_table
from app.store import jobs as jobs_table

if TYPE_CHECKING:
    from app.wiring.service import Service

# As long as an id.
KEY_CHARS = 36
Because = Annotated[str, typer.Option("--because", help="why; kept in the audit")]
Subject = Annotated[str, typer.Argument(help='"ai" for everything, or a use case')]


def pause(because: Because, subject: Subject = EVERYTHING) -> None:
    """Turn the AI, or one use case, off in every process within seconds."""
    _flip(subject, enabled=False, because=because)


def resume(because: Because, subject: Subject = EVERYTHING) -> None:
    """Turn it on again."""
    _flip(subject, enabled=True, because=because)


def _flip(subject: str, *, enabled: bool, because: str) -> None:
    async def work(service: "Service") -> None:
        await service.flags.refresh()
        await service.flags.flip(subject, enabled=enabled, by=operator(), because=because)

    in_place(work)
    out.print(f"{switch_key(subject)} is {'on' if enabled else 'off'}; the reason stands in the audit")


def listing(key: str, *others: str) -> Table:
    """Make a table whose first column is never cut: people copy it."""
    return Table(Column(key, no_wrap=True, min_width=KEY_CHARS), *others)


def flags() -> None:
    """Show every flag: its value, owner, last change and why."""

    async def work(service: "Service") -> list[flags_table.FlagRow]:
        async with service.database.work() as database:
            return await flags_table.every(database)

    table = listing("flag", "value", "owner", "review by", "changed by", "why")
    for row in in_place(work):
        value = row["definition"]["defaultVariant"]
        table.add_row(row["key"], value, row["owner"], str(row["expires_on"]), row["changed_by"], row["reason"])
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


def review(
    review_id: Annotated[UUID | None, typer.Argument(help="which one to decide; left out: list what waits")] = None,
    approve: Annotated[bool | None, typer.Option("--approve/--reject", help="the decision")] = None,
    because: Annotated[str, typer.Option(help="why; kept with the decision")] = "",
) -> None:
    """List the drafts that wait for a person, with what tools would do, or decide on one."""
    who = Principal(operator(), permissions=frozenset({Permission.DECIDE_REVIEWS}))
    if review_id is None or approve is None:
        table = listing("review", "use case", "asked by", "question", "draft", "would do")
        for row in in_place(lambda service: service.reviews.waiting(who)):
            shown = (row["question"][:60], row["draft"][:80], _uses(row["actions"]))
            table.add_row(str(row["id"]), row["usecase"], row["asker"], *map(escape, shown))
        out.print(table)
        return
    decided = in_place(lambda service: service.reviews.decide(who, review_id, approve=approve, because=because))
    out.print(f"{decided['status']}: {decided['final'] or decided['draft']}", markup=False)
    if decided["actions"]:
        out.print(_uses(decided["actions"]), markup=False)


def _uses(actions: list[dict[str, Any]]) -> str:
    return "\n".join(f"{each['tool']}({json.dumps(each['arguments'])}): {each['status']}" for each in actions)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (pause, resume, flags, jobs, review):
        app.command()(command)
