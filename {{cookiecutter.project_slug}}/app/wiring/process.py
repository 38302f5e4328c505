"""What every process of ours does first: logs, traces and metrics."""

from app.settings import Settings
from app.telemetry import logging, metrics, tracing


def configure(settings: Settings) -> None:
    """Set up logs, traces and metrics under the service's name."""
    slug = settings.service["service"]["slug"]
    logging.configure(settings.log_level, settings.is_production)
    tracing.configure(slug, settings.otlp_endpoint, settings.trace_share)
    metrics.configure(slug, settings.otlp_endpoint)
