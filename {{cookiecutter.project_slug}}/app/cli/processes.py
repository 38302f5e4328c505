"""Start the parts of the service, and bring the database up to date."""

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from app.settings import load


class Role(StrEnum):
    """The kinds of worker."""

    TURNS = "turns"
    DOCUMENTS = "documents"
    BEAT = "beat"


def serve(workers: Annotated[int, typer.Option(min=1, help="processes that share the port")] = 1) -> None:
    """Serve the API, the chat page and the console."""
    import uvicorn

    from app.wiring.refusing import settings_to_start_with

    settings = settings_to_start_with()
    uvicorn.run(
        "app.main:api",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=workers,
        log_config=None,
        access_log=False,
        # Whose forwarding headers are believed is ours to say (APP_TRUSTED_PROXIES).
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=15,
    )


def worker(role: Role) -> None:
    """Work off a queue: turns, documents; or keep the clock: beat."""
    os.execv(sys.executable, [sys.executable, "-m", "app.worker", role.value])  # noqa: S606 - its own process


def migrate(
    new: Annotated[str, typer.Option(help="write the next migration of your own, with this title")] = "",
) -> None:
    """Bring the database to the newest revision; one process at a time does it, the others wait."""
    from app.store.migrate import migrate as apply

    apply(load().owner_url, new=new)
    print("migrations/product has a new revision; fill it in" if new else "the database is up to date")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (serve, worker, migrate):
        app.command()(command)
