"""Every alert is proven to fire and to stay silent, has an owner and a runbook, and asks for metrics that exist."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from typing import cast

import click
import psycopg
import pytest
import typer
import yaml

from app.cli.commands import MODULES
from app.telemetry.declared import METRICS
from ops.alerts import queries, reference

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "ops/alerts"
RUNBOOKS = ROOT / "ops/runbooks"
CHAPTERS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Owner"]
ALERTS = queries.alerts()


def promtool(*arguments: str) -> None:
    """Run promtool, or say that nothing was measured."""
    if not shutil.which("promtool"):
        message = "not measured: promtool missing, install with `apt-get install prometheus`"
        (pytest.fail if os.environ.get("REQUIRE_TOOLS") == "1" else pytest.skip)(message)
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.proves("OBS-4", "OPS-2")
def test_every_alert_fires_on_the_bad_series_and_is_silent_on_the_good_ones() -> None:
    promtool("test", "rules", str(FOLDER / "service.tests.yaml"))


@pytest.mark.proves("OBS-4")
def test_every_alert_is_seen_firing_by_a_test() -> None:
    proof = (FOLDER / "service.tests.yaml").read_text()

    assert {name for name in ALERTS if not re.search(rf'alertname="{name}"[^\n]*value: 1', proof)} == set()


def test_prometheus_accepts_the_rules_and_its_configuration() -> None:
    promtool("check", "config", str(FOLDER / "prometheus.yml"))


@pytest.mark.parametrize("rule", queries.rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_name_metrics_and_labels_that_exist(rule: dict[str, str]) -> None:
    assert queries.faults(rule["expr"]) == []


def test_the_series_of_the_proof_are_such_as_the_service_shows() -> None:
    known = queries.known()
    series = {
        entry["series"]
        for scenario in yaml.safe_load((FOLDER / "service.tests.yaml").read_text())["tests"]
        for entry in scenario["input_series"]
    }

    assert {one for one in series if one.split("{")[0] not in known} == set()
    assert {one for one in series if queries.faults(one)} == set()


def test_a_query_with_a_wrong_metric_or_label_is_found_out() -> None:
    assert queries.faults("sum by (usecase) (rate(turn_total[5m])) > 1") == ["no metric turn_total"]
    assert queries.faults('rate(turns_total{use_case="x"}[5m])') == ["turns_total has no label use_case"]


@pytest.mark.proves("OPS-2")
def test_every_alert_has_a_runbook_and_every_runbook_of_an_alert_has_the_alert() -> None:
    files = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    index = (RUNBOOKS / "README.md").read_text()
    procedures = set(re.findall(r"\]\(([\w-]+)\.md\)", index.split("## Procedures")[1]))

    assert files - procedures == set(ALERTS)
    assert procedures <= files
    assert {name for name in files if f"({name}.md)" not in index} == set()


@pytest.mark.proves("OBS-4", "OPS-1")
@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_happened_to_whom_it_belongs_and_what_to_do(name: str) -> None:
    labels, notes = ALERTS[name]["labels"], ALERTS[name]["annotations"]
    rendered = re.sub(r"\{\{.*?\}\}", "", (ROOT / "config/service.toml").read_text())

    assert labels["severity"] in ("page", "ticket")
    assert labels["owner"] in tomllib.loads(rendered)["owners"]
    assert re.fullmatch(r"[A-Z]{3}-\d+", labels["requirement"])
    assert notes["summary"]
    assert notes["description"]
    assert notes["runbook"] == f"ops/runbooks/{name}.md"


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_has_the_same_chapters_commands_and_requirements(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == CHAPTERS
    assert "```" in text.split("## Diagnosis")[1].split("## Mitigation")[0]
    assert ALERTS[name]["labels"]["requirement"] in text
    assert ALERTS[name]["labels"]["owner"] in text.split("## Owner")[1]


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_the_sql_of_a_runbook_runs_on_our_tables(path: Path, database_url: str) -> None:
    text = path.read_text()
    found = ";".join(re.findall(r"```sql\n(.*?)```", text, re.DOTALL)).split(";")
    found += re.findall(r"`(SELECT [^`<]*?);?`", text)
    with psycopg.connect(database_url) as connection:
        for statement in filter(str.strip, found):
            connection.execute(f"EXPLAIN {statement}".encode())


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_the_commands_of_a_runbook_exist_with_their_options(path: Path) -> None:
    made = typer.Typer()
    for module in MODULES:
        import_module(f"app.cli.{module}").register(made)
    commands = cast(click.Group, typer.main.get_command(made))
    for line in re.findall(r"uv run app ([^`#\n]+)", path.read_text()):
        name, *arguments = shlex.split(line)
        assert name in commands.commands, f"there is no command {name!r}"
        commands.commands[name].make_context(name, arguments)


def test_links_between_runbooks_lead_somewhere() -> None:
    broken = [
        (path.name, link)
        for path in RUNBOOKS.glob("*.md")
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text())
        if not (path.parent / link).exists()
    ]
    assert broken == []


def test_the_error_budget_of_the_slo_page_is_a_query_that_works() -> None:
    text = (ROOT / "ops/slos/README.md").read_text()
    (query,) = re.findall(r"```promql\n(.*?)```", text, re.DOTALL)
    named = set(re.findall(r"`(contract_\w+)`", text))

    assert queries.faults(query) == []
    assert named <= queries.known().keys()


def test_routes_of_alerts_are_on_this_machine_and_know_both_severities() -> None:
    configuration = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
    receivers = {receiver["name"]: receiver["webhook_configs"][0]["url"] for receiver in configuration["receivers"]}
    muted = re.findall(r"\w+", configuration["inhibit_rules"][0]["target_matchers"][0].split("=~")[1])

    assert all(url.startswith("http://127.0.0.1:") for url in receivers.values())
    assert {configuration["route"]["receiver"], configuration["route"]["routes"][0]["receiver"]} == set(receivers)
    assert set(muted) <= set(ALERTS)


def test_the_reference_page_lists_every_metric_and_alert() -> None:
    written = reference.PAGE.read_text()

    assert written == reference.page(), "run `uv run python -m ops.alerts.reference`"
    assert all(f"`{metric.name}`" in written for metric in METRICS)
