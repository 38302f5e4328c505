"""The template's folder: a project that runs in place, and the few files through which answers reach it."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bakery import PROJECT, TEMPLATE, as_cloned, contents, hook

CONFIG = json.loads((TEMPLATE / "cookiecutter.json").read_text("utf-8"))
# The whole list of files that answers may change; anything else is the same in every project.
RENDERED = ["README.md", "config/service.toml", ".env.example", "CODEOWNERS", "LICENSE", "infra/config/*"]
JINJA = re.compile(r"\{\{|# \{%|# \{#")
NOT_SHIPPED = ("__pycache__", ".venv", ".local", ".tools", ".env", "node_modules")
# Spelled in parts: this file, too, is searched.
REGISTRIES = ["pypi." + "org", "python" + "hosted.org", "registry." + "npmjs.org"]


@pytest.fixture
def tree() -> Path:
    """The template as git would hand it out."""
    return as_cloned()


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Give the text files below a folder: relative path, text."""
    for name, data in contents(folder).items():
        if b"\0" not in data[:8000]:
            yield name, data.decode("utf-8", "replace")


def copied(name: str) -> bool:
    """Say whether cookiecutter copies a path, or a folder above it, without rendering."""
    parts = name.split("/")
    paths = ["/".join(parts[: end + 1]) for end in range(len(parts))]
    return any(fnmatch.fnmatch(path, pattern) for path in paths for pattern in CONFIG["_copy_without_render"])


def test_no_python_file_holds_jinja(tree: Path) -> None:
    found = [
        name
        for name, text in texts(tree / PROJECT.name)
        if name.endswith(".py") and re.search(r"\{\{ *cookiecutter|\{%[^\n]*%\}", text)
    ]
    assert not found


def test_every_python_file_parses_where_it_lies(tree: Path) -> None:
    for name, text in texts(tree):
        if name.endswith(".py"):
            ast.parse(text, name)


def test_answers_reach_the_listed_files_only(tree: Path) -> None:
    rendered = [name for name, text in texts(tree / PROJECT.name) if not copied(name) and JINJA.search(text)]
    assert [name for name in rendered if not any(fnmatch.fnmatch(name, pattern) for pattern in RENDERED)] == []


def test_no_copied_file_waits_for_an_answer(tree: Path) -> None:
    assert [name for name, text in texts(tree / PROJECT.name) if copied(name) and "cookiecutter." in text] == []


def test_no_file_or_folder_name_needs_rendering(tree: Path) -> None:
    assert [name for name in contents(tree / PROJECT.name) if JINJA.search(name)] == []


def test_every_pattern_of_copied_paths_names_something(tree: Path) -> None:
    found = list(contents(tree / PROJECT.name))
    paths = {"/".join(name.split("/")[: end + 1]) for name in found for end in range(len(name.split("/")))}
    patterns = set(CONFIG["_copy_without_render"]) - set(hook("post_gen_project").LEFTOVERS)
    assert [pattern for pattern in patterns if not fnmatch.filter(paths, pattern)] == []


@pytest.mark.parametrize(
    "path", [path for kept in hook("post_gen_project").FEATURES.values() for paths in kept.values() for path in paths]
)
def test_every_path_that_an_option_deletes_exists(path: str) -> None:
    assert (PROJECT / path).exists()


def test_the_folder_ships_nothing_that_only_a_run_leaves(tree: Path) -> None:
    """Cookiecutter renders what lies here: a cache or a virtual environment would land in every new project."""
    found = [path.relative_to(tree).as_posix() for path in tree.rglob("*")]
    assert [path for path in found if path.rpartition("/")[2] in NOT_SHIPPED or path.endswith("_cache")] == []


def test_there_are_no_symbolic_links(tree: Path) -> None:
    """Cookiecutter turns them into copies, and updates then see two files."""
    assert [path for path in tree.rglob("*") if path.is_symlink()] == []


def test_no_package_registry_is_named(tree: Path) -> None:
    """Locks pin by hash, and whoever installs decides from where."""
    found = [(name, host) for name, text in texts(tree) for host in REGISTRIES if host in text]
    assert found == []


def test_config_files_are_valid_before_any_answer(tree: Path) -> None:
    for name, text in texts(tree):
        if name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith((".yml", ".yaml")) and not name.endswith(".tpl.yaml"):
            list(yaml.safe_load_all(text))
        elif name.endswith(".json"):
            json.loads(text)


def workflows() -> list[Path]:
    """The workflows of the template and of the generated project."""
    return [*TEMPLATE.glob(".github/workflows/*.yml"), *PROJECT.glob(".github/workflows/*.yml")]


@pytest.mark.parametrize("workflow", workflows(), ids=lambda path: "project" if PROJECT in path.parents else "template")
def test_workflows_pin_actions_by_commit_and_may_only_read(workflow: Path) -> None:
    text = workflow.read_text("utf-8")
    uses = re.findall(r"uses: *(\S+)(.*)", text)
    assert uses
    for action, comment in uses:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.match(r" # v\d", comment), f"{action}: which release is that?"
    parsed = yaml.safe_load(text)
    assert parsed["permissions"] == {"contents": "read"}
    assert all("permissions" not in job and job["timeout-minutes"] for job in parsed["jobs"].values())


def test_the_workflows_pin_an_action_to_one_commit() -> None:
    pins = {pin for path in workflows() for pin in re.findall(r"uses: *(\S+)", path.read_text("utf-8"))}
    actions = [pin.partition("@")[0] for pin in pins]
    assert len(actions) > 1
    assert sorted(actions) == sorted(set(actions))


def test_what_updates_leave_alone_exists_and_is_the_users(tree: Path) -> None:
    skip = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["cruft"]["skip"]
    project = tree / PROJECT.name
    made_later = {".env", "CHANGELOG.md"}
    assert [path for path in skip if path not in made_later and not (project / path).exists()] == []
    assert "app" not in skip


@pytest.mark.parametrize("shared", ["pyproject.toml", ".env.example", ".gitignore", ".gitattributes", "CODEOWNERS"])
def test_shared_files_say_where_to_add_ones_own(shared: str) -> None:
    """One unchanged line between both sides' additions turns a conflict into a clean merge."""
    assert "# Add your own below." in (PROJECT / shared).read_text("utf-8")
