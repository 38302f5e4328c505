"""The hooks as plain functions: what they refuse, what they delete, what they say."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from bakery import TEMPLATE, hook

ANSWERS: dict[str, Any] = {
    "project_name": "Acme",
    "__name": "Acme",
    "project_slug": "acme",
    "workflow_owner": "a@example.com",
    "__workflow_owner": "a@example.com",
    "__prompt_owner": "a@example.com",
    "__cost_owner": "a@example.com",
    "cloud": "aws",
    "ci": "github",
    "sample_usecases": True,
    "_template": "https://example.com/t",
    "_template_version": "1.2.3",
}
pre_gen, post_gen = hook("pre_gen_project"), hook("post_gen_project")
SIDE_EFFECTS = {"subprocess", "socket", "urllib", "requests", "secrets", "random", "time", "datetime", "uuid", "os"}


@pytest.mark.parametrize("name", ["pre_gen_project", "post_gen_project"])
def test_hooks_can_have_no_side_effect_that_breaks_updates(name: str) -> None:
    """No network, git, clock or secret: cruft runs the hooks twice at each update and compares."""
    tree = ast.parse((TEMPLATE / "hooks" / f"{name}.py").read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {module.split(".")[0] for module in imported} & SIDE_EFFECTS


def test_good_answers_are_not_refused() -> None:
    assert pre_gen.refusals(ANSWERS) == {}


@pytest.mark.parametrize(
    "address", ["ann@b.c", "o.brien+ai@sub.example.com", "josé@exämple.com", "a@localhost", "x_y-z@b.co"]
)
def test_addresses_that_people_have_are_taken(address: str) -> None:
    assert pre_gen.EMAIL.fullmatch(address)


@pytest.mark.parametrize(
    "address",
    ["", "ann", "@b.c", "ann@", "a b@c.d", 'a"@b.c', "a\n@b.c", "a@b@c", "a#@b.c", "a\\@b.c", "*@b.c", "a@{{b}}"],
)
def test_what_would_break_a_contract_or_codeowners_is_no_address(address: str) -> None:
    assert not pre_gen.EMAIL.fullmatch(address)


@pytest.mark.parametrize(
    ("slug", "cure"),
    [("../up", "up"), ("Ab.c", "ab-c"), ("3d", "d"), ("", "ai-service"), ("a" * 70, "a" * 50), ("-x-", "x")],
)
def test_a_folder_name_that_cannot_be_is_refused_with_one_that_can(slug: str, cure: str) -> None:
    assert pre_gen.refusals(ANSWERS | {"project_slug": slug})["project_slug"][1] == cure


@pytest.mark.parametrize("answer", ["{" + "{ x }}", "a # {" + "% if %}", "# {" + "# note #}"])
def test_template_code_in_an_answer_is_refused(answer: str) -> None:
    found = pre_gen.refusals(ANSWERS | {"description": answer})
    assert set(found) == {"description"}
    assert not pre_gen.refusals(ANSWERS | {"description": found["description"][1]})


def test_a_refusal_shows_the_whole_command_that_would_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        pre_gen.main(ANSWERS | {"workflow_owner": "ann", "__workflow_owner": "ann", "project_name": "O'Hara & Co"}) == 1
    )
    said = capsys.readouterr().err
    assert "workflow_owner = 'ann'" in said
    assert "cookiecutter https://example.com/t --no-input" in said
    assert "workflow_owner=you@example.com" in said
    assert "'project_name=O'\"'\"'Hara & Co'" in said


@pytest.mark.parametrize(
    ("changed", "gone"),
    [
        ({}, set()),
        ({"cloud": "none"}, {"infra"}),
        ({"ci": "none"}, {".github"}),
        ({"sample_usecases": False}, {"usecases/policy_answers"}),
    ],
)
def test_what_is_not_chosen_is_deleted_and_nothing_else(
    tmp_path: Path, changed: dict[str, Any], gone: set[str]
) -> None:
    kept = {"infra", ".github", "usecases/policy_answers"}
    for path in kept:
        (tmp_path / path).mkdir(parents=True)
    post_gen.prune(tmp_path, ANSWERS | changed)
    assert {path for path in kept if not (tmp_path / path).exists()} == gone


def test_deleting_tolerates_what_is_gone_already(tmp_path: Path) -> None:
    post_gen.prune(tmp_path, ANSWERS | {"cloud": "none", "ci": "none", "sample_usecases": False})


def test_next_steps_fit_ten_lines_and_commit_first() -> None:
    lines = post_gen.next_steps(ANSWERS).strip("\n").splitlines()
    assert len(lines) <= 10
    commands = [line.strip() for line in lines if line.startswith("  ")]
    assert commands[0] == "cd acme"
    assert commands[1].startswith("git init")
    assert all(len(line) <= 120 for line in lines)


def test_updates_are_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(post_gen.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "acme").mkdir()
    monkeypatch.chdir(tmp_path / "acme")
    post_gen.main(ANSWERS)
    assert capsys.readouterr().out == ""


def test_a_person_sees_the_next_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(post_gen.tempfile, "gettempdir", lambda: str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    post_gen.main(ANSWERS)
    assert "Acme is ready" in capsys.readouterr().out
