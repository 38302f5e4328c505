"""The commands at the template's top: listed, sound, and in step with the generated project's."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from bakery import PROJECT, TEMPLATE, TOOLS, succeed


def dependencies(pyproject: Path) -> dict[str, str]:
    """Return all pinned packages of a project: name -> version."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    listed = [
        *project["dependencies"],
        *(item for group in project.get("optional-dependencies", {}).values() for item in group),
    ]
    return {
        found[1].lower(): found[2] for item in listed if (found := re.match(r"([\w-]+)(?:\[.*\])?==([\w.]+)", item))
    }


def test_help_lists_every_target() -> None:
    makefile = (TEMPLATE / "Makefile").read_text("utf-8")
    said = succeed(["make", "help"], cwd=TEMPLATE)
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    assert targets
    assert [target for target in targets if not re.search(rf"make {target} +\S", said)] == []
    assert set(targets) == set(re.findall(r"\.PHONY: (.*)", makefile)[0].split())


def test_continuous_integration_runs_every_test() -> None:
    script = TEMPLATE / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text("utf-8").rstrip().endswith("make --no-print-directory test")
    assert "run: .ci/run" in (TEMPLATE / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    succeed([TOOLS / "shellcheck", script], cwd=TEMPLATE)


@pytest.mark.parametrize("file", ["Makefile", "Dockerfile"])
def test_one_version_of_uv_installs_everything(file: str) -> None:
    pattern = re.compile(r"(?:UV_VERSION := |uv==)([\d.]+)")
    assert pattern.findall((PROJECT / file).read_text("utf-8")) == pattern.findall(
        (TEMPLATE / "Makefile").read_text("utf-8")
    )


def test_tools_that_both_use_have_one_version() -> None:
    ours, theirs = dependencies(TEMPLATE / "pyproject.toml"), dependencies(PROJECT / "pyproject.toml")
    both = set(ours) & set(theirs)
    assert {"ruff", "mypy", "pytest"} <= both
    assert {tool: ours[tool] for tool in both} == {tool: theirs[tool] for tool in both}


def test_the_lock_pins_what_is_asked_for_with_hashes() -> None:
    lock = (TEMPLATE / "requirements.lock").read_text("utf-8")
    for tool, version in dependencies(TEMPLATE / "pyproject.toml").items():
        assert f"{tool}=={version} \\\n    --hash=sha256:" in lock
