"""Readiness: every requirement, and the evidence that it is met, row by row. A row counts only when something ran.

Evidence comes from test runs: .local/evidence/tests-*.json, written by tests that are marked `proves`.
"""

import json
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.toml")


class State(StrEnum):
    """proven: all its evidence passed · begun: so, with a part missing · broken: some failed · not yet: none ran."""

    PROVEN = "proven"
    BEGUN = "begun"
    BROKEN = "broken"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of "production": what no program can supply, and what this release does not do yet."""

    id: str
    area: str
    text: str
    person: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that ran: a test, how it ended, when, and on which commit."""

    name: str
    outcome: str
    at: str
    commit: str


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement with what was found for it."""

    requirement: Requirement
    proofs: Sequence[Proof]

    @property
    def state(self) -> State:
        """Say how the row stands; a skipped test is neither for nor against."""
        ran = [proof for proof in self.proofs if proof.outcome != "skipped"]
        if any(proof.outcome != "passed" for proof in ran):
            return State.BROKEN
        if not ran:
            return State.NOT_YET
        return State.BEGUN if self.requirement.missing else State.PROVEN


def requirements() -> list[Requirement]:
    """Read what "production" means."""
    return [Requirement(**row) for row in tomllib.loads(REQUIREMENTS.read_text())["requirement"]]


def assess(folder: Path) -> list[Row]:
    """Hold every requirement against the evidence in a folder; of two runs of one test the newer counts."""
    proofs = _proofs(folder)
    return [Row(requirement, tuple(proofs[requirement.id].values())) for requirement in requirements()]


def _proofs(folder: Path) -> Mapping[str, dict[str, Proof]]:
    found: dict[str, dict[str, Proof]] = defaultdict(dict)
    runs = [json.loads(path.read_text()) for path in folder.glob("tests-*.json")]
    for run in sorted(runs, key=lambda run: str(run["at"])):
        for requirement, tests in run["proofs"].items():
            for name, outcome in tests.items():
                found[requirement][name] = Proof(name, outcome, run["at"], run["commit"])
    return found
