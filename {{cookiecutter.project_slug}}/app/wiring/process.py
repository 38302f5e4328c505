"""What every process of ours does first, and once it has started: logs, traces and metrics; then memory."""

import ctypes
import gc
import sys
from contextlib import suppress

from app.settings import Settings
from app.telemetry import logging, metrics, tracing


def configure(settings: Settings) -> None:
    """Set up logs, traces and metrics under the service's name."""
    slug = settings.service["service"]["slug"]
    logging.configure(settings.log_level, settings.is_production)
    tracing.configure(slug, settings.otlp_endpoint, settings.trace_share)
    metrics.configure(slug, settings.otlp_endpoint)


def settle() -> None:
    """Give back the memory that only the start needed: reading modules and price lists leaves some 40 MB behind."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)
