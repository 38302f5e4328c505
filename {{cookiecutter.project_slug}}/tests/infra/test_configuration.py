"""Terraform's own checks, and every configuration that is shipped: formatted, valid, complete, plannable."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.deploy import ASKED_FOR, ENVIRONMENTS, INFRA, Deployment

# python-terraform 0.10.1 logs every exit that is not 0, a plan with changes among them, through `log.warn`.
pytestmark = pytest.mark.filterwarnings("ignore:The .warn. method is deprecated:DeprecationWarning")


@pytest.mark.usefixtures("isolated")
def test_the_module_is_formatted_and_valid(infra_copy: Path) -> None:
    assert terraform(infra_copy, "fmt", "-check", "-recursive", "-diff") == ""
    terraform(infra_copy, "init", "-backend=false", "-input=false")
    assert "The configuration is valid" in terraform(infra_copy, "validate", "-no-color")


def terraform(directory: Path, *arguments: str) -> str:
    """Run a terraform command that has to succeed and return what it printed."""
    done = subprocess.run(["terraform", *arguments], cwd=directory, capture_output=True, text=True, check=False)  # noqa: S607
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


@pytest.mark.proves("INT-5")
@pytest.mark.usefixtures("secrets")
def test_production_survives_a_zone_and_keeps_its_data(account: Path) -> None:
    with Deployment(account, "prod").planned() as plan:
        database = planned(plan.content, "module.data.aws_db_instance.this")
        redis = planned(plan.content, "module.data.aws_elasticache_replication_group.this")
        balancer = planned(plan.content, "module.service.aws_lb.this")
    assert [database[name] for name in ("multi_az", "deletion_protection", "storage_encrypted")] == [True] * 3
    assert database["skip_final_snapshot"] is False
    assert [redis[name] for name in ("multi_az_enabled", "automatic_failover_enabled")] == [True] * 2
    assert balancer["enable_deletion_protection"] is True


@pytest.mark.usefixtures("secrets")
def test_staging_keeps_its_data_too(account: Path) -> None:
    with Deployment(account, "staging").planned() as plan:
        assert planned(plan.content, "module.data.aws_db_instance.this")["deletion_protection"] is True


def planned(plan: dict[str, Any], address: str) -> dict[str, Any]:
    """Return the attributes that a resource will have."""
    [after] = [one["change"]["after"] for one in plan["resource_changes"] if one["address"] == address]
    return dict(after)
