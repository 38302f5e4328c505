"""Who listens to events that are written only when somebody does, as this process knows it: a turn may not ask."""

import structlog

from app.errors import AppError
from app.store import webhooks
from app.store.db import Database

log = structlog.get_logger(__name__)
ANSWERS = "answer.given"


class Audience:
    """Remembers who wants to hear of answers; it is looked up every few seconds, and after each change made here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wanted: list[tuple[str, ...] | None] = []

    def hears(self, usecase: str) -> bool:
        """Say whether somebody wants to hear of answers of this use case."""
        return any(names is None or usecase in names for names in self._wanted)

    async def refresh(self) -> None:
        """Look it up; without the database the last known audience holds."""
        try:
            async with self._database.work() as work:
                self._wanted = await webhooks.hearing(work, ANSWERS)
        except AppError as error:
            log.warning("audience.stale", error=error.detail)
