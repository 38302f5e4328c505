"""All commands, put together; exit codes: 0 good, 1 what was measured fell short, 2 it could not be done."""

import sys

import typer

from app.cli import asking, documents, operating, processes, proving, starting
from app.errors import AppError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for module in (processes, asking, documents, operating, proving, starting):
    module.register(app)


def main() -> None:
    """Run the command line."""
    try:
        app(standalone_mode=True)
    except AppError as error:
        print(f"{error.title}: {error.detail}", file=sys.stderr)
        sys.exit(2)
