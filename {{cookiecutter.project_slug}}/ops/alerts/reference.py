"""Writes docs/reference/metrics.md from the declared metrics and the rules; run by `make docs`."""

from pathlib import Path

from app.telemetry.declared import METRICS, PROCESS, Metric
from ops.alerts.queries import alerts

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"
_INTRO = """# Metrics and alerts

<!-- Written from app/telemetry/declared.py and ops/alerts/service.rules.yaml by `make docs`; do not edit. -->

`GET /metrics` of the API shows these in Prometheus' text format; each worker shows its own on the first free port from
9464 on, this machine only. With `OTEL_EXPORTER_OTLP_ENDPOINT` set every process also pushes them there, under the same
names. Labels never hold people, questions or ids, and a label takes at most 100 values: further ones count as `other`.
Times are seconds, money is US dollars. A histogram `x` is queried as `x_bucket`, `x_count` and `x_sum`.
"""


def page() -> str:
    """Give the page's text."""
    rows = "\n".join(_row(metric) for metric in METRICS)
    told = "\n".join(
        f"| [{name}](../../{rule['annotations']['runbook']}) | "
        + " | ".join(rule["labels"][label] for label in ("severity", "owner", "requirement"))
        + " |"
        for name, rule in alerts().items()
    )
    return (
        f"{_INTRO}\n| metric | kind | labels | meaning |\n|---|---|---|---|\n{rows}\n\n"
        f"From the Prometheus client, about the process: {', '.join(f'`{name}`' for name in PROCESS)}.\n\n"
        "## Alerts\n\n`page` wakes the person on call, `ticket` waits for the next working day. Owners are roles of\n"
        "config/service.toml.\n\n"
        f"| alert and runbook | severity | owner | requirement |\n|---|---|---|---|\n{told}\n"
    )


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    fresh = f"; forgotten after {metric.fresh_s:g} s without a new observation" if metric.fresh_s else ""
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help}{fresh} |"


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
