"""Requests that nobody would send: none breaks the service, and nothing that is planted in them comes out.

Half of what schemathesis makes follows the description of the API and half goes against it; hypothesis fills pages and
forms; the others are those, broken. Planted personal data and secrets are in many of them, and are looked for in logs,
spans, metrics and error answers.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from app.settings import ROOT
from ops.prove.report import Claim, Proof, percentile
from ops.prove.site import HERE, Site, site
from ops.prove.throwing import Tally, Thrower
from tests.fakes.collector import running as collecting

PATIENCE_S = 60.0
SHOWN = 10
LIMIT = re.compile(r"^(\w+_per_(?:minute|hour)|concurrent_turns) = [\d_]+$", re.MULTILINE)


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--count", type=int, default=100_000, help="requests")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same requests")
    parser.add_argument("--at-once", type=int, default=16, help="requests in flight")


def prove(arguments: argparse.Namespace, console_: Console) -> Proof:
    """Start a service, throw the requests at it, and read all that it has written."""
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as name, collecting() as collector:
        folder = Path(name)
        folder.chmod(0o755)
        console_.print("starting a service, its vendor and a collector of traces", markup=False)
        more = {
            "APP_CONFIG_DIR": _config(folder / "generous"),
            "APP_LOG_LEVEL": "INFO",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "APP_TRACE_SHARE": "1",
        }
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
        with (
            site(folder, more) as running,
            Progress(*columns, console=console_, disable=not sys.stdout.isatty()) as progress,
        ):
            task = progress.add_task("requests", total=arguments.count)
            tally = asyncio.run(_thrown(running, arguments, lambda: progress.advance(task)))
            tally.hear("metrics", httpx2.get(f"{running.url}/metrics", timeout=PATIENCE_S).text)
        for log in sorted(folder.glob("*.log")):
            tally.read_log(log.name, log.read_text(errors="replace"))
        tally.hear("spans", b"".join(collector.raw).decode(errors="replace"))
        return judged(tally, {"requests": arguments.count, "seed": arguments.seed, "at once": arguments.at_once})


def _config(folder: Path) -> str:
    """Write a configuration whose limits let every request through to what it is meant for; gives its place."""
    copytree(ROOT / "config", folder)
    (folder / "models.toml").write_text((HERE / "config" / "models.toml").read_text())
    limits = (folder / "limits.toml").read_text()
    (folder / "limits.toml").write_text(LIMIT.sub(lambda found: f"{found[1]} = 100_000_000", limits))
    return str(folder)


def judged(tally: Tally, settings: Mapping[str, Any]) -> Proof:
    """Turn what was found into claims."""
    count = sum(tally.statuses.values())
    claims = [
        Claim(
            "no request gets a 5xx but the named refusals, and every refusal is a problem document",
            not tally.faults and not tally.broke and count > 0,
            "; ".join([*sorted(tally.faults, key=_worst)[:SHOWN], *tally.broke[:SHOWN]]) or f"{count} requests",
        ),
        Claim(
            "nothing planted stands in logs, spans, metrics or error answers",
            not tally.heard,
            "; ".join(sorted(set(tally.heard))[:SHOWN]) or f"{sum(tally.read.values())} characters read",
        ),
    ]
    figures = {
        "requests": count,
        "by status": {str(status): found for status, found in sorted(tally.statuses.items())},
        "made by": dict(tally.made),
        "named refusals": dict(tally.named),
        "no client can write": tally.unsent,
        "streams without an end": tally.left,
        "sent again after a connection was closed": tally.again,
        "routes": len(tally.labels),
        "fewest on a route": min(tally.labels.values(), default=0),
        "read for planted words": dict(tally.read),
        "p50_ms": round(percentile(tally.times_s, 0.5) * 1000, 1),
        "p99_ms": round(percentile(tally.times_s, 0.99) * 1000, 1),
    }
    return Proof("fuzz", "Requests that nobody would send", claims, figures, settings)


def _worst(fault: str) -> bool:
    return ": 5" not in fault


async def _thrown(running: Site, arguments: argparse.Namespace, told: Callable[[], object]) -> Tally:
    limits = httpx2.Limits(max_connections=arguments.at_once * 2)
    async with httpx2.AsyncClient(base_url=running.url, timeout=PATIENCE_S, limits=limits) as door:
        description = (await door.get("/openapi.json")).json()
        thrower = Thrower(door, running.headers, await _seated(door), told=told)
        await thrower.throw(description, count=arguments.count, number=arguments.seed, at_once=arguments.at_once)
        return thrower.tally


async def _seated(door: httpx2.AsyncClient) -> list[Mapping[str, str]]:
    """Sign people in as a browser would."""
    found: list[Mapping[str, str]] = []
    for person in ("sam.reyes", "hana.lind", "olga.petrov"):
        origin = str(door.base_url).rstrip("/")
        form = {"person": person, "next": "/"}
        answer = await door.post("/console/sign-in", data=form, headers={"Origin": origin})
        cookies = "; ".join(each.partition(";")[0] for each in answer.headers.get_list("set-cookie"))
        found.append({"Cookie": cookies, "Origin": origin})
        door.cookies.clear()
    return found
