"""Updates: a project made by an older release becomes what today's release would make, with the user's work in it."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from bakery import PROJECT, TEMPLATE, TOOLS, bake, commit_all, contents, copy_of_template, git, run, succeed

NAME = PROJECT.name
# What the older release had: a line of these files was another one.
CHANGED = [
    "app/errors.py",
    "usecases/__init__.py",
    "pyproject.toml",
    ".env.example",
    "docs/how-to/update-from-template.md",
    "CODEOWNERS",
]
OLD = "In the older release."
MARKER = "# Add your own below.\n"


@dataclass(frozen=True)
class Releases:
    """A repository of the template: an older release, perhaps one between, and today's on top."""

    repository: Path
    old: str
    between: str = ""


def differ(project: Path, sentence: str) -> None:
    """Give the changed files' first lines another end."""
    for name in CHANGED:
        first, rest = (project / name).read_text("utf-8").split("\n", 1)
        (project / name).write_text(f"{first} {sentence}\n{rest}", "utf-8")


def older(project: Path) -> None:
    """Turn today's project folder into what an older release might have been."""
    differ(project, OLD)
    (project / "app" / "gone.py").write_text('"""A module that a later release does without."""\n')
    (project / "docs" / "how-to" / "update-from-template.md").rename(project / "docs" / "how-to" / "upgrade.md")


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """An older release made up from today's, and today's."""
    folder = copy_of_template(tmp_path_factory.mktemp("synthetic"))
    older(folder / NAME)
    old = commit_all(folder, "older")
    differ(replace(folder) / NAME, "In the release between.")
    between = commit_all(folder, "between")
    return Releases(replace(folder), old, between)


def replace(repository: Path) -> Path:
    """Commit today's template over what a repository holds."""
    for path in repository.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    commit_all(copy_of_template(repository), "now")
    return repository


def released() -> list[str]:
    """The last two released tags of the template."""
    if not (TEMPLATE / ".git").exists():
        return []
    return git(TEMPLATE, "tag", "--list", "v*", "--sort=-v:refname").split()[:2]


def make(releases: Releases, folder: Path, answers: dict[str, object] | None = None) -> Path:
    """Make and commit a project of the older release."""
    create = [TOOLS / "cruft", "create", releases.repository, "-y", "--default-config", "--checkout", releases.old]
    succeed([*create, "--extra-context", json.dumps(answers or {}), "--output-dir", folder], cwd=folder)
    (project,) = (path for path in folder.iterdir() if (path / ".cruft.json").exists())
    commit_all(project, "start")
    return project


def update(project: Path, *arguments: str) -> tuple[int, str]:
    """Run the project's own update command; return its exit code and what it said."""
    command = [sys.executable, "ops/template_update.py", *arguments]
    done = run(command, cwd=project, env={"CRUFT": str(TOOLS / "cruft")})
    return done.returncode, done.stdout


def must_update(project: Path, *arguments: str) -> None:
    """Run an update that must leave nothing to resolve."""
    code, said = update(project, *arguments)
    assert code == 0, said
    assert not list(project.rglob("*.rej"))
    assert not git(project, "diff", "--name-only", "--diff-filter=U")


def skipped(project: Path) -> list[str]:
    """The paths that an update leaves to the user."""
    listed: list[str] = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["tool"]["cruft"]["skip"]
    return listed


def tree(project: Path) -> dict[str, bytes]:
    """The files that updates keep in step: relative path -> bytes."""
    theirs = tuple(skipped(project))
    found = contents(project, without=(".git", ".cruft.json"))
    return {name: data for name, data in found.items() if not name.startswith(theirs)}


def edit(project: Path) -> dict[str, str]:
    """Work on the project as its owner would; return what must be in which file afterwards."""
    added = {"pyproject.toml": '    "black",\n', ".env.example": "MY_OWN=1\n", "CODEOWNERS": "/mine/ me@example.com\n"}
    for name, line in added.items():
        text = (project / name).read_text("utf-8")
        before, marker, after = text.partition(MARKER)
        (project / name).write_text(before + marker + line + after, "utf-8")
    # Two lines below one that each release changes: merged by its ancestor, not by its surroundings.
    owners = (project / "CODEOWNERS").read_text("utf-8")
    (project / "CODEOWNERS").write_text(re.sub(r"(/config/models.toml +)\S+", r"\1money@example.com", owners), "utf-8")
    (project / "usecases" / "mine").mkdir()
    (project / "usecases" / "mine" / "checks.py").write_text('"""Ours."""\n')
    (project / "usecases" / "__init__.py").write_text('"""Changed by its owner."""\n')
    commit_all(project, "our work")
    return added | {
        "CODEOWNERS": "money@example.com",
        "usecases/mine/checks.py": "Ours",
        "usecases/__init__.py": "Changed by its owner",
    }


