"""Terraform's own checks, and every configuration that is shipped: formatted, valid, complete."""

import re
import subprocess
from pathlib import Path

import pytest

from infra.deploy import ASKED_FOR, ENVIRONMENTS, INFRA


@pytest.mark.usefixtures("isolated")
def test_the_module_is_formatted_and_valid(infra_copy: Path) -> None:
    assert terraform(infra_copy, "fmt", "-check", "-recursive", "-diff") == ""
    terraform(infra_copy, "init", "-backend=false", "-input=false")
    assert "The configuration is valid" in terraform(infra_copy, "validate", "-no-color")


def terraform(directory: Path, *arguments: str) -> str:
    """Run a terraform command that has to succeed and return what it printed."""
    done = subprocess.run(["terraform", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_environment_sets_what_terraform_requires_and_nothing_it_does_not_know() -> None:
    blocks = re.findall(r'^variable "(\w+)" \{(.*?)^\}', (INFRA / "variables.tf").read_text(), re.DOTALL | re.MULTILINE)
    known = {name for name, _ in blocks}
    required = {name for name, body in blocks if not re.search(r"^  default +=", body, re.MULTILINE)}
    assert ENVIRONMENTS == ["dev", "prod", "staging"]
    for environment in ENVIRONMENTS:
        text = (INFRA / f"config/{environment}.tfvars").read_text()
        given = set(re.findall(r"^(\w+) *=", text, re.MULTILINE))
        assert given <= known
        assert required - given - set(ASKED_FOR) == {"environment"}, environment


def test_every_variable_and_output_says_what_it_is() -> None:
    for path in INFRA.rglob("*.tf"):
        blocks = re.findall(r'^(?:variable|output) "(\w+)" \{(.*?)^\}', path.read_text(), re.DOTALL | re.MULTILINE)
        assert [name for name, body in blocks if "\n  description" not in body] == [], path


def test_every_module_pins_the_provider_alike() -> None:
    pins = {path: re.findall(r'version += "(.+)"', path.read_text()) for path in INFRA.rglob("versions.tf")}
    assert len(pins) == 4
    assert set(map(tuple, pins.values())) == {(">= 1.11, < 2.0", "~> 5.100")}
