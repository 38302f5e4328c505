"""Keeps what the tests proved: .local/evidence/<id>.json per requirement, for `app readiness`."""

import json
import os
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("APP_LOCAL_DIR") or Path(__file__).parents[1] / ".local") / "evidence"


class Evidence:
    """Collects the outcome of every test that is marked `proves`."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, str]] = defaultdict(dict)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        """Note a test's outcome under each requirement it proves; a skipped test is no proof."""
        report = yield
        if report.when == "call" or report.outcome != "passed":
            for marker in item.iter_markers("proves"):
                for requirement in marker.args:
                    self.found[requirement][item.nodeid] = report.outcome
        return report

    def pytest_sessionfinish(self) -> None:
        """Write what was found; each process of a parallel run adds its own part."""
        self.write(FOLDER)

    def write(self, folder: Path) -> None:
        """Write what was found so far into a folder."""
        if not self.found:
            return
        folder.mkdir(parents=True, exist_ok=True)
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        stamp = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit()}
        (folder / f"tests-{worker}.json").write_text(
            json.dumps({**stamp, "proofs": self.found}, indent=1, sort_keys=True)
        )


def _commit() -> str:
    try:
        found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return found.stdout.strip()


def pytest_configure(config: pytest.Config) -> None:
    """Watch the run."""
    config.pluginmanager.register(Evidence(), "evidence")