@pytest.mark.parametrize(
    "answers", [{}, {"cloud": "aws", "ci": "none", "sample_usecases": False}], ids=["default", "other"]
)
def test_an_untouched_project_becomes_a_fresh_one(
    tmp_path: Path, synthetic: Releases, answers: dict[str, object]
) -> None:
    project = make(synthetic, tmp_path, answers)
    assert OLD in (project / "app/errors.py").read_text("utf-8")
    must_update(project)
    fresh = bake(tmp_path / "fresh", {key: str(value) for key, value in answers.items()})
    assert tree(project) == tree(fresh)


def test_the_users_work_survives_and_nothing_is_left_to_resolve(tmp_path: Path, synthetic: Releases) -> None:
    project = make(synthetic, tmp_path)
    expected = edit(project)
    must_update(project)
    for name, text in expected.items():
        assert text in (project / name).read_text("utf-8"), name
    assert not (project / "app" / "gone.py").exists()
    assert all(OLD not in (project / name).read_text("utf-8") for name in CHANGED)


def test_a_fresh_clone_merges_as_well_as_the_first_working_copy(tmp_path: Path, synthetic: Releases) -> None:
    """Plain cruft leaves .rej files here: a clone lacks what the release between looked like before the edits."""
    project = make(synthetic, tmp_path)
    expected = edit(project)
    must_update(project, "--checkout", synthetic.between)
    commit_all(project, "first update")
    git(tmp_path, "clone", "-q", "--no-local", f"file://{project}", "clone")
    must_update(tmp_path / "clone")
    assert all(text in (tmp_path / "clone" / name).read_text("utf-8") for name, text in expected.items())


def test_files_that_the_user_deleted_stay_deleted(tmp_path: Path, synthetic: Releases) -> None:
    project = make(synthetic, tmp_path)
    (project / "app" / "errors.py").unlink()
    commit_all(project, "not needed")
    must_update(project)
    assert not (project / "app" / "errors.py").exists()


def test_a_true_conflict_is_no_success(tmp_path: Path, synthetic: Releases) -> None:
    project = make(synthetic, tmp_path)
    errors = project / "app" / "errors.py"
    errors.write_text(errors.read_text("utf-8").replace(OLD, "Edited here, too."), "utf-8")
    commit_all(project, "an edit in the template's file")
    code, said = update(project)
    assert code == 1
    assert "  app/errors.py" in said


def test_nothing_new_is_a_success_that_changes_nothing(tmp_path: Path, synthetic: Releases) -> None:
    project = make(synthetic, tmp_path)
    must_update(project)
    commit_all(project, "updated")
    must_update(project)
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [({"cloud": "none"}, {"cloud": "aws"}), ({"cloud": "aws"}, {"cloud": "none"}), ({"ci": "github"}, {"ci": "none"})],
    ids=lambda answers: "-".join(f"{key}={value}" for key, value in answers.items()),
)
def test_options_can_be_changed_later(
    tmp_path: Path, synthetic: Releases, before: dict[str, object], after: dict[str, str]
) -> None:
    project = make(synthetic, tmp_path, before)
    must_update(project, "--variables-to-update", json.dumps(after))
    assert set(tree(project)) == set(tree(bake(tmp_path / "fresh", after)))


@pytest.mark.parametrize("tag", released() or [pytest.param("", marks=pytest.mark.skip("nothing is released yet"))])
def test_projects_of_released_versions_become_fresh_ones(
    tmp_path: Path, tag: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    repository = tmp_path_factory.mktemp("released") / "template"
    git(tmp_path, "clone", "-q", TEMPLATE.as_posix(), repository.as_posix())
    old = git(repository, "rev-list", "-n1", tag).strip()
    project = make(Releases(replace(repository), old), tmp_path)
    edit(project)
    must_update(project)
