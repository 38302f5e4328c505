"""The dashboard is what its builder writes, and every query finds something that exists."""

import json
from pathlib import Path

import pytest
import yaml

from app.telemetry.declared import METRICS
from ops.alerts import queries
from ops.dashboards import build
from tests.ops.test_alerts import promtool


@pytest.mark.proves("OBS-5")
def test_the_committed_dashboard_is_what_the_builder_writes() -> None:
    assert build.DASHBOARD.read_text() == build.text(), "run `uv run python -m ops.dashboards.build`"


@pytest.mark.proves("OBS-5")
def test_every_query_names_metrics_and_labels_that_exist() -> None:
    assert {query: found for query in build.expressions() if (found := queries.faults(query))} == {}


def test_prometheus_accepts_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(build.expressions())]
    page = tmp_path / "panels.yaml"
    page.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    promtool("check", "rules", str(page))


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads(build.text())["panels"]
    ids = [panel["id"] for panel in panels]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(set(ids)) == len(ids)
    assert len(set(cells)) == len(cells)


def test_every_declared_metric_is_drawn() -> None:
    drawn = set().union(*(queries.names(query) for query in build.expressions()))
    recorded = {rule["record"]: queries.names(rule["expr"]) for rule in queries.rules() if "record" in rule}
    drawn |= set().union(*(recorded[name] for name in drawn & recorded.keys()))

    assert {m.name for m in METRICS if drawn.isdisjoint(m.series)} == set()
