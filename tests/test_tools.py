"""cookiecutter and cruft, as people call them: from a folder and from an address."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bakery import TOOLS, bake, commit_all, contents, copy_of_template, git, succeed


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it stands now, committed."""
    folder = copy_of_template(tmp_path_factory.mktemp("template"))
    commit_all(folder, "now")
    return folder


@pytest.mark.parametrize("scheme", ["", "file://"], ids=["folder", "address"])
@pytest.mark.parametrize("tool", ["cookiecutter", "cruft"])
def test_both_tools_make_the_same_project_from_a_folder_and_from_an_address(
    tmp_path: Path, repository: Path, default_project: Path, tool: str, scheme: str
) -> None:
    # cookiecutter takes an address for git only when it ends like one.
    source = f"{scheme}{repository}"
    if tool == "cookiecutter" and scheme:
        (tmp_path / "template.git").symlink_to(repository)
        source = f"{scheme}{tmp_path / 'template.git'}"
    verb = ["create"] if tool == "cruft" else []
    home = {"HOME": str(tmp_path / "home")}
    output = succeed([TOOLS / tool, *verb, source, "--no-input", "--output-dir", tmp_path], cwd=tmp_path, env=home)
    made = contents(tmp_path / default_project.name)
    kept = json.loads(made.pop(".cruft.json", b"null"))
    assert made == contents(default_project)
    assert "is ready in" not in output, "the temporary folder is where updates render: silence there"
    if tool == "cruft":
        assert kept["commit"] == git(repository, "rev-parse", "HEAD").strip()
        assert kept["context"]["cookiecutter"]["project_slug"] == default_project.name


def test_a_person_is_told_what_to_do_next(tmp_path: Path, repository: Path) -> None:
    elsewhere = {"TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    for tool, verb in (("cookiecutter", []), ("cruft", ["create"])):
        command = [TOOLS / tool, *verb, repository, "--no-input", "--output-dir", tmp_path / tool]
        (tmp_path / tool).mkdir()
        assert "cd ai-service" in succeed(command, cwd=tmp_path, env=elsewhere)


def test_a_name_that_the_terminal_cannot_show_still_makes_a_project(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "tmp").mkdir()
    terminal = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    command = [TOOLS / "cookiecutter", repository, "--no-input", "--output-dir", tmp_path, "project_name=日本 😀"]
    assert "?? ? is ready" in succeed(command, cwd=tmp_path, env=terminal)


def test_the_next_steps_can_be_pasted_as_far_as_the_first_commit(tmp_path: Path) -> None:
    project = bake(tmp_path)
    commit_all(project, "start")
    assert git(project, "status", "--porcelain") == ""
    ignored = git(project, "ls-files", "--others", "--ignored", "--exclude-standard").split()
    assert ignored == [], "git would lose these files of a new project"


def test_stored_answers_make_the_same_project_again(tmp_path: Path, repository: Path) -> None:
    """What an update does: the answers in .cruft.json, rendered once more, must mean what they meant."""
    answers = {"project_name": 'Größe "7" \\ O\'Hara', "description": "a\nb }} %}", "on_call": "#x", "ci": "none"}
    context = ["--extra-context", json.dumps(answers)]
    create = [TOOLS / "cruft", "create", repository, "-y", "--default-config"]
    succeed([*create, *context, "--output-dir", tmp_path / "first"], cwd=tmp_path)
    (project,) = (tmp_path / "first").iterdir()
    stored = json.loads((project / ".cruft.json").read_text("utf-8"))["context"]["cookiecutter"]
    again = tmp_path / "answers.json"
    again.write_text(json.dumps({key: value for key, value in stored.items() if not key.startswith("_")}), "utf-8")
    succeed([*create, "--extra-context-file", again, "--output-dir", tmp_path / "second"], cwd=tmp_path)
    assert contents(project) == contents(tmp_path / "second" / project.name)
