"""Two counts of the same calls: the ledger's, and the vendor's own bill."""

import asyncio
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx2
import psycopg
from psycopg.rows import dict_row

from app.llm.catalog import Catalog, ModelRef, Tokens

TURNS = (
    "SELECT id, question, usecase, outcome, cost_usd, input_tokens, latency_ms FROM turns"
    " WHERE started_at >= %s AND usecase = ANY(%s)"
)
CALLS = (
    "SELECT c.turn_id, c.provider, c.model, c.error, c.purpose, c.price, c.cost_usd, c.input_tokens, c.output_tokens,"
    " c.cached_tokens, coalesce(t.question, '') AS question FROM calls c LEFT JOIN turns t ON t.id = c.turn_id"
    # Those of jobs, which embed documents, have no turn.
    " WHERE coalesce(t.started_at, c.started_at) >= %s AND coalesce(t.usecase, c.usecase) = ANY(%s)"
)
SETTLED_S = 90.0
# Tokens by which the price of one is found; small enough for every list's first step.
SCALE = 1000
Row = Mapping[str, Any]
PARTS = ("input", "output", "cached")
# How a call can end before the vendor has seen it.
ON_THE_WAY = ("timeout", "cancelled")
NAME = re.compile(r"\[\[([\w.-]+)\]\]")


@dataclass(slots=True)
class Count:
    """Calls of one model: tokens of those whose cost is known, and how many there are of the others."""

    known: int = 0
    unknown: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The rows of one run."""

    turns: Sequence[Row]
    calls: Sequence[Row]

    def counts(self) -> dict[str, Count]:
        """Add up the calls by model."""
        found: dict[str, Count] = defaultdict(Count)
        for call in self.calls:
            if call["price"] == "free":
                continue
            count = found[call["model"]]
            if call["cost_usd"] is None:
                count.unknown += 1
                continue
            count.known += 1
            count.cost_usd += call["cost_usd"]
            count.tokens.update({part: call[f"{part}_tokens"] for part in PARTS})
        return found

    @property
    def free(self) -> int:
        """Count the calls that the vendor turned away."""
        return sum(call["price"] == "free" for call in self.calls)

    @property
    def torn(self) -> list[str]:
        """Give the turns whose cost is not the sum of their calls' costs; one unknown cost makes the sum unknown."""
        sums: dict[Any, Decimal | None] = {turn["id"]: Decimal(0) for turn in self.turns}
        for call in self.calls:
            known = sums.get(call["turn_id"], Decimal(0))
            sums[call["turn_id"]] = None if known is None or call["cost_usd"] is None else known + call["cost_usd"]
        return [str(turn["id"]) for turn in self.turns if turn["cost_usd"] != sums[turn["id"]]]


async def ledger(database_url: str, since: datetime, usecases: Sequence[str], *, turns: int) -> Ledger:
    """Read the rows once so many turns are written; askers who left are written a moment later."""
    until = time.monotonic() + SETTLED_S
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True, row_factory=dict_row) as opened:
        while True:
            found = await (await opened.execute(TURNS, (since, list(usecases)))).fetchall()
            if len(found) >= turns or time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
        calls = await (await opened.execute(CALLS, (since, list(usecases)))).fetchall()
    return Ledger(found, calls)


async def bill(vendor_url: str) -> dict[str, Any]:
    """Give the vendor's bill once no call is open; `named` holds each call by the name of its turn."""
    until = time.monotonic() + SETTLED_S
    async with httpx2.AsyncClient(base_url=vendor_url, timeout=SETTLED_S) as vendor:
        while True:
            found: dict[str, Any] = (await vendor.get("/_bill")).json()
            if not found["open"] or time.monotonic() > until:
                return {**found, "named": (await vendor.get("/_bill", params={"calls": "all"})).json()}
            await asyncio.sleep(0.2)


@dataclass(slots=True)
class Matched:
    """The two accounts call by call, and every call without a counterpart.

    `late` are charged calls whose count came after the turn had stopped waiting, `unsent` rows of calls that ended on
    their way to the vendor: nobody here can know that, so they are unpriced as well.
    """

    late: list[Row] = field(default_factory=list)
    unsent: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def matched(ledger: Ledger, entries: Mapping[str, Sequence[Row]]) -> Matched:
    """Put each row beside a call on the bill, by turn and model.

    A priced row is a call whose count was delivered. An unpriced row is a call whose count was not, or came after the
    turn had stopped waiting for it: on a busy machine what the vendor has sent may still lie unread.
    """
    found = Matched()
    ours: dict[tuple[str, str], list[Row]] = defaultdict(list)
    theirs: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for call in ledger.calls:
        if call["price"] != "free" and call["turn_id"] is not None:
            marked = NAME.search(call["question"])
            ours[marked[1] if marked else "", call["model"]].append(call)
    for name, calls in entries.items():
        for entry in calls:
            theirs[name, entry["model"]].append(entry)
    for key in {**ours, **theirs}:
        _match(key, ours[key], theirs[key], found)
    return found


