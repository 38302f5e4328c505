"""Reads PromQL just far enough to tell which metrics and labels a query names, and which of them exist."""

import re
from pathlib import Path
from typing import Any, cast

import yaml

from app.telemetry.declared import METRICS, PROCESS

RULES = Path(__file__).with_name("service.rules.yaml")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_NOISE = re.compile(
    r"\"[^\"]*\"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)|\boffset\s+\w+"
)
_NAME = re.compile(r"(?<![\w.])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])")
_WORDS = {"and", "or", "unless", "bool"}
# Prometheus adds these to whatever it scrapes.
_SCRAPED = {"job", "instance"}


def rules() -> list[dict[str, Any]]:
    """Read every rule, alerts and recordings."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in cast(list[dict[str, Any]], group["rules"])]


def alerts() -> dict[str, dict[str, Any]]:
    """Read the alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def names(query: str) -> set[str]:
    """Give the metrics that a query names."""
    return set(_NAME.findall(_NOISE.sub(" ", query))) - _WORDS


def labels(query: str) -> list[tuple[str, str]]:
    """Give each metric with each label that the query selects it by."""
    return [(name, label) for name, inside in _SELECTOR.findall(query) for label in _LABEL.findall(inside)]


def known() -> dict[str, set[str]]:
    """Give every name a query may use, with its labels: declared, scraped and recorded metrics."""
    declared = {
        series: {*metric.labels, *(("le",) if series.endswith("_bucket") else ())}
        for metric in METRICS
        for series in metric.series
    }
    recorded = {rule["record"]: {"usecase"} for rule in rules() if "record" in rule}
    given: dict[str, set[str]] = {
        "up": set(),
        "ALERTS": {"alertname", "alertstate"},
        **{name: set() for name in PROCESS},
    }
    return {name: labels | _SCRAPED for name, labels in (declared | recorded | given).items()}


def faults(query: str) -> list[str]:
    """Say which metrics or labels of a query do not exist; a query with one never finds anything."""
    all_ = known()
    unknown = [f"no metric {name}" for name in sorted(names(query) - all_.keys())]
    return unknown + [
        f"{name} has no label {label}" for name, label in labels(query) if name in all_ and label not in all_[name]
    ]
