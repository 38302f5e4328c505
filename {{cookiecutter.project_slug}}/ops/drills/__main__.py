"""`make drill`: kill each part under load, once; exits 1 when a promise was broken, and keeps the figures."""

import asyncio
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.control.auth import DevelopmentIssuer
from app.settings import ROOT, Settings
from ops.drills.death import Death, die
from ops.drills.stack import SECRET, Stack
from ops.local.engines import local_folder

PARTS = ("worker-turns", "redis", "postgres", "api", "worker-documents", "beat")
SAMPLES = ROOT / "tests" / "samples"


def tokens() -> tuple[str, str]:
    """Give tokens for somebody who asks, and for an operator."""
    settings = Settings(_env_file=None)
    issuer = DevelopmentIssuer(SECRET, settings.config("people"))
    return issuer.token("sam.reyes"), issuer.token("olga.petrov")


async def drill(stack: Stack, parts: tuple[str, ...]) -> list[Death]:
    """Kill one part after another; the slow use case of the tests makes sure that there is work in the middle."""
    deaths = []
    for part in parts:
        deaths.append(await die(stack, part, usecase="slow", tokens=tokens()))
        print(
            f"{part}: {'good' if deaths[-1].is_good else 'BROKEN'}, back in {deaths[-1].recovery_s:.1f} s", flush=True
        )
    return deaths


def main() -> int:
    """Run the drill in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
        stack = Stack(Path(folder), {"APP_USECASES_DIR": str(SAMPLES)})
        try:
            print("starting a service to break", flush=True)
            stack.start()
            deaths = asyncio.run(drill(stack, PARTS))
        finally:
            stack.stop()
    _show(deaths)
    kept = local_folder() / "evidence" / "drill-death.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    kept.write_text(json.dumps({"at": at, "deaths": [death.as_json() for death in deaths]}, indent=1))
    return 0 if all(death.is_good for death in deaths) else 1


def _show(deaths: list[Death]) -> None:
    table = Table("killed", "kept", "requests", "outcomes", "well again after", "jobs", "lost", "done twice")
    for death in deaths:
        row = death.as_json()
        outcomes = ", ".join(f"{count} x {outcome}" for outcome, count in sorted(death.outcomes.items()))
        table.add_row(
            death.part, "yes" if death.is_good else "[red]no[/]", str(row["requests"]), outcomes,
            f"{row['recovery_s']} s", str(row["jobs"]), str(len(death.lost)), str(len(death.doubled)),
        )  # fmt: skip
    Console().print(table)
    for death in deaths:
        for line in [*death.lost, *death.doubled, *death.undocumented]:
            print(f"{death.part}: {line}")


if __name__ == "__main__":
    sys.exit(main())
