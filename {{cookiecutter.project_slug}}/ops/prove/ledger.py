"""What did the model do on Tuesday at 14:00 for user X? One page and one command tell, beside a million turns."""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import psycopg
from rich.console import Console

from app.control.development import DevelopmentIssuer
from app.settings import ROOT, Settings
from ops.drills.stack import SECRET, Stack
from ops.prove import ledger_rows
from ops.prove.ledger_rows import PERSON, USECASE, Loaded
from ops.prove.report import Claim, Proof

OPERATOR = "olga.petrov"
LIMIT_S = 1.0
# For whoever is the first within a minute to look at figures of all turns.
COUNT_LIMIT_S = 10.0
RECORDED = 2000
Look = Callable[[], Sequence[str]]


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--turns", type=int, default=1_000_000, help="how many stand in the ledger")
    parser.add_argument("--times", type=int, default=20, help="how often each question is asked")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, asked once and then several times: seconds of each, and what the last one found."""

    seconds: Sequence[float]
    found: Sequence[str]
    first_s: float = 0.0

    @property
    def told(self) -> str:
        """Give it as the report has it."""
        slowest = f"19 of 20 within {1000 * self.most_s:.0f} ms, slowest {1000 * max(self.seconds):.0f} ms"
        return f"median {1000 * median(self.seconds):.0f} ms, {slowest}"

    @property
    def most_s(self) -> float:
        """Give what 19 of 20 times kept to: what else runs on the machine takes its turn, too."""
        return sorted(self.seconds)[ceil(0.95 * len(self.seconds)) - 1]


def prove(arguments: argparse.Namespace, console: Console) -> Proof:
    """Load the ledger, ask, and measure what the indexes cost each turn."""
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as name:
        stack = Stack(Path(name), {"APP_USECASES_DIR": str(ROOT / "tests" / "samples")}, parts=("api",))
        try:
            stack.start()
            console.print(f"loading {arguments.turns:,} turns")
            started = time.monotonic()
            loaded = ledger_rows.load(stack.engines.database_url, arguments.turns)
            console.print(f"{loaded.turns:,} turns, {loaded.megabytes} MB, in {time.monotonic() - started:.0f} s")
            asked = {says: _asked(look, arguments.times) for says, look in looks(stack, loaded).items()}
            counted = {says: _asked(look, arguments.times) for says, look in figures(stack).items()}
            with_ms, without_ms = recorded(stack.engines.database_url)
        finally:
            stack.stop()
    return judged(loaded, asked, counted, times=arguments.times, recorded_ms=(with_ms, without_ms))


def _asked(look: Look, times: int) -> Asked:
    # Once before, as everybody's first look warms what is kept in memory.
    first_s, found = _timed(look)
    seconds = []
    for _ in range(times):
        took_s, found = _timed(look)
        seconds.append(took_s)
    return Asked(seconds, found, first_s)


def _timed(look: Look) -> tuple[float, Sequence[str]]:
    started = time.perf_counter()
    found = look()
    return time.perf_counter() - started, found


def looks(stack: Stack, loaded: Loaded) -> Mapping[str, Look]:
    """Give the questions, by what each claims; a look gives the ids, or the outcomes, that it found."""
    token = _token()
    at = loaded.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")

    def page(**asked: str) -> Look:
        return lambda: _linked(_get(stack, "/console/turns", asked, {"Cookie": f"identity={token}"}))

    def api(**asked: str) -> Look:
        headers = {"Authorization": f"Bearer {token}"}
        return lambda: [turn["id"] for turn in json.loads(_get(stack, "/v1/admin/turns", asked, headers))["turns"]]

    def command() -> Sequence[str]:
        done = stack.run("ledger", "--person", PERSON, "--at", at, "--json")
        assert done.returncode == 0, done.stderr
        return [row["id"] for row in json.loads(done.stdout) if "id" in row]

    return {
        "the page answers what the model did for one person around one time": page(person=PERSON, at=at),
        "the API answers it": api(person=PERSON, at=at, limit="200"),
        "one command answers it, the start of its process included": command,
        "the newest turns of all": page(),
        "a word that stands in one turn": page(text=f"case{loaded.turns // 3}"),
        "a word that stands in most turns": page(text="dealt"),
        "two words that stand in many turns": page(text="sabbatical garden"),
        "a phrase": page(text=f'"of case{loaded.turns // 2} dealt"'),
        "a rare outcome": page(outcome="failed_internal"),
        "a family of outcomes of one person": page(outcome="refused", person=PERSON),
    }


def figures(stack: Stack) -> Mapping[str, Look]:
    """Give the pages that add all turns up, by what each claims; a look gives the use cases in their tables."""
    headers = {"Cookie": f"identity={_token()}"}

    def page(path: str, **asked: str) -> Look:
        return lambda: [name for name in (USECASE, "triage") if f">{name}<" in _get(stack, path, asked, headers)]

    return {
        "the Overview of a day": page("/console", hours="24"),
        "the Overview of 30 days": page("/console", hours="720"),
        "the Costs of a week": page("/console/costs", days="7"),
        "the Costs of 90 days": page("/console/costs", days="90"),
        "the Costs of 90 days by person": page("/console/costs", days="90", by="user"),
    }


def _token() -> str:
    return DevelopmentIssuer(SECRET, Settings(_env_file=None).config("people")).token(OPERATOR)


def _get(stack: Stack, path: str, asked: Mapping[str, str], headers: Mapping[str, str]) -> str:
    response = httpx2.get(f"{stack.url}{path}", params=dict(asked), headers=dict(headers), timeout=60)
    response.raise_for_status()
    return response.text


def _linked(text: str) -> list[str]:
    """Give the ids of the turns that a page links to, in its order."""
    parts = [part.split('"', 1)[0] for part in text.split('href="/console/turns/')[1:]]
    return list(dict.fromkeys(part for part in parts if len(part) == 36))


def recorded(url: str, count: int = RECORDED) -> tuple[float, float]:
    """Measure what writing a turn takes, in milliseconds: with the indexes of the search and, last, without."""
    ledger_rows.recording_ms(url, count // 10)
    with_ms = ledger_rows.recording_ms(url, count)
    with psycopg.connect(url, autocommit=True) as connection:
        ledger_rows.taken_away(connection)
    return with_ms, ledger_rows.recording_ms(url, count)


def judged(
    loaded: Loaded,
    asked: Mapping[str, Asked],
    counted: Mapping[str, Asked],
    *,
    times: int,
    recorded_ms: tuple[float, float],
) -> Proof:
    """Make claims of what was measured: each answer (`asked`), and each page of figures (`counted`)."""
    claims = [
        Claim(f"{says}: in under {LIMIT_S:.0f} s", max(each.seconds) < LIMIT_S and bool(each.found), each.told)
        for says, each in asked.items()
    ]
    claims += [
        Claim(
            f"{says}: for whoever looks first in under {COUNT_LIMIT_S:.0f} s, for all others in under {LIMIT_S:.0f} s",
            each.first_s < COUNT_LIMIT_S and max(each.seconds) < LIMIT_S and bool(each.found),
            f"first {each.first_s:.2f} s, then {each.told}",
        )
        for says, each in counted.items()
    ]
    tuesday = [each for says, each in asked.items() if "one time" in says or "answers it" in says]
    claims.append(
        Claim(
            "page, API and command tell of exactly the turns that the ledger holds",
            all(sorted(each.found) == sorted(loaded.around) for each in tuesday),
            f"{len(loaded.around)} turns of {PERSON} around {loaded.at:%A %H:%M}",
        )
    )
    with_ms, without_ms = recorded_ms
    figures: dict[str, Any] = {
        "turns": loaded.turns,
        "size_mb": loaded.megabytes,
        **{says: f"{each.told}, {len(each.found)} found" for says, each in asked.items()},
        **{says: f"first {each.first_s:.2f} s, then {each.told}" for says, each in counted.items()},
        "recording a turn, ms": {"with the indexes": round(with_ms, 3), "without": round(without_ms, 3)},
    }
    settings = {"turns": loaded.turns, "times": times, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    return Proof("ledger", __doc__ or "", claims, figures, settings)
