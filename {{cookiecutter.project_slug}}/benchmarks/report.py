"""The figures for people, as tables, and for later, as JSON with the conditions under which they were taken."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from app.settings import ROOT
from benchmarks.figures import Found, Goal, ratio

EVIDENCE = ROOT / "ops" / "evidence"
LIBRARIES = ("uvicorn", "uvloop", "fastapi", "pydantic-ai-slim", "openai", "aiohttp", "sqlalchemy", "psycopg", "redis")
TITLES = {
    "one": "1 client",
    "fifty": "50 clients",
    "slow": "50 clients, vendor takes 200 ms",
    "arrivals": "500 arrivals/s, vendor takes 200 ms",
    "stream_one": "1 client, streamed",
    "stream_fifty": "50 clients, streamed",
}


def show(console: Console, found: Found, checked: Sequence[Goal]) -> None:
    """Print a table for each load, and the goals."""
    for column in dict.fromkeys(column for _, column in found):
        console.print(_table(found, column))
    table = Table("goal", "wanted", "found", "met", title="Goals")
    for goal in checked:
        met = {True: "yes", False: "[red]no[/]", None: "not measured"}[goal.is_met]
        table.add_row(goal.name, goal.wanted, f"{_number(goal.found)} {goal.unit}", met)
    console.print(table)


def _table(found: Found, column: str) -> Table:
    heads = ("system", "answers/s", "of the floor", "p50 ms", "p95", "p99", "p99/p50", "first token p50", "p99")
    table = Table(*heads, "CPU ms each", "memory MB", "faults", title=TITLES[column])
    for (system, place), figures in found.items():
        if place != column:
            continue
        p50, p99 = figures["p50_ms"], figures["p99_ms"]
        share = ratio(found, system, column)
        table.add_row(
            system,
            _number(figures["per_s"]),
            f"{share:.0%}" if share is not None else "-",
            *(_number(figures[name]) for name in ("p50_ms", "p95_ms", "p99_ms")),
            _number(p99 / p50 if p50 else None),
            *(_number(figures[name]) for name in ("first_p50_ms", "first_p99_ms", "cpu_ms", "memory_mb")),
            ", ".join(f"{count} x {kind}" for kind, count in figures["faults"].items()) or "none",
        )
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def conditions(seconds: float, rounds: int) -> dict[str, Any]:
    """Say where and how it was measured: absolute figures mean nothing without."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "load_average": list(os.getloadavg()),
        "seconds_each": seconds,
        "rounds": rounds,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not under git"


def as_json(found: Found, checked: Sequence[Goal], *, starts_s: Sequence[float], stated: Mapping[str, Any]) -> bytes:
    """Give everything that is kept."""
    systems: dict[str, dict[str, Any]] = {}
    for (system, column), figures in found.items():
        systems.setdefault(system, {})[column] = {**figures, "of_floor": ratio(found, system, column)}
    judged = [
        {"name": goal.name, "wanted": goal.wanted, "found": goal.found, "unit": goal.unit, "met": goal.is_met}
        for goal in checked
    ]
    whole = {"conditions": stated, "starts_s": list(starts_s), "systems": systems, "goals": judged}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2)


def keep(content: bytes, folder: Path = EVIDENCE) -> Path:
    """Write the report under the day's name and give its place."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"benchmark-{datetime.now(UTC):%Y-%m-%d}.json"
    path.write_bytes(content + b"\n")
    return path
