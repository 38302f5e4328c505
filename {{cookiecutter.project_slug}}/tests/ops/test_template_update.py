"""The update command: what it refuses, how it calls cruft, and that conflicts are never reported as success."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "ops" / "template_update.py"
ANSWERS = {"project_name": "Acme", "_template_version": "1.0.0", "__slug": "acme"}
FAKE_CRUFT = """
import json, pathlib, subprocess, sys
arguments = sys.argv[1:]
if "--extra-context-file" in arguments:
    arguments.append(pathlib.Path(arguments[arguments.index("--extra-context-file") + 1]).read_text())
with open({log!r}, "a") as log:
    print(json.dumps(arguments), file=log)
if arguments[0] == "create":
    folder = pathlib.Path(arguments[arguments.index("--output-dir") + 1], "acme")
    folder.mkdir()
    (folder / "old.txt").write_text("as the template had it")
else:
    {on_update}
"""


def git(project: Path, *arguments: str) -> str:
    """Run git in the project, as somebody, and return its output."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    done = subprocess.run(["git", *who, *arguments], cwd=project, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A committed project that remembers its template."""
    folder = tmp_path / "project"
    folder.mkdir()
    state = {"template": "https://example.com/t", "commit": "abc", "context": {"cookiecutter": ANSWERS}}
    (folder / ".cruft.json").write_text(json.dumps(state))
    (folder / "shared.txt").write_text("base\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "start")
    return folder


def update(project: Path, on_update: str = "pass", *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script against a cruft that does what `on_update` says."""
    fake = project.parent / "cruft.py"
    fake.write_text(FAKE_CRUFT.format(log=str(project.parent / "log"), on_update=on_update))
    env = {**os.environ, "CRUFT": f"{sys.executable} {fake}"}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


def calls(project: Path) -> list[list[str]]:
    """What cruft was called with, call by call."""
    return [json.loads(line) for line in (project.parent / "log").read_text().splitlines()]


def test_a_project_without_a_link_to_its_template_is_told_how_to_make_one(project: Path) -> None:
    git(project, "rm", "-q", ".cruft.json")
    result = update(project)
    assert result.returncode == 2
    assert "docs/how-to/update-from-template.md" in result.stderr


def test_uncommitted_work_is_not_mixed_with_an_update(project: Path) -> None:
    (project / "shared.txt").write_text("mine\n")
    result = update(project)
    assert result.returncode == 2
    assert "shared.txt" in result.stderr


def test_a_folder_that_git_does_not_know_is_refused(project: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / ".cruft.json").write_text((project / ".cruft.json").read_text())
    result = update(bare)
    assert result.returncode == 2
    assert "git init" in result.stderr


def test_the_old_render_is_made_from_the_recorded_commit_and_answers_and_stored_in_git(project: Path) -> None:
    assert update(project).returncode == 0
    create, _ = calls(project)
    assert create[:2] == ["create", "https://example.com/t"]
    assert create[create.index("--checkout") + 1] == "abc"
    (project / "same.txt").write_text("as the template had it")
    blob = git(project, "hash-object", "same.txt").strip()
    assert git(project, "cat-file", "-p", blob) == "as the template had it"


def test_private_answers_are_left_to_the_template(project: Path) -> None:
    update(project)
    create, _ = calls(project)
    assert json.loads(create[-1]) == {"project_name": "Acme"}


def test_further_arguments_reach_cruft(project: Path) -> None:
    update(project, "pass", "--variables-to-update", '{"cloud": "aws"}')
    assert calls(project)[1] == ["update", "--skip-apply-ask", "--variables-to-update", '{"cloud": "aws"}']


def test_rejected_hunks_are_listed_and_are_no_success(project: Path) -> None:
    result = update(project, 'pathlib.Path("shared.txt.rej").write_text("hunk")')
    assert result.returncode == 1
    assert "shared.txt.rej" in result.stdout


def test_unmerged_files_are_listed_and_are_no_success(project: Path) -> None:
    git(project, "switch", "-qc", "template")
    (project / "shared.txt").write_text("theirs\n")
    git(project, "commit", "-qam", "theirs")
    git(project, "switch", "-q", "main")
    (project / "shared.txt").write_text("ours\n")
    git(project, "commit", "-qam", "ours")
    result = update(project, 'subprocess.run(["git", "merge", "-q", "--no-commit", "template"])')
    assert result.returncode == 1
    assert "  shared.txt" in result.stdout


def test_a_failing_cruft_is_reported_with_its_own_words(project: Path) -> None:
    result = update(project, 'sys.exit("template not found")')
    assert result.returncode == 2
    assert "template not found" in result.stderr


def test_a_clean_merge_says_what_to_do_next(project: Path) -> None:
    result = update(project, 'pathlib.Path("new.txt").write_text("new")')
    assert result.returncode == 0
    assert "make setup check test" in result.stdout


def test_without_uv_the_message_says_where_to_get_it(project: Path) -> None:
    only_git = project.parent / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(shutil.which("git") or "git")
    env = {"PATH": str(only_git), "HOME": str(project)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "make setup" in done.stderr
