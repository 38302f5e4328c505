"""The command line: the same power as the pages and the API, without either."""

from app.cli.commands import main

__all__ = ["main"]
