"""All commands, put together; exit codes: 0 good, 1 what was measured fell short, 2 it could not be done."""

import gc
import sys
from importlib import import_module

import typer

from app.errors import AppError

# A command imports its own module only: `app migrate` needs no web server, and an operator at 3 am no patience.
MODULES = {
    "processes": ("serve", "worker", "migrate"),
    "asking": ("ask", "chat"),
    "documents": ("ingest", "documents"),
    "why": ("why", "readers"),
    "operating": ("pause", "resume", "flags", "jobs"),
    "reviews": ("review", "reviews"),
    "audit": ("audit",),
    "incidents": ("incidents",),
    "directory": ("directory",),
    "keys": ("keys",),
    "restrictions": ("restrictions",),
    "rollout": ("rollout",),
    "prompting": ("prompts",),
    "costs": ("forecast",),
    "ledger": ("ledger",),
    "proving": ("evaluate", "readiness"),
    "trying": ("shadow", "cases"),
    "caching": ("cache",),
    "embeddings": ("embeddings",),
    "people": ("people", "retention"),
    "starting": ("new",),
    "sealing": ("seal",),
    "webhooks": ("webhooks", "failed"),
    "doctor": ("doctor",),
}

# They log nothing: loading what would takes longer than their answer.
SILENT = {"ledger"}


def main() -> None:
    """Run the command line."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    owner = next((module for module, commands in MODULES.items() if asked in commands), "")
    if owner not in SILENT:
        _log_beside()
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
    # One command alone would become the program itself; a callback keeps it a subcommand.
    app.callback()(_nothing)
    for module in [owner] if owner else MODULES:
        import_module(f"app.cli.{module}").register(app)
    gc.enable()
    try:
        app(standalone_mode=True)
    except AppError as error:
        print(f"{error.title}: {error.detail}", file=sys.stderr)
        sys.exit(2)


def _log_beside() -> None:
    """Until a service configures its own logs: standard output is for answers, which other programs read."""
    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def _nothing() -> None:
    """Operate the service from the command line."""
