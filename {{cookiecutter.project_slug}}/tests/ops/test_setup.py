"""`make setup` and the Makefile: secrets are made once, nobody's text is lost, and every target says what it does."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ops.local import secrets

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = "# what it is\nAPP_ENVIRONMENT=development\nAPP_SECRET_KEY=\n# OPENAI_API_KEY=\n"
PUBLIC = {"setup", "up", "demo", "test", "check", "evals", "drill", "readiness", "docs", "lock"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    example = tmp_path / ".env.example"
    example.write_text(EXAMPLE)
    return tmp_path / ".env", example


def test_the_first_setup_writes_defaults_and_fresh_secrets_for_the_owner_alone(files: tuple[Path, Path]) -> None:
    env, example = files
    assert secrets.fill(env, example) == ["APP_ENVIRONMENT", "APP_SECRET_KEY", "POSTGRES_PASSWORD"]
    made = secrets.read(env)
    assert made["APP_ENVIRONMENT"] == "development"
    assert len(made["APP_SECRET_KEY"]) >= 43 and made["APP_SECRET_KEY"] != made["POSTGRES_PASSWORD"]
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert "OPENAI_API_KEY" not in made


def test_a_second_setup_changes_nothing(files: tuple[Path, Path]) -> None:
    secrets.fill(*files)
    before = files[0].read_text()
    assert secrets.fill(*files) == []
    assert files[0].read_text() == before


def test_what_a_person_wrote_stays_and_an_empty_secret_is_filled_in_place(files: tuple[Path, Path]) -> None:
    env, example = files
    env.write_text("# mine\nAPP_ENVIRONMENT=production # on purpose\nexport APP_SECRET_KEY=\nMINE='a b'")
    env.chmod(0o644)
    assert secrets.fill(env, example) == ["APP_SECRET_KEY", "POSTGRES_PASSWORD"]
    lines = env.read_text().splitlines()
    assert lines[:2] == ["# mine", "APP_ENVIRONMENT=production # on purpose"]
    assert re.fullmatch(r"APP_SECRET_KEY=[\w-]{43}", lines[2])
    assert lines[3] == "MINE='a b'" and lines[4].startswith("POSTGRES_PASSWORD=")
    assert stat.S_IMODE(env.stat().st_mode) == 0o600


def test_a_missing_example_still_gives_secrets(tmp_path: Path) -> None:
    assert secrets.fill(tmp_path / ".env", tmp_path / "none") == ["APP_SECRET_KEY", "POSTGRES_PASSWORD"]


def test_env_files_are_read_as_shells_read_them() -> None:
    text = "A=1\nexport B = two \nC='x # y'\nD=\"q\"\nE=a#b # c\n# F=6\nG=\nH=# none\nI=k=v\n"
    assert secrets.parse(text) == {
        "A": "1",
        "B": "two",
        "C": "x # y",
        "D": "q",
        "E": "a#b",
        "G": "",
        "H": "",
        "I": "k=v",
    }


def make(*words: str, folder: Path = ROOT, env: dict[str, str] | None = None) -> str:
    ours = ("VENV", "UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "ONCE")
    inherited = {key: value for key, value in os.environ.items() if key not in ours}
    env = inherited | (env or {})
    done = subprocess.run(["make", *words], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_lists_every_target_in_one_line_each() -> None:
    shown = [line.split()[1] for line in make().splitlines()]
    assert PUBLIC | {"template-update"} <= set(shown)
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony and phony[1].split() == shown
    assert max(len(line) for line in make().splitlines()) <= 120


def test_a_question_reaches_the_demo_unharmed_by_the_shell(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    inside = {"VENV": "venv"}
    found = re.search(r"^READY := (\S+)$", make("-n", "-p", folder=tmp_path, env=inside), re.MULTILINE)
    assert found
    (tmp_path / found[1]).touch()
    question = 'What\'s "$HOME" & `id` (50 %)?'
    asking = inside | {"QUESTION": question, "WHO": "sam.reyes"}
    said = make("-s", "demo", "ONCE=1", folder=tmp_path, env=asking)
    assert said.endswith(f"-m|ops.local.up|--once|{question}|--as|sam.reyes|")
    assert "--demo|" in make("-s", "demo", "ONCE=", folder=tmp_path, env=asking)


def test_the_environment_may_live_outside_the_folder_but_never_in_the_active_one() -> None:
    active = {"VIRTUAL_ENV": "/active"}
    elsewhere = active | {"UV_PROJECT_ENVIRONMENT": "/elsewhere/venv"}
    assert "\nBIN := /elsewhere/venv/bin\n" in make("-n", "-p", "help", env=elsewhere)
    assert f"\nBIN := {ROOT}/.venv/bin\n" in make("-n", "-p", "help", env=active)
