"""Each contract of .importlinter bites: a seeded violation in a copy of the tree turns it red, and only it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import ROOT

VIOLATIONS = {
    "Imports go down the floors only, and every room stands on a floor": (
        "app/store/outbox.py",
        "import app.turn.admit",
    ),
    "No cycles inside a room": ("app/domain/identity.py", "import app.domain.turn"),
    "The platform does not know the use cases": ("app/wiring/service.py", "import usecases.seeded"),
    "A use case sees the platform through app.sdk only": ("usecases/seeded/checks.py", "import app.store.db"),
    "Use cases do not know each other": ("usecases/seeded/checks.py", "import usecases.seeded_too"),
    "Only the store knows databases": ("app/turn/admit.py", "import sqlalchemy"),
    "Only llm knows model vendors": ("app/turn/admit.py", "import pydantic_ai"),
    "Nothing below the doors knows FastAPI or Celery": ("app/turn/admit.py", "import fastapi"),
    "Settings are read by wiring and the start files alone": ("app/api/deps.py", "import app.settings"),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the code with two small use cases, to do harm in."""
    copy = tmp_path_factory.mktemp("tree")
    for name in ("app", "usecases"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("sample", "static", "__pycache__"))
    for name in ("seeded", "seeded_too"):
        (copy / "usecases" / name).mkdir()
        (copy / "usecases" / name / "__init__.py").write_text('"""Seeded."""\n')
        (copy / "usecases" / name / "checks.py").write_text('"""Seeded."""\n')
    shutil.copy(ROOT / ".importlinter", copy)
    return copy


def lint(tree: Path) -> str:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environ = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"}
    found = subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr


def broken(output: str) -> list[str]:
    return re.findall(r"^(.+?) BROKEN\b", output, re.MULTILINE)


@pytest.mark.proves("OPS-3")
def test_the_tree_keeps_every_contract(tree):
    output = lint(tree)
    assert f"{len(VIOLATIONS)} kept, 0 broken" in output, output


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_violation_breaks_its_contract(tree, contract):
    path, line = VIOLATIONS[contract]
    whole = (tree / path).read_text()
    try:
        (tree / path).write_text(f"{whole}\n{line}\n")
        assert contract in broken(lint(tree))
    finally:
        (tree / path).write_text(whole)


def test_a_room_without_a_floor_is_refused(tree):
    stray = tree / "app" / "utils.py"
    try:
        stray.write_text('"""Everything else."""\n')
        assert "Imports go down the floors only, and every room stands on a floor" in broken(lint(tree))
    finally:
        stray.unlink()
