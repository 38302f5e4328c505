"""`make drill`: kill each part, exchange each key, turn the AI off, all under load; 1 when a promise was broken."""

import asyncio
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.control.development import DevelopmentIssuer
from app.settings import ROOT, Settings
from ops.drills import rotation
from ops.drills.death import Death, die
from ops.drills.rotation import Rotation
from ops.drills.stack import SECRET, Stack
from ops.local.engines import local_folder
from ops.prove import killswitch
from ops.prove.fleet import fleet
from ops.prove.site import settings_of, vendor

PARTS = ("worker-turns", "redis", "postgres", "api", "worker-documents", "beat")
SAMPLES = ROOT / "tests" / "samples"
CLICKS = 5


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
    """Run every drill, or the one that is named: death, rotation, switch."""
    drills = {"death": deaths_under_load, "rotation": rotation_under_load, "switch": switch_under_load}
    chosen = sys.argv[1:] or list(drills)
    if unknown := set(chosen) - set(drills):
        print(f"there is no drill {', '.join(unknown)}; there are: {', '.join(drills)}", file=sys.stderr)
        return 2
    return max(drills[name]() for name in chosen)


def rotation_under_load() -> int:
    """Exchange each key once, in a folder of its own."""
    keys = rotation.new_key()
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as name, vendor() as vendor_url:
        folder = Path(name)
        stack = Stack(folder, {**settings_of(vendor_url, folder), "APP_DATA_KEYS": keys})
        try:
            print("starting a service and a vendor, whose keys are exchanged", flush=True)
            stack.start()
            stack.run("ingest")
            found = asyncio.run(rotation.rotate(stack, vendor_url, keys=keys, tell=_tell))
        finally:
            stack.stop()
    _keep("drill-rotation.json", {"rotations": [one.as_json() for one in found]})
    return 0 if all(one.is_good for one in found) else 1


def _tell(found: Rotation) -> None:
    outcomes = ", ".join(f"{count} x {outcome}" for outcome, count in sorted(found.asked.items()))
    print(f"{found.key}: {'good' if found.is_good else 'BROKEN'}, {found.seconds:.0f} s, {outcomes}", flush=True)
    for fault in found.faults[:10]:
        print(f"  {fault}")


def switch_under_load() -> int:
    """Turn the AI off and on while people read and jobs run, with Redis and without it: `ops.prove killswitch`."""
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        print("starting two processes of the API and a worker, whose AI is turned off", flush=True)
        with fleet(folder, apis=2, workers=1) as running:
            trial = killswitch.Trial(running, readers=6)
            usual, without, lost = asyncio.run(trial.run(CLICKS))
    settings = {"times": CLICKS, "apis": 2, "workers": 1, "readers": 6}
    proof = killswitch.judged(usual, without, [*trial.crowd.seen.faults, *lost], trial, settings)
    proof.show(Console())
    _keep("drill-switch.json", proof.as_json())
    return 0 if proof.holds else 1


def deaths_under_load() -> int:
    """Kill each part once, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
        stack = Stack(Path(folder), {"APP_USECASES_DIR": str(SAMPLES)})
        try:
            print("starting a service to break", flush=True)
            stack.start()
            deaths = asyncio.run(drill(stack, PARTS))
        finally:
            stack.stop()
    _show(deaths)
    _keep("drill-death.json", {"deaths": [death.as_json() for death in deaths]})
    return 0 if all(death.is_good for death in deaths) else 1


def _keep(name: str, figures: dict[str, object]) -> None:
    kept = local_folder() / "evidence" / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), **figures}, indent=1))


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
