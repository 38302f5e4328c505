"""What answers become: the same files each time, quickly, and whatever a person types."""

from __future__ import annotations

import json
import re
import shlex
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from bakery import PROJECT, TEMPLATE, TOOLS, Answers, as_cloned, bake, contents, copy_of_template, run, succeed
from conftest import Measure

EVIL = {
    "quotes": 'Bob\'s "best" `bot` \'\'\' """',
    "newlines": "Line one\nline two\r\n\tline three\u2028line four",
    "backslashes": "C:\\new\\table \\u0041 \\",
    "not ASCII": "Größe 日本 Ελλάδα 😀",
    "right to left and invisible": "abc\u202edef\u200bghi\u2066",
    "control characters": "a\x00b\x07c\x1b[31md\x7fe\x85f",
    "TOML": 'x"\nslug = "evil"\n[owners]\nworkflow = "evil@example.com',
    "Python": '"""); import os; os.system("touch /tmp/evil") #',
    "shell": "$(touch /tmp/evil) `touch /tmp/evil` ; touch /tmp/evil | ${HOME} && %PATH%",
    "HTML": "<script>alert(1)</script> <img src=x onerror=alert(1)> &amp;",
    "Markdown": "# [click](javascript:alert) | a | ![x](y) <!-- -->",
    "HCL and YAML": "${var.x} %{ if true } yes: [no, ~] - &a *a !!python/object",
    "closing Jinja": "}} %} #}",
    "a blank": " \t\n ",
    "punctuation alone": "!!! ??? ...",
    "a leading digit": "3D models, 2nd try",
    "200 characters": "Very long name of a service " * 7 + "abcd",
    "200 characters without a space": "x" * 200,
    "a path": "../../etc/passwd",
    "an option": "--help",
}
FREE_TEXT = ("project_name", "description", "on_call")


def service(project: Path) -> dict[str, dict[str, str]]:
    """Return what the answers became in config/service.toml."""
    return tomllib.loads((project / "config" / "service.toml").read_text("utf-8"))


def test_two_renders_are_identical(tmp_path: Path, measured: Measure) -> None:
    started = time.perf_counter()
    first = bake(tmp_path / "first")
    measured("making the default project", f"{time.perf_counter() - started:.2f} s, {len(contents(first))} files")
    assert contents(first) == contents(bake(tmp_path / "second"))


def test_what_is_copied_is_byte_for_byte_what_lies_in_the_template(tmp_path: Path) -> None:
    project = bake(tmp_path, {"cloud": "aws"})
    there, here = contents(as_cloned() / PROJECT.name), contents(project)
    assert set(there) == set(here)
    changed = {name for name in there if there[name] != here[name]}
    assert all(
        name in {"README.md", ".env.example", "CODEOWNERS", "LICENSE"}
        or name.startswith(("config/service", "infra/config/"))
        for name in changed
    )


def test_what_a_run_in_place_leaves_in_the_template_reaches_no_project(tmp_path: Path, default_project: Path) -> None:
    template = copy_of_template(tmp_path / "template")
    secret = b"SECRET={" + b"{ 1 / 0 }}\x90"
    for name in (".env", ".venv/x.py", ".local/data", ".ruff_cache/0.1", ".mypy_cache/x", "app/__pycache__/x.pyc"):
        (template / PROJECT.name / name).parent.mkdir(exist_ok=True)
        (template / PROJECT.name / name).write_bytes(secret)
    succeed([TOOLS / "cookiecutter", template, "--no-input", "-o", tmp_path / "out"], cwd=tmp_path)
    assert contents(tmp_path / "out" / default_project.name) == contents(default_project)


def test_no_template_syntax_is_left(default_project: Path) -> None:
    for name in ("README.md", "CODEOWNERS", "LICENSE", ".env.example", "config/service.toml"):
        text = (default_project / name).read_text("utf-8")
        assert not re.search(r"\{\{|\{%|cookiecutter\.", text), name


def test_programs_stay_executable(default_project: Path) -> None:
    there = as_cloned() / PROJECT.name
    for path in there.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o100 and (default_project / path.relative_to(there)).exists():
            assert (default_project / path.relative_to(there)).stat().st_mode & 0o100, path


def test_the_answers_arrive(tmp_path: Path) -> None:
    given: Answers = {
        "project_name": "Acme Assistant",
        "description": "Answers.",
        "workflow_owner": "w@example.com",
        "prompt_owner": "p@example.com",
        "cost_owner": "c@example.com",
        "on_call": "#acme-alerts",
        "model_provider": "openai",
    }
    project = bake(tmp_path, given)
    assert project.name == "acme-assistant"
    config = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
    assert service(project) == {
        "service": {
            "name": "Acme Assistant",
            "slug": "acme-assistant",
            "description": "Answers.",
            "template_version": config["_template_version"],
        },
        "owners": {
            "workflow": "w@example.com",
            "prompt": "p@example.com",
            "cost": "c@example.com",
            "on_call": "#acme-alerts",
        },
    }
    assert "APP_MODEL_PROVIDER=openai\n" in (project / ".env.example").read_text("utf-8")
    owners = (project / "CODEOWNERS").read_text("utf-8")
    assert re.search(r"^\* +w@example.com$", owners, re.MULTILINE)
    assert re.search(r"^/usecases/\*/prompts/ +p@example.com$", owners, re.MULTILINE)


