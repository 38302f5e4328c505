"""The questions: few, put in words a person understands, and answerable without an account."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from bakery import TEMPLATE, TOOLS, as_cloned, clean_environment, git, run

CONFIG: dict[str, Any] = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
QUESTIONS = {key: value for key, value in CONFIG.items() if not key.startswith("_")}
CHOICES = {key: value for key, value in QUESTIONS.items() if isinstance(value, list)}
PROMPTS: dict[str, str | dict[str, str]] = CONFIG["__prompts__"]


def prompt(question: str) -> str:
    """Return the words a question is asked in."""
    text = PROMPTS[question]
    return text if isinstance(text, str) else text["__prompt__"]


def test_there_are_few_questions() -> None:
    assert len(QUESTIONS) <= 11


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_is_a_short_question(question: str) -> None:
    words = prompt(question)
    assert len(words) < 55
    assert question not in words


def test_no_prompt_is_left_of_a_question_that_went_away() -> None:
    assert set(PROMPTS) == set(QUESTIONS)


@pytest.mark.parametrize("question", CHOICES)
def test_each_choice_says_what_one_gets(question: str) -> None:
    labels = cast(dict[str, str], PROMPTS[question])
    assert 2 <= len(CHOICES[question]) <= 4
    assert set(labels) == {"__prompt__", *CHOICES[question]}
    assert all(len(label) < 55 for label in labels.values())


def test_yes_and_no_are_real_booleans() -> None:
    words = {"yes", "no", "y", "n", "true", "false"}
    answers = [choice for choices in CHOICES.values() for choice in choices]
    answers += [value for value in QUESTIONS.values() if isinstance(value, str)]
    assert not words & {str(answer).lower() for answer in answers}


@pytest.mark.parametrize("question", ["model_provider", "cloud"])
def test_the_first_choice_needs_no_account(question: str) -> None:
    assert CHOICES[question][0] == "none"


def test_the_template_and_its_package_have_one_version() -> None:
    assert f'version = "{CONFIG["_template_version"]}"' in (TEMPLATE / "pyproject.toml").read_text("utf-8")


def test_the_changelog_has_an_entry_for_the_version() -> None:
    assert f"## {CONFIG['_template_version']}" in (TEMPLATE / "CHANGELOG.md").read_text("utf-8")


def test_options_page_explains_every_question_and_every_choice() -> None:
    page = (TEMPLATE / "docs" / "options.md").read_text("utf-8")
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(QUESTIONS)
    for question, choices in CHOICES.items():
        for choice in choices:
            assert f"`{choice}`" in sections[question], f"{question}: {choice} is not explained"
    for question, section in sections.items():
        assert prompt(question) in section, f"{question}: asked in other words than the page says"


def test_no_question_or_choice_of_the_last_release_is_gone() -> None:
    """A project made by an older release answers them still: an update would stop, or lose the answer."""
    released = git(TEMPLATE, "tag", "--list", "v*", "--sort=-v:refname").split()
    if not released:
        pytest.skip("nothing is released yet")
    before = json.loads(git(TEMPLATE, "show", f"{released[0]}:cookiecutter.json"))
    for question, value in before.items():
        if not question.startswith("_"):
            assert question in QUESTIONS
            assert set(value) <= set(QUESTIONS[question]) if isinstance(value, list) else True


def test_pressing_enter_to_everything_makes_a_project(tmp_path: Path) -> None:
    done = subprocess.run(
        [TOOLS / "cookiecutter", as_cloned(), "--output-dir", tmp_path, "--default-config"],
        input="\n" * len(QUESTIONS),
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "ai-service" / "config" / "service.toml").exists()
    for question in QUESTIONS:
        assert prompt(question).split("(")[0].strip() in " ".join(done.stdout.split())


def test_an_unknown_choice_is_refused_by_name(tmp_path: Path) -> None:
    done = run([TOOLS / "cookiecutter", as_cloned(), "--no-input", "-o", tmp_path, "cloud=moon"], cwd=tmp_path)
    assert done.returncode != 0
    assert "moon" in done.stdout
    assert not list(tmp_path.iterdir())