def _match(key: tuple[str, str], ours: Sequence[Row], theirs: Sequence[Row], found: Matched) -> None:
    delivered = [entry for entry in theirs if entry["delivered"]]
    for row in ours:
        if row["cost_usd"] is None:
            continue
        tokens = [row[f"{part}_tokens"] for part in PARTS]
        same = next((entry for entry in delivered if [entry[part] for part in PARTS] == tokens), None)
        if same is None:
            found.faults.append(f"turn {key[0]}: a priced row of {key[1]} with {tokens} tokens is not on the bill")
        else:
            delivered.remove(same)
    found.late += delivered
    unpriced = [row for row in ours if row["cost_usd"] is None]
    owed = sum(not entry["delivered"] for entry in theirs) + len(delivered)
    ended = [row for row in unpriced if row["error"] in ON_THE_WAY]
    too_many = len(unpriced) - owed
    if too_many < 0 or too_many > len(ended):
        found.faults.append(f"turn {key[0]}: {len(unpriced)} unpriced rows of {key[1]} for {owed} calls on the bill")
    else:
        found.unsent += ended[:too_many]


def billed(
    bill: Mapping[str, Any], catalog: Catalog, providers: Mapping[str, str], *, pairs: Matched
) -> dict[str, Count]:
    """Price the vendor's own count: what it delivered in time, at the price of one token each; count the rest."""
    found: dict[str, Count] = {}
    for model, sums in bill["models"].items():
        tokens = Counter({part: sums.get(f"delivered_{part}_tokens", 0) for part in (*PARTS, "written")})
        found[model] = Count(sums.get("delivered", 0), sums.get("undelivered", 0), tokens)
    for row in pairs.unsent:
        found.setdefault(row["model"], Count()).unknown += 1
    for entry in pairs.late:
        count = found[entry["model"]]
        count.known, count.unknown = count.known - 1, count.unknown + 1
        count.tokens.subtract({part: entry[part] for part in (*PARTS, "written")})
    for model, count in found.items():
        if model in providers:
            count.cost_usd = _cost(catalog, ModelRef(providers[model], model), count.tokens)  # type: ignore[arg-type]
    return found


def _cost(catalog: Catalog, ref: ModelRef, tokens: Mapping[str, int]) -> Decimal:
    whole = _priced(catalog, ref, Tokens(SCALE, 0))
    parts = {
        "output": _priced(catalog, ref, Tokens(0, SCALE)),
        "cached": _priced(catalog, ref, Tokens(SCALE, 0, cached=SCALE)),
        "written": _priced(catalog, ref, Tokens(SCALE, 0, written=SCALE)),
    }
    plain = tokens["input"] - tokens["cached"] - tokens["written"]
    return (whole * plain + sum((parts[part] * tokens[part] for part in parts), Decimal(0))) / SCALE


def _priced(catalog: Catalog, ref: ModelRef, tokens: Tokens) -> Decimal:
    cost, _ = catalog.price(ref, tokens)
    if cost is None:
        raise LookupError(f"no list knows the price of {ref}")
    return cost


def unequal(ours: Mapping[str, Count], theirs: Mapping[str, Count], parts: Iterable[str] = PARTS) -> list[str]:
    """Give every figure in which the two counts differ."""
    faults = []
    for model in sorted({*ours, *theirs}):
        mine, its = ours.get(model, Count()), theirs.get(model, Count())
        pairs = {"calls": (mine.known, its.known), "unpriced calls": (mine.unknown, its.unknown)}
        pairs |= {f"{part} tokens": (mine.tokens[part], its.tokens[part]) for part in parts}
        faults += [f"{model}: {a} {name}, {b} on the bill" for name, (a, b) in pairs.items() if a != b]
        if mine.cost_usd != its.cost_usd:
            faults.append(f"{model}: {mine.cost_usd} dollars, {its.cost_usd} on the bill")
    return faults
