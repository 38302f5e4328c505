"""What a proof found: claims that hold or do not, the figures, and the conditions that both were found under."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.settings import ROOT

EVIDENCE = ROOT / "ops" / "evidence"


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence that is true or not, and what was found."""

    says: str
    holds: bool
    found: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A finished experiment; it is good when every claim holds."""

    name: str
    title: str
    claims: Sequence[Claim]
    figures: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Say whether every claim holds."""
        return all(claim.holds for claim in self.claims)

    def as_json(self) -> dict[str, Any]:
        """Give all of it, with the conditions."""
        return {
            "proof": self.name,
            "title": self.title,
            "holds": self.holds,
            "conditions": {**conditions(), **self.settings},
            "claims": [asdict(claim) for claim in self.claims],
            "figures": dict(self.figures),
        }

    def keep(self, folder: Path = EVIDENCE) -> Path:
        """Write it down; an older result of the same proof is replaced."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(self.as_json(), indent=1, default=str) + "\n")
        return path

    def show(self, console: Console) -> None:
        """Print figures and claims."""
        table = Table("figure", "value", title=self.title, title_justify="left")
        for name, value in self.figures.items():
            shown = ", ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, Mapping) else value
            table.add_row(name, str(shown))
        console.print(table)
        claims = Table("claim", "holds", "found")
        for claim in self.claims:
            claims.add_row(claim.says, "yes" if claim.holds else "[red]no[/]", claim.found)
        console.print(claims)


def conditions() -> dict[str, Any]:
    """Say where and when this runs: machine, versions, commit, date (UTC)."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "python": platform.python_version(),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which this share lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""
