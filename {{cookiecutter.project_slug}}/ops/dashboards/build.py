"""Writes ops/dashboards/service.json for Grafana; the same input gives the same bytes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ops.dashboards.panels import ROWS, Panel, by

DASHBOARD = Path(__file__).with_name("service.json")
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_PER_ROW, _WIDTH, _HEIGHT = 3, 8, 7


def build() -> dict[str, Any]:
    """Give the dashboard as Grafana imports it."""
    return {
        "title": "Service",
        "uid": "ai-service",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "tags": ["ai-service"],
        "templating": {"list": [_source_choice(), _usecase_choice()]},
        "annotations": {"list": [_firing()]},
        "panels": list(_panels()),
    }


def expressions() -> list[str]:
    """Give every query of the dashboard, with Grafana's variables filled in."""
    queries = [query for panels in ROWS.values() for shown in panels for query, _ in shown.queries]
    queries.append(_firing()["expr"])
    return [query.replace("$__rate_interval", "5m").replace("$usecase", ".*") for query in queries]


def text() -> str:
    """Give the file's text."""
    return json.dumps(build(), indent=1, ensure_ascii=False) + "\n"


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for title, panels in ROWS.items():
        yield {"id": number, "type": "row", "title": title, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []}
        number, y = number + 1, y + 1
        for index, shown in enumerate(panels):
            x = index % _PER_ROW
            yield _graph(
                shown, number, {"h": _HEIGHT, "w": _WIDTH, "x": x * _WIDTH, "y": y + index // _PER_ROW * _HEIGHT}
            )
            number += 1
        y += -(-len(panels) // _PER_ROW) * _HEIGHT


def _graph(shown: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": shown.title,
        "description": shown.help,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": shown.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(shown.queries)
        ],
    }


def _source_choice() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _usecase_choice() -> dict[str, Any]:
    query = "label_values(contract_slo_ratio, usecase)"
    return {
        "name": "usecase",
        "label": "Use case",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "usecase"},
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _firing() -> dict[str, Any]:
    return {
        "name": "Alerts",
        "datasource": _SOURCE,
        "enable": True,
        "expr": 'max by (alertname, usecase) (ALERTS{alertstate="firing"})',
        "titleFormat": by("alertname"),
        "iconColor": "red",
    }


def main() -> None:
    """Write the dashboard."""
    DASHBOARD.write_text(text())


if __name__ == "__main__":
    main()
