"""`app ledger`: what the model did, for whom, when, and what it cost; straight from the database, to answer at once."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
import typer

from app.domain.moment import Span, around
from app.domain.outcome import named
from app.errors import BadInput
from app.store import costs, turn_search
from app.store.costs import By
from app.store.glance import Asks, glance
from app.store.turn_search import Search

T = TypeVar("T")
Found = list[dict[str, Any]]


def ledger(  # noqa: PLR0913 - options of a command
    person: Annotated[str, typer.Option("--person", "--user", help="only turns of this person")] = "",
    usecase: Annotated[str, typer.Option(help="only turns of this use case")] = "",
    outcome: Annotated[str, typer.Option(help='only turns that ended so: "refused_budget", or all that "failed"')] = "",
    text: Annotated[str, typer.Option(help='only turns with these words, or a "phrase", in question or answer')] = "",
    at: Annotated[
        str, typer.Option(help='around this time, UTC: "tuesday 14:00", or "2026-11-17 14:00 Europe/Berlin"')
    ] = "",
    turn: Annotated[UUID | None, typer.Option(help="everything about one turn")] = None,
    by: Annotated[By | None, typer.Option(help="add up instead, by one of these")] = None,
    hours: Annotated[float, typer.Option(min=0.01, help="so far back, where no time is given")] = 24,
    minutes: Annotated[float, typer.Option(min=0.1, help="so far before and after the time given")] = 30,
    json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
) -> None:
    """List turns with their calls, and jobs that called models by themselves: by whom, what was said, what it cost."""
    now = datetime.now(UTC)
    span = around(at, minutes=minutes, now=now) if at else Span(now - timedelta(hours=hours), now)
    jobs: Found = []
    if turn:
        rows: Found = [_asked(lambda work: turn_search.whole(work, turn))]
    elif by:
        if person or usecase or outcome or text:
            raise BadInput("--by adds up everybody's turns in all use cases: leave out what narrows them.")
        rows = _asked(lambda work: _sums(work, by, span))
    else:
        search = Search(person=person, usecase=usecase, outcomes=named(outcome), text=text,
                        since=span.since, until=span.until, oldest_first=True)  # fmt: skip
        rows, jobs = _asked(lambda work: _made(work, search))
    if json:
        print(orjson.dumps([*rows, *jobs], default=str, option=orjson.OPT_INDENT_2).decode())
        return
    # A program that reads the ledger waits for no tables.
    from app.cli import ledger_tables as tables

    if by and not turn:
        tables.show_sums(rows, by)
    else:
        tables.show_turns(rows)
        tables.show_jobs(jobs)


def _asked(ask: Callable[[Asks], Awaitable[T]]) -> T:
    async def run() -> T:
        async with glance(_database_url()) as work:
            return await ask(work)

    return asyncio.run(run())


def _database_url() -> str:
    if stated := os.environ.get("DATABASE_URL", ""):
        return stated
    # Takes half a second: it checks every setting, of which this needs one.
    from app.settings import load

    return load().database_url


async def _sums(work: Asks, by: By, span: Span) -> Found:
    return [dict(row) for row in await costs.sums(work, by=by, since=span.since, until=span.until)]


async def _made(work: Asks, search: Search) -> tuple[Found, Found]:
    turns = await turn_search.found(work, search)
    calls = await turn_search.calls_of(work, turns)
    rows = [{**turn, "calls": calls[turn["id"]]} for turn in turns]
    if search.text or search.outcomes:
        return rows, []
    assert search.since and search.until
    jobs = await costs.jobs_at(
        work,
        since=search.since,
        until=search.until,
        user_id=search.person or None,
        usecase=search.usecase or None,
    )
    return rows, [dict(job) for job in jobs]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(ledger)
