"""What a contract must not say about its ladder, routes and prompts stops the start, with file, key and cure."""

from pathlib import Path
from shutil import copytree

import pytest

from app.errors import CannotStart
from app.llm.catalog import Catalog
from app.settings import ROOT
from app.wiring import usecases
from tests.llm.conftest import catalog

__all__ = ["catalog"]
OWNERS = dict.fromkeys(("workflow", "prompt", "cost", "on_call"), "ada@example.org")
LADDER = 'ladder = ["standard", "person"]'
ROUTE = 'words = ["simple"]'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a sample use case, to do harm in."""
    copytree(ROOT / "tests/samples/forms", tmp_path / "forms")
    (tmp_path / "forms" / "__init__.py").unlink()
    return tmp_path


def told(folder: Path, catalog: Catalog, *, old: str, new: str, name: str = "contract.toml") -> list[str]:
    """Change a file, and give what the start says about it."""
    path = folder / "forms" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CannotStart) as refused:
        usecases.load(folder, owners=OWNERS, rungs=catalog.rungs)
    return refused.value.detail.splitlines()


@pytest.mark.proves("REL-2")
@pytest.mark.parametrize(
    ("ladder", "said"),
    [
        ('["huge", "person"]', "models.ladder: there is no rung 'huge'; there are: cached, cheap, extractive"),
        ('["standard", "standard"]', "models.ladder: 'standard' stands there twice"),
        ('["standard", "cached"]', "models.ladder: `cached` needs cache.stale_s"),
        ('["person", "standard"]', "models.ladder: `person` must be the last rung"),
        ('["standard", "rules"]', "models.ladder: `rules` needs a rules.py"),
        ('["standard", "extractive"]', "models.ladder: `extractive` needs retrieval.enabled = true"),
    ],
)
def test_a_ladder_that_cannot_be_climbed_is_refused(ladder: str, said: str, folder: Path, catalog: Catalog) -> None:
    (line,) = told(folder, catalog, old=LADDER, new=f"ladder = {ladder}")
    assert line.startswith(f"- {folder / 'forms' / 'contract.toml'}: {said}")


@pytest.mark.proves("CST-4")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('to = "cheap"\nbecause = "the asker', 'to = "tiny"\nbecause = "the asker', "to: there is no role 'tiny'"),
        ('to = "cheap"\nbecause = "the asker', 'to = "person"\nbecause = "the asker', "to: there is no role 'person'"),
        ('to = "cheap"\nbecause = "the asker', 'to = "standard"\nbecause = "the asker', "is the ladder's first rung"),
        (ROUTE, "", "it states no condition"),
        (ROUTE, 'fields = { kind = ["tiny"] }', "fields.kind: tiny is no value of input.fields.kind"),
        (ROUTE, 'fields = { tier = ["plus"] }', "fields.tier: plus is no value of input.fields.tier"),
        (ROUTE, 'classifier = "easy.v1"', "classifier: there is no prompts/easy.v1.md"),
        (ROUTE, 'classifier = "form.v1"', "with the required property simple of type boolean"),
    ],
)
def test_a_route_to_nowhere_is_refused(old: str, new: str, said: str, folder: Path, catalog: Catalog) -> None:
    (line,) = told(folder, catalog, old=old, new=new)
    assert ": routes, number 1: " in line and said in line


@pytest.mark.proves("SEC-1")
@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('classifier = "guard.v9"\nrole = "cheap"', "injection.classifier: there is no prompts/guard.v9.md"),
        ('classifier = "form.v1"\nrole = "cheap"', "with the required property injection of type boolean"),
        (
            'classifier = "simple.v1"\nrole = "huge"',
            "injection.role: there is no role 'huge'; there are: cheap, standard",
        ),
        ('role = "cheap"', "injection.role: what is 'cheap' asked?"),
        ("threshold = 1.5", "injection.threshold: Input should be less than or equal to 1"),
        ('classifier = "simple.v1"\nrole = "cheap"\nclassifier_from = 0.7', "the classifier would never be asked"),
        ('on_fault = "shrug"', "injection.on_fault: Input should be 'pass' or 'refuse'"),
    ],
)
def test_a_screen_that_cannot_work_is_refused(rules: str, said: str, folder: Path, catalog: Catalog) -> None:
    lines = told(folder, catalog, old="[models]", new=f"[injection]\n{rules}\n\n[models]")
    assert any(said in line and "contract.toml" in line for line in lines), lines


@pytest.mark.proves("SEC-9")
def test_a_pin_for_a_role_that_nobody_asks_is_refused(folder: Path, catalog: Catalog) -> None:
    pins = "version: 1\npins: {openai: {huge: gpt-6-sol}}"
    (line,) = told(folder, catalog, old="version: 1", new=pins, name="prompts/form.v1.md")
    assert "prompts/form.v1.md: pins: there is no role 'huge'; there are: cheap, standard" in line


def test_every_fault_is_told_at_once(folder: Path, catalog: Catalog) -> None:
    lines = told(folder, catalog, old='name = "form"', new='name = "other"')
    assert "prompt: there is no prompts/other.v1.md; there are: form.v1, simple.v1" in lines[0]
    assert len(told(folder, catalog, old=LADDER, new='ladder = ["cached", "huge"]')) == 3


@pytest.mark.proves("SEC-10")
@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('patterns = ["("]', "output.patterns: '(' is no regular expression"),
        ('classifier = "safe.v9"', "output.classifier: there is no prompts/safe.v9.md"),
        ('classifier = "simple.v1"', "with the required property unsafe of type boolean"),
        ('links = "some"', "output.links: Input should be 'known' or 'any'"),
        ("max_chars = 0", "output.max_chars: Input should be greater than 0"),
    ],
)
def test_an_output_that_cannot_be_looked_at_is_refused(rules: str, said: str, folder: Path, catalog: Catalog) -> None:
    lines = told(folder, catalog, old="[models]", new=f"[output]\n{rules}\n\n[models]")
    assert any(said in line and "contract.toml" in line for line in lines), lines


@pytest.mark.proves("REL-2")
def test_a_rung_that_brings_no_confidence_is_refused_where_the_contract_asks_for_one(
    folder: Path, catalog: Catalog
) -> None:
    asks = "[reviews]\nconfidence_below = 0.4\n\n[quality]"
    (line,) = told(folder, catalog, old="[quality]", new=asks)
    said = "reviews.confidence_below: forms: the rung standard, cheap brings no confidence: prompts/form.v1.md"
    assert line.startswith(f"- {folder / 'forms' / 'contract.toml'}: {said}")
    assert "property confidence of type number, minimum 0, maximum 1; add one of them, or drop" in line
    prompt = folder / "forms/prompts/form.v1.md"
    field = "confidence: {type: number, minimum: 0, maximum: 1}\n    note:"
    required = prompt.read_text().replace("[topic, days, note]", "[topic, days, note, confidence]")
    prompt.write_text(required.replace("note:", field, 1))
    usecases.load(folder, owners=OWNERS, rungs=catalog.rungs)
