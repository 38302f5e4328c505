"""The tables of `app ledger`, apart from it: loading what draws them takes as long as the ledger's answer."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.markup import escape
from rich.table import Column, Table

from app.cli.money import usd
from app.cli.screen import out
from app.store import turn_search

Found = list[dict[str, Any]]
# As long as an id.
KEY_CHARS = 36


def _listing(key: str, *others: str) -> Table:
    return Table(Column(key, no_wrap=True, min_width=KEY_CHARS), *others)


def show_sums(rows: Found, by: str) -> None:
    """Print sums by what they were added up by."""
    money = (Column(name, justify="right", no_wrap=True) for name in ("spent", "saved"))
    table = Table(by, "turns", "failed", "calls", "input tokens", "output tokens", *money, "unpriced calls")
    for row in rows:
        counts = (f"{row[key] or 0:,}" for key in ("turns", "failed", "calls", "input_tokens", "output_tokens"))
        table.add_row(row[by] or "none", *counts, usd(row["cost_usd"]), usd(row["saved_usd"]), str(row["unpriced"]))
    out.print(table)


def show_turns(rows: Found) -> None:
    """Print turns, each with its calls below it."""
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


def show_jobs(rows: Found) -> None:
    """Print jobs that called models by themselves."""
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
