"""Combinations of answers: each project has exactly its files, and is sound in every way its own checks know."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from allpairspy import AllPairs

from bakery import PROJECT, TEMPLATE, Answers, bake, contents, hook, succeed
from conftest import Measure

CONFIG = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
AXES = {
    key: value if isinstance(value, list) else [True, False]
    for key, value in CONFIG.items()
    if not key.startswith("_") and isinstance(value, list | bool)
}
PAIRS: list[Answers] = [dict(zip(AXES, values, strict=True)) for values in AllPairs(list(AXES.values()))]
post_gen = hook("post_gen_project")
# Tests that start no engine and no browser; usecases/ has none where the samples were left out.
QUICK = ["tests/architecture", "tests/llm", "tests/ops/test_template_update.py", "usecases"]
# Every module of the project, imported where nothing but its own code and its dependencies can be found.
IMPORT_ALL = """
import importlib, pathlib
files = [path for room in ("app", "usecases") for path in sorted(pathlib.Path(room).rglob("*.py"))]
names = [".".join(path.with_suffix("").parts) for path in files]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name.removesuffix(".__init__"))
print(len(names), "modules")
"""


def name(answers: Answers) -> str:
    """Return a combination in one word per answer."""
    return "-".join(str(value) for value in answers.values())


def distinct() -> list[Answers]:
    """One combination per set of Python files: for the project's own checks, the others are the same."""
    seen: dict[tuple[str, ...], Answers] = {}
    for answers in PAIRS:
        gone = [
            path for path in post_gen.pruned(answers) if path.endswith(".py") or any((PROJECT / path).rglob("*.py"))
        ]
        seen.setdefault(tuple(gone), answers)
    return list(seen.values())


@functools.cache
def everything(folder: Path) -> frozenset[str]:
    """Return the files of a project that keeps all there is."""
    return frozenset(contents(bake(folder / "everything", {"cloud": "aws", "ci": "github"})))


def broken_links(project: Path) -> list[str]:
    """Return the links between a project's pages that lead nowhere: page -> target."""
    pages = [page for page in project.rglob("*.md") if "sample" not in page.parts and "tests" not in page.parts]
    return [
        f"{page.relative_to(project)} -> {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text("utf-8"))
        if not (page.parent / link).exists()
    ]


def test_every_pair_of_answers_is_in_some_combination() -> None:
    for one in AXES:
        for other in AXES:
            pairs = {(answers[one], answers[other]) for answers in PAIRS}
            assert one == other or len(pairs) == len(AXES[one]) * len(AXES[other])


@pytest.mark.parametrize("answers", PAIRS, ids=name)
def test_a_project_has_the_files_of_its_answers_and_each_is_well_formed(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, answers: Answers
) -> None:
    project = bake(tmp_path, answers)
    made = contents(project)
    gone = tuple(f"{path}/" for path in post_gen.pruned(answers))
    files = everything(tmp_path_factory.getbasetemp())
    assert set(made) == {file for file in files if not f"{file}/".startswith(gone)}
    assert f"APP_MODEL_PROVIDER={answers['model_provider']}\n".encode() in made[".env.example"]
    for file, data in made.items():
        if file.endswith(".toml"):
            tomllib.loads(data.decode())
        elif file.endswith((".yaml", ".yml")):
            list(yaml.safe_load_all(data))
        elif file.endswith(".json"):
            json.loads(data)
    assert broken_links(project) == []
    emptied = [folder for folder in project.rglob("*") if folder.is_dir() and not any(folder.iterdir())]
    assert [folder for folder in emptied if any((PROJECT / folder.relative_to(project)).iterdir())] == []


@pytest.mark.slow
@pytest.mark.parametrize("answers", distinct(), ids=name)
def test_a_project_passes_its_own_checks(tmp_path: Path, equipped: Path, answers: Answers) -> None:
    project = bake(tmp_path, answers)
    lend(equipped, project)
    succeed(["make", "check"], cwd=project, timeout_s=600)
    succeed([".venv/bin/python", "-c", IMPORT_ALL], cwd=project)


def lend(equipped: Path, project: Path) -> None:
    """Let a project use the tools and dependencies that another one has installed."""
    for installed in (".venv", ".tools"):
        if (equipped / installed).exists():
            (project / installed).symlink_to(equipped / installed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "answers",
    [
        {"model_provider": "openai", "cloud": "none", "ci": "none", "sample_usecases": False},
        {"model_provider": "anthropic", "cloud": "aws", "ci": "github", "sample_usecases": True},
    ],
    ids=name,
)
def test_the_corners_pass_the_quick_part_of_their_own_suite(
    tmp_path: Path, equipped: Path, answers: Answers, measured: Measure
) -> None:
    """The tests that start no service; the default project runs all of them in test_own_suite.py."""
    project = bake(tmp_path, answers)
    lend(equipped, project)
    quick = ["-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup", "-m", "not slow"]
    said = succeed([".venv/bin/python", "-m", "pytest", *quick, *QUICK], cwd=project, timeout_s=1800)
    measured(f"quick part of the suite, {name(answers)}", said.strip().splitlines()[-1])
