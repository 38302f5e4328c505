"""`app ledger`: what the model did, for whom, when, and what it cost; straight from the database, to answer at once."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
import typer
from rich.markup import escape
from rich.table import Column, Table

from app.cli.money import usd
from app.cli.screen import out
from app.domain.moment import Span, around
from app.domain.outcome import named
from app.errors import BadInput
from app.store import costs, turn_search
from app.store.costs import By
from app.store.glance import Asks, glance
from app.store.turn_search import Search

T = TypeVar("T")
Found = list[dict[str, Any]]
# As long as an id.
KEY_CHARS = 36


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
    elif by and not turn:
        _show_sums(rows, by)
    else:
        _show_turns(rows)
        _show_jobs(jobs)


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


def _listing(key: str, *others: str) -> Table:
    return Table(Column(key, no_wrap=True, min_width=KEY_CHARS), *others)


def _show_sums(rows: Found, by: str) -> None:
    money = (Column(name, justify="right", no_wrap=True) for name in ("spent", "saved"))
    table = Table(by, "turns", "failed", "calls", "input tokens", "output tokens", *money, "unpriced calls")
    for row in rows:
        counts = (f"{row[key] or 0:,}" for key in ("turns", "failed", "calls", "input_tokens", "output_tokens"))
        table.add_row(row[by] or "none", *counts, usd(row["cost_usd"]), usd(row["saved_usd"]), str(row["unpriced"]))
    out.print(table)


def _show_turns(rows: Found) -> None:
    table = _listing(
        "turn", "at (UTC)", "user", "use case", "outcome", "answered by", "ms", "cost", "question and answer"
    )
    for row in rows:
        who = (row["user_id"], row["usecase"], row["outcome"])
        by = f"{row['rung']} {row['model']} {row['revision']}".strip()
        said = escape(f"{row['question'][:100]}\n→ {(row['answer'] or row['reason'])[:100]}")
        ms, cost = f"{row['latency_ms']:.0f}", usd(row["cost_usd"])
        table.add_row(str(row["id"]), _when(row["started_at"]), *who, by, ms, cost, said)
        for call in row["calls"]:
            cost = usd(None if call["cost_usd"] is None else Decimal(str(call["cost_usd"])))
            tokens = f"{call['input_tokens']}+{call['output_tokens']} tokens"
            model, how = f"{call['provider']}:{call['model']}", f"call {call['attempt']} ({call['purpose']})"
            end = escape(call["error"]) or "ok"
            table.add_row(f"  └ {how}", "", "", "", end, model, f"{call['latency_ms']:.0f}", cost, tokens)
    out.print(table)
    if len(rows) == turn_search.MOST:
        out.print(
            f"These are the first {turn_search.MOST}; ask for a shorter time, a person or a use case to see more."
        )


def _show_jobs(rows: Found) -> None:
    if not rows:
        return
    table = _listing("job", "from (UTC)", "kind", "user", "use case", "model", "calls", "failed", "tokens", "cost")
    for row in rows:
        who = (row["kind"] or "", row["user_id"], row["usecase"] or "all", row["model"])
        unpriced = f" and {row['unpriced']} unpriced" if row["unpriced"] else ""
        counts = (str(row["calls"]), str(row["failed"]), f"{row['input_tokens']:,}")
        cost = f"{usd(row['cost_usd'])}{unpriced}"
        table.add_row(str(row["job_id"]), _when(row["started_at"]), *who, *counts, cost)
    out.print(table)


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(ledger)
