"""The whole table of faults: every row, every ordered pair, every ladder and form, each a turn with its ledger rows."""

import argparse
import os
import re
import subprocess
import sys
import time

from rich.console import Console

from app.settings import ROOT
from ops.local.errors import LocalError
from ops.prove.report import Claim, Proof

TABLE = "tests/llm/test_faults.py"
CELLS = re.compile(r"^(alone|pairs): (\d+) turns", re.MULTILINE)
WRONG = re.compile(r"^E\s+(\(.*)$", re.MULTILINE)
SHOWN = 5


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--quick", action="store_true", help="only what `make test` runs")


def prove(arguments: argparse.Namespace, console: Console) -> Proof:
    """Run the table as tests, in its long form. Raises LocalError when the tests could not be run."""
    console.print("walking through the table of faults", markup=False)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--show-capture=no", TABLE]
    environ = {**os.environ, "FAULTS": "some" if arguments.quick else "all"}
    started = time.monotonic()
    ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 1):
        raise LocalError(f"the table could not be run:\n{(ran.stdout + ran.stderr)[-1000:]}")
    return judged(ran.stdout, is_good=ran.returncode == 0, seconds=time.monotonic() - started)


def judged(output: str, *, is_good: bool, seconds: float) -> Proof:
    """Read what the tests said."""
    turns = {kind: int(count) for kind, count in CELLS.findall(output)}
    wrong = WRONG.findall(output)
    claims = [
        Claim(
            "each ends with the table's outcome, rung and ledger rows, within its deadline",
            is_good and bool(turns),
            "; ".join(wrong[:SHOWN]) or f"{sum(turns.values())} turns",
        )
    ]
    return Proof("faults", __doc__ or "", claims, {"turns": turns, "seconds": round(seconds, 1)})
