"""What the documents name exists, and what exists is in the documents."""

import re
import tomllib
from pathlib import Path

import pytest

from app.domain.identity import Permission
from app.domain.outcome import Outcome
from app.settings import ROOT, Settings
from ops import reference

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *(page for folder in ("docs", "ops", "usecases") for page in sorted((ROOT / folder).rglob("*.md"))),
]
PAGES = [page for page in PAGES if not {"sample", "prompts", "documents"} & set(page.relative_to(ROOT).parts)]
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
# Left out of a project by an answer to the template's questions.
OPTIONAL = ("infra", ".github", "docs/how-to/deploy.md", "usecases/policy_answers", "usecases/ticket_triage")
# Made by a run, an example that the reader writes, or another project's.
NOT_KEPT = (".local", ".venv", ".cruft.json", "usecases/contract_questions", "infra/.terraform")
ROOTS = ("app", "usecases", "config", "migrations", "tests", "ops", "infra", "docs")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def code(page: Path) -> list[str]:
    """Give what a page shows as code: names, paths, commands."""
    return [found.strip("`") for found in CODE.findall(page.read_text("utf-8"))]


def left_out(path: str) -> bool:
    return any(
        path == each or path.startswith(f"{each}/") for each in OPTIONAL if not (ROOT / each).exists()
    ) or path.startswith(NOT_KEPT)


@pytest.mark.proves("OPS-3")
def test_reference_pages_say_what_the_code_says(capsys):
    assert reference.main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text("utf-8"))
    targets = {link: (page.parent / link).resolve() for link in links}
    assert not [
        link
        for link, target in targets.items()
        if not target.exists() and not left_out(target.relative_to(ROOT.resolve()).as_posix())
    ]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_that_a_page_names_exist(page):
    found = [word for text in code(page) for word in re.findall(r"(?<![\w./-])[\w.-]+(?:/[\w.-]+)+/?", text)]
    paths = {path.rstrip("/.") for path in found if path.split("/")[0] in ROOTS}
    assert not sorted(path for path in paths if not (ROOT / path).exists() and not left_out(path))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_targets_and_commands_that_a_page_names_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = "\n".join(code(page))
    made = {word for words in re.findall(r"\bmake((?: [a-z-]+\b)+)", shown) for word in words.split()}
    called = set(re.findall(r"(?:uv run app|^app|bin/app|api app) ([a-z]+)", shown, re.MULTILINE))
    assert not made - targets, "make"
    assert not called - set(reference.commands()), "app"


def test_every_name_is_in_the_reference():
    pages = "\n".join(page.read_text("utf-8") for page in (ROOT / "docs/reference").glob("*.md"))
    settings = [reference.variable(name, field) for name, field in Settings.model_fields.items()]
    flags = [flag["key"] for flag in tomllib.loads((ROOT / "config/flags.toml").read_text("utf-8"))["flag"]]
    platform = [flag for flag in flags if flag == "ai.enabled"]
    names = [*settings, *(each.value for each in (*Outcome, *Permission)), *platform]
    assert len(platform) == 1
    assert not [each for each in names if f"`{each}`" not in pages]


def test_every_flag_has_an_owner_a_day_and_a_reason():
    for flag in tomllib.loads((ROOT / "config/flags.toml").read_text("utf-8"))["flag"]:
        assert flag["owner"] and flag["reason"] and flag["expires_on"], flag["key"]


def test_the_example_of_env_names_settings_only():
    known = {reference.variable(name, field) for name, field in Settings.model_fields.items()}
    known |= set(reference.WORDS["environment"])
    example = (ROOT / ".env.example").read_text("utf-8")
    assert not [name for name in re.findall(r"^#? ?([A-Z][A-Z_]+)=", example, re.MULTILINE) if name not in known]


@pytest.mark.proves("OPS-3")
@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_a_decision_fits_a_page_and_names_what_enforces_it(page):
    text = page.read_text("utf-8")
    assert text.count("\n") <= 60
    for part in ("Context", "Decision", "Consequences", "What you must now do", "What enforces it"):
        assert f"**{part}.**" in text, part


def test_decisions_are_numbered_without_a_gap():
    assert [page.name[:4] for page in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]


def test_the_rules_for_agents_stay_readable():
    assert (ROOT / "AGENTS.md").read_text("utf-8").count("\n") <= 150
    assert (ROOT / "CLAUDE.md").read_text("utf-8").strip() == "@AGENTS.md"


def test_every_target_runs_something_that_is_there():
    recipes = (ROOT / "Makefile").read_text("utf-8")
    modules = set(re.findall(r"-m (ops[\w.]+)", recipes))
    there = {
        module for module in modules for path in [ROOT / module.replace(".", "/")] if path.with_suffix(".py").exists()
    }
    there |= {module for module in modules if (ROOT / module.replace(".", "/") / "__main__.py").exists()}
    assert modules == there
    assert set(re.findall(r"-m app ([a-z]+)", recipes)) <= set(reference.commands())
