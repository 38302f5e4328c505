"""The template's own pages: links that lead somewhere, decisions that name what enforces them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bakery import TEMPLATE

PAGES = sorted(page for page in [*TEMPLATE.glob("*.md"), *TEMPLATE.glob("docs/**/*.md")])
DECISIONS = sorted(TEMPLATE.glob("docs/decisions/*.md"))


def name(page: Path) -> str:
    """Return a page's path in the repository."""
    return page.relative_to(TEMPLATE).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_a_decision_fits_a_page_and_names_what_enforces_it(page: Path) -> None:
    text = page.read_text("utf-8")
    assert len(text.splitlines()) <= 50
    for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Enforced by**"):
        assert part in text
    enforcing = text.split("**Enforced by**")[1]
    assert all((TEMPLATE / path).exists() for path in re.findall(r"`(tests/\w+\.py)`", enforcing))


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [page.name[:4] for page in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_and_targets_that_pages_name_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    makefile = (TEMPLATE / "Makefile").read_text("utf-8")
    project = next(TEMPLATE.glob("*{{cookiecutter.*}}*"))
    both = makefile + ((project / "Makefile").read_text("utf-8") if (project / "Makefile").exists() else "")
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", both, re.MULTILINE), f"make {target}"
    for path in re.findall(r"`((?:tests|hooks|docs)/[\w./-]+\.\w+)`", text):
        assert (TEMPLATE / path).exists() or (project / path).exists(), path
