"""Nothing planted comes out: what every test of the run has written is read, and so are the logs of whole services.

The words of ops/prove/planted.py are sent by journeys and fuzzing. The secret that signs in tests, and signed tokens,
are sent by all: they are looked for in the logs of processes, whose logging is that of the service. Within a test
structlog writes by its own rule, which shows the variables of an exception.
"""

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ops.drills.stack import SECRET as DRILL_SECRET
from ops.prove.planted import EVERY, found_in

TEST_SECRET = "for tests only, and long enough to sign with"
SIGNED = re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")


def planted_in(text: str) -> list[str]:
    """Give what must not be written anywhere: planted words, secrets of the tests, signed tokens."""
    return found_in(text, (*EVERY, TEST_SECRET, DRILL_SECRET)) + SIGNED.findall(text)


def planted_in_logs(folder: Path) -> list[str]:
    """Read the logs of a stack's processes."""
    logs = sorted(folder.glob("*.log"))
    assert logs, f"no process has written to {folder}"
    return [f"{log.name}: {word}" for log in logs for word in planted_in(log.read_text(errors="replace"))]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """Read what a test has written, once it is over; a planted word in it is an error of that test."""
    report = yield
    if call.when == "teardown":
        written = "\n".join(text for title, text in report.sections if title.startswith("Captured"))
        if found := found_in(written):
            report.outcome = "failed"
            report.longrepr = (
                f"{item.nodeid} has written what must not be written: {', '.join(found)}\n{written[-3000:]}"
            )
    return report
