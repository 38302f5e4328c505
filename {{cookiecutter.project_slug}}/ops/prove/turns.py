"""Turns with random faults: each ends as documented, stands in the ledger once, and the ledger equals the bill."""

import argparse
import asyncio
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from app.domain.outcome import Outcome
from app.llm import catalog
from ops.prove import accounts, load
from ops.prove.accounts import Ledger
from ops.prove.load import Ask, Told
from ops.prove.report import Claim, Proof, percentile
from ops.prove.site import HERE, Site, site

USECASES = ("answers", "bare", "letters")
# How each ending may show at the door; a stream that has begun keeps its 200.
STATUS = {"failed_model": 502, "failed_timeout": 504, "failed_dependency": 503}
# The use cases' own limit, and what waiting and writing may add on a busy machine.
LIMIT_S, SLACK_S = 6.0, 10.0
CENT = Decimal("0.01")
# Share of calls that a machine which is too busy may end before they have left it.
UNSENT = 0.05


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--count", type=int, default=10_000, help="turns")
    parser.add_argument("--faults", type=float, default=0.2, help="share of the vendor's calls that go wrong")
    parser.add_argument("--seed", type=int, default=1, help="the same seed deals the same faults")
    parser.add_argument("--at-once", type=int, default=32, help="turns in flight")


def prove(arguments: argparse.Namespace, console: Console) -> Proof:
    """Start a service and its vendor, send the turns, and compare three accounts: askers, ledger, bill."""
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        console.print("starting a service and a vendor", markup=False)
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
        with site(folder) as running, Progress(*columns, console=console, disable=not sys.stdout.isatty()) as progress:
            task = progress.add_task("turns", total=arguments.count)
            return asyncio.run(
                tried(
                    running,
                    count=arguments.count,
                    faults=arguments.faults,
                    seed=arguments.seed,
                    at_once=arguments.at_once,
                    tick=lambda: progress.advance(task),
                )
            )


async def tried(
    running: Site, *, count: int, faults: float, seed: int, at_once: int, tick: Callable[[], None] = lambda: None
) -> Proof:
    """Send the turns at a service that runs, and judge."""
    async with httpx2.AsyncClient(base_url=running.vendor_url, timeout=30) as vendor:
        (await vendor.delete("/_bill")).raise_for_status()
        (await vendor.post("/_chaos", json={"share": faults, "seed": seed})).raise_for_status()
    since, started = datetime.now(UTC), time.monotonic()
    told = await load.run(running, list(load.asks(count, seed=seed)), at_once=at_once, tick=tick)
    seconds = time.monotonic() - started
    ledger = await accounts.ledger(running.database_url, since, USECASES, turns=count)
    bill = await accounts.bill(running.vendor_url)
    conditions = {"turns": count, "share of faults": faults, "seed": seed, "at once": at_once}
    return judged(told, ledger, bill, conditions, seconds=seconds)


def judged(told: Sequence[Told], ledger: Ledger, bill: dict[str, Any], settings: Any, *, seconds: float) -> Proof:
    """Make claims of the three accounts."""
    models = catalog.parse(tomllib.loads((HERE / "config" / "models.toml").read_text()))
    providers = {call["model"]: call["provider"] for call in ledger.calls}
    pairs = accounts.matched(ledger, bill["named"])
    ours, theirs = ledger.counts(), accounts.billed(bill, models, providers, pairs=pairs)
    owed = sum((count.cost_usd for count in theirs.values()), Decimal(0))
    paid = sum((count.cost_usd for count in ours.values()), Decimal(0))
    unequal = accounts.unequal(ours, theirs)
    unpriced, unread = sum(count.unknown for count in ours.values()), bill["total"].get("undelivered", 0)
    refused = sum(bill["refused"].values())
    claims = [
        _documented(told),
        *_kept(told, ledger),
        _in_time(told),
        Claim(
            "the ledger's tokens and dollars are the vendor's own, for each model",
            not unequal,
            "; ".join(unequal) or f"{sum(count.known for count in ours.values())} calls, {paid} dollars",
        ),
        Claim("to the cent", abs(owed - paid) < CENT, f"{paid} dollars in the ledger, {owed} on the bill"),
        Claim(
            "as many unpriced rows as calls whose count the vendor never delivered, or not in time",
            unpriced == unread + len(pairs.late) + len(pairs.unsent),
            f"{unpriced} rows: {unread} never, {len(pairs.late)} late, {len(pairs.unsent)} ended on the way there",
        ),
        Claim(
            f"hardly any call ends on its way to the vendor (up to {UNSENT:.0%})",
            len(pairs.unsent) <= UNSENT * len(ledger.calls),
            f"{len(pairs.unsent)} of {len(ledger.calls)}",
        ),
        Claim(
            "each row of each turn is a call on the bill, and each call on the bill a row",
            not pairs.faults,
            "; ".join(pairs.faults[:5]) or f"{sum(len(calls) for calls in bill['named'].values())} calls",
        ),
        Claim("as many free rows as calls that were turned away", ledger.free == refused, f"{ledger.free}, {refused}"),
        Claim("a turn costs what its calls cost", not ledger.torn, f"{len(ledger.torn)} that do not"),
    ]
    return Proof("turns", __doc__ or "", claims, _figures(told, ledger, bill, seconds), settings)


