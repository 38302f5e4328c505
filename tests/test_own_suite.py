"""The default project, as its owner first meets it: set up, checked and tested by its own commands."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from bakery import bake, contents, succeed
from conftest import Measure

pytestmark = pytest.mark.slow


def test_what_is_tested_is_what_the_template_makes_now(equipped: Path, tmp_path: Path) -> None:
    fresh = contents(bake(tmp_path))
    assert {name: data for name, data in contents(equipped).items() if name in fresh} == fresh


def test_setting_up_twice_changes_nothing(equipped: Path, measured: Measure) -> None:
    secrets = (equipped / ".env").read_bytes()
    started = time.perf_counter()
    succeed(["make", "setup"], cwd=equipped, timeout_s=900)
    measured("make setup, warm", f"{time.perf_counter() - started:.1f} s")
    assert (equipped / ".env").read_bytes() == secrets
    assert re.search(rb"^APP_SECRET_KEY=\S{32,}$", secrets, re.MULTILINE)


def test_the_default_project_passes_its_own_checks(equipped: Path, measured: Measure) -> None:
    started = time.perf_counter()
    succeed(["make", "check"], cwd=equipped, timeout_s=900)
    measured("make check of the default project", f"{time.perf_counter() - started:.1f} s")


def test_the_default_project_passes_its_own_tests(equipped: Path, measured: Measure) -> None:
    env = {"REQUIRE_TOOLS": os.environ.get("REQUIRE_TOOLS", "")} if "REQUIRE_TOOLS" in os.environ else {}
    said = succeed(["make", "test"], cwd=equipped, env=env, timeout_s=3600)
    closing = [line for line in said.splitlines() if re.search(r"\d+ passed", line)]
    assert closing, "the suite ended well without a test that passed"
    measured("make test of the default project", " / ".join(line.strip("= ") for line in closing))
    for line in said.splitlines():
        if line.startswith("SKIPPED"):
            measured("not measured", line)


def test_a_project_for_aws_applies_rolls_back_and_destroys_its_infrastructure(
    tmp_path: Path, equipped: Path, measured: Measure
) -> None:
    project = bake(tmp_path, {"cloud": "aws"})
    (project / ".venv").symlink_to(equipped / ".venv")
    env = {"REQUIRE_TOOLS": os.environ["REQUIRE_TOOLS"]} if "REQUIRE_TOOLS" in os.environ else {}
    command = [".venv/bin/python", "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "tests/infra"]
    said = succeed(command, cwd=project, env=env, timeout_s=1500)
    closing = said.strip().splitlines()[-1]
    assert re.search(r"\d+ passed", closing), said
    measured("infrastructure against the emulator", closing.strip("= "))
    for line in said.splitlines():
        if line.startswith("SKIPPED"):
            measured("not measured", line)
