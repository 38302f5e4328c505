"""Fixtures of the template's tests: the default project, and a summary of what was measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bakery import TEMPLATE, Answers, bake

Measure = Callable[[str, str], None]
MEASURED = "measured"


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measure:
    """Say a measurement in the run's summary: not asserted, but never hidden."""

    def say(what: str, value: str) -> None:
        record_property(MEASURED, f"{what}: {value}")

    return say


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what takes minutes last: the quick tests say sooner what is wrong."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print all measurements above the closing line."""
    reports = [report for group in ("passed", "failed") for report in terminalreporter.stats.get(group, [])]
    said = [value for report in reports for name, value in report.user_properties if name == MEASURED]
    if said:
        terminalreporter.section("measured")
        for line in said:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def default_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that all default answers give. Look, do not touch."""
    return bake(tmp_path_factory.mktemp("default"))


@pytest.fixture(scope="session")
def equipped() -> Path:
    """The default project with its dependencies, as `make test` has set it up before these tests. Leave it as it is."""
    project = TEMPLATE / ".build" / "project"
    if not (project / ".venv").exists():
        pytest.fail("nothing is set up: run these tests through `make test` (or `make equip` once)")
    return project


@pytest.fixture
def baked(tmp_path: Path) -> Callable[..., Path]:
    """Make a project of given answers in this test's own folder."""

    def make(**answers: str | bool) -> Path:
        given: Answers = answers
        return bake(tmp_path, given)

    return make