def _documented(told: Sequence[Told]) -> Claim:
    strange = [one for one in told if one.outcome != load.CANCELLED and not _is_documented(one)]
    shown = ", ".join(f"{one.status} {one.outcome} (turn {one.turn_id})" for one in strange[:5])
    return Claim("every turn ends with a documented outcome and status", not strange, shown or f"{len(told)} turns")


def _is_documented(one: Told) -> bool:
    if one.outcome not in set(Outcome) or one.outcome == Outcome.FAILED_INTERNAL:
        return False
    return one.status == STATUS.get(one.outcome, 200) or (one.ask.is_streamed and one.status == 200)


def _kept(told: Sequence[Told], ledger: Ledger) -> list[Claim]:
    sent = Counter((one.ask.usecase, one.ask.question) for one in told)
    written = Counter((turn["usecase"], turn["question"]) for turn in ledger.turns)
    lost, twice = sent - written, written - sent
    says = {str(turn["id"]): turn["outcome"] for turn in ledger.turns}
    other = [one for one in told if one.turn_id and says.get(one.turn_id) != one.outcome]
    return [
        Claim("no turn is lost", not lost, f"{lost.total()} of {len(told)}"),
        Claim("none is written twice", not twice and len(says) == len(ledger.turns), f"{twice.total()} too many"),
        Claim("the ledger says what the asker was told", not other, f"{len(other)} differ"),
    ]


def _in_time(told: Sequence[Told]) -> Claim:
    longest = max((one.seconds for one in told), default=0.0)
    return Claim(
        f"nobody waits longer than the contract's {LIMIT_S:g} s (and {SLACK_S:g} s for a busy machine)",
        longest <= LIMIT_S + SLACK_S,
        f"{longest:.1f} s at most",
    )


def _figures(told: Sequence[Told], ledger: Ledger, bill: dict[str, Any], seconds: float) -> dict[str, Any]:
    answered = [one.seconds * 1000 for one in told if one.outcome.startswith("answered")]
    return {
        "turns": len(told),
        "seconds": round(seconds, 1),
        "turns per second": round(len(told) / seconds, 1),
        "outcomes": dict(Counter(turn["outcome"] for turn in ledger.turns).most_common()),
        "kinds": dict(Counter(_kind(one.ask) for one in told).most_common()),
        "calls": len(ledger.calls),
        "calls by purpose": dict(Counter(call["purpose"] for call in ledger.calls).most_common()),
        "errors of calls": dict(Counter(call["error"] for call in ledger.calls if call["error"]).most_common()),
        "vendor's bill": bill["total"],
        "turned away": bill["refused"],
        "askers and calls that left": bill["disconnects"],
        "answered, p50 ms": round(percentile(answered, 0.5)),
        "answered, p99 ms": round(percentile(answered, 0.99)),
    }


def _kind(ask: Ask) -> str:
    return "left" if ask.leaves else f"{ask.usecase}{', streamed' if ask.is_streamed else ''}"
