"""The command line, as a person uses it: a new use case, a conversation, reviews, exit codes."""

import os
import shutil
import subprocess
import sys

import pytest

from app.settings import ROOT

PARTS = ("app", "config", "migrations", "ops", "usecases")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, to add a use case to."""
    copy = tmp_path_factory.mktemp("project")
    for name in PARTS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("sample", "__pycache__"))
    for folder in (copy / "usecases").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    return copy


def run(project, *words, **environ):
    env = {
        **os.environ,
        "PYTHONPATH": str(project),
        "APP_SECRET_KEY": "k" * 40,
        "APP_LOCAL_DIR": str(project / ".local"),
    }
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=project, env={**env, **environ}, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_new_use_case_is_one_command_away_and_passes_its_own_evaluation(project):
    made = run(project, "-m", "app", "new", "usecase", "contract_questions")
    assert made.returncode == 0 and "contract_questions" in made.stdout, made.stderr
    assert run(project, "-m", "app", "prompts", "contract_questions").returncode == 0, "its prompt is approved"
    found = run(project, "-m", "ops.local.borrow", "app", "evaluate", "contract_questions")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "1 of 1 cases right" in found.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "usecase", "Bad-Name"), "allowed"),
        (("new", "dashboard", "x"), "makes a use case"),
        (("ingest", "no-such-file.md"), "not a file"),
        (("ask", "hello"), "Nobody answers"),
    ],
)
def test_a_call_that_is_wrong_exits_2_and_says_what_is_allowed(project, words, said):
    env = {
        "DATABASE_URL": "postgresql://localhost:1/x",
        "REDIS_URL": "redis://localhost:1",
        "APP_PUBLIC_URL": "http://127.0.0.1:1",
    }
    wrong = run(project, "-m", "app", *words, **env)
    assert wrong.returncode == 2 and said in wrong.stderr, wrong.stdout + wrong.stderr


def test_without_engines_the_cure_is_told(project):
    wrong = run(project, "-m", "app", "flags", DATABASE_URL="", REDIS_URL="")
    assert wrong.returncode == 2 and "make up" in wrong.stderr, wrong.stderr


@pytest.mark.proves("OPS-8")
def test_readiness_lists_every_requirement_and_strict_readiness_wants_them_all(project):
    listed = run(project, "-m", "app", "readiness", COLUMNS="200")
    assert listed.returncode == 0 and "of 73" in listed.stdout and "CTL-1" in listed.stdout
    assert run(project, "-m", "app", "readiness", "--strict").returncode == 1