def test_one_owner_is_enough(tmp_path: Path) -> None:
    project = bake(tmp_path, {"workflow_owner": "Ann Lee <ann@example.com> ", "cost_owner": "", "on_call": " "})
    assert set(service(project)["owners"].values()) == {"ann@example.com"}


@pytest.mark.parametrize("name", EVIL)
def test_hostile_answers_give_a_sound_project(tmp_path: Path, name: str) -> None:
    project = bake(tmp_path, dict.fromkeys(FREE_TEXT, EVIL[name]) | {"cloud": "aws"})
    assert project.parent == tmp_path
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,60}", project.name)
    # Load balancers and buckets have short names.
    settings = (project / "infra" / "config" / "dev.tfvars").read_text("utf-8")
    assert re.search(r'^service_name += "[a-z][a-z0-9-]{1,22}[a-z0-9]"$', settings, re.MULTILINE)
    check_answers(project, EVIL[name])


def check_answers(project: Path, given: str) -> None:
    """Assert that every rendered file is what it would be, were the answer a tame one."""
    found = service(project)
    assert set(found) == {"service", "owners"}
    assert len(found["service"]) == len(found["owners"]) == 4
    assert found["owners"]["workflow"] == "owner@example.com"
    shown = "".join(letter for letter in " ".join(given.split()) if letter.isprintable())
    assert found["service"]["name"] == (shown[:100].strip() or "AI Service")
    assert found["service"]["description"] == (shown[:300].strip() or found["service"]["name"])
    assert found["owners"]["on_call"] == (shown[:200].strip() or "owner@example.com")
    for file in ("CODEOWNERS", ".env.example", "LICENSE", "README.md"):
        tame, wild = (PROJECT / file).read_text("utf-8"), (project / file).read_text("utf-8")
        assert "\0" not in wild
        if "# {%" not in tame:
            assert wild.count("\n") == tame.count("\n"), f"{file} gained or lost lines"
    page = (project / "README.md").read_text("utf-8")
    assert not re.search(r"(?<!\\)(<script|<img|\]\(javascript|<!--)", page), "an answer is live HTML or Markdown"
    assert not Path("/tmp/evil").exists()  # noqa: S108


def test_names_from_other_alphabets_become_readable_folders(baked: Callable[..., Path]) -> None:
    assert baked(project_name="Größe Ελλάδα").name == "grosse-ellada"
    assert baked(project_name="!!!").name == "ai-service"
    assert baked(project_name="3D models").name == "ai-3d-models"


def test_a_long_name_is_cut_between_words(baked: Callable[..., Path]) -> None:
    name = baked(project_name=EVIL["200 characters"]).name
    assert len(name) <= 50
    assert name == "very-long-name-of-a-service-very-long-name-of-a"


def test_code_in_an_answer_is_run_by_cookiecutter_itself_and_still_makes_a_project(baked: Callable[..., Path]) -> None:
    """`--no-input` renders answers as templates, before any hook could look at them."""
    assert service(baked(project_name="Sum {" + "{ 6 * 7 }}"))["service"]["name"] == "Sum 42"


REFUSED = {
    "no address": {"workflow_owner": ""},
    "half an address": {"workflow_owner": "ann"},
    "an address that breaks out": {"prompt_owner": 'a@b.c"\n[x]'},
    "several addresses": {"cost_owner": "a@b.c, d@e.f"},
    "a folder elsewhere": {"project_slug": "../elsewhere"},
    "an absolute folder": {"project_slug": "/tmp/evil-folder"},  # noqa: S108
    "a folder of no name": {"project_slug": "."},
    "template code that survives": {"description": "{" + "{ '{' * 2 }} x }}"},
    "template code that is broken": {"project_name": "{" + "{ 6 *"},
    "template code that names nothing": {"project_name": "{" + "{ nothing }}"},
}


@pytest.mark.parametrize("answers", REFUSED.values(), ids=REFUSED)
def test_impossible_answers_are_refused_and_nothing_is_left(tmp_path: Path, answers: dict[str, str]) -> None:
    (tmp_path / "out").mkdir()
    command = [TOOLS / "cookiecutter", as_cloned(), "--no-input", "-o", tmp_path / "out"]
    done = run([*command, *(f"{key}={value}" for key, value in answers.items())], cwd=tmp_path)
    assert done.returncode != 0
    assert [path.name for path in tmp_path.rglob("*")] == ["out"]
    assert not Path("/tmp/evil-folder").exists()  # noqa: S108


def test_the_command_that_a_refusal_shows_does_work(tmp_path: Path) -> None:
    command = [TOOLS / "cookiecutter", as_cloned(), "--no-input", "workflow_owner=ann", 'project_name=O\'Hara & "Co"']
    refused = run(command, cwd=tmp_path)
    shown = next(line for line in refused.stdout.splitlines() if line.startswith("  cookiecutter "))
    program, *corrected = shlex.split(shown)
    assert run([TOOLS / program, *corrected], cwd=tmp_path).returncode == 0
    found = service(tmp_path / "o-hara-co")
    assert found["service"]["name"] == 'O\'Hara & "Co"'
    assert found["owners"]["workflow"] == "you@example.com"
