"""A process that has started keeps no memory that only its start needed."""

import subprocess
import sys

import pytest

from app.settings import ROOT

CODE = """
from app.wiring import process

def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

# Needed for a while, and the last piece for ever: what lies before it is free, but not given back by itself.
needed = [bytes(2000) for _ in range(30_000)]
kept = needed[-1]
del needed
before = resident_mb()
process.settle()
print(before - resident_mb())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory on Linux")
def test_memory_that_only_the_start_needed_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout) > 20
