"""What masks personal data in this process, and the people whose names it knows."""

import time
from dataclasses import dataclass, field

import structlog

from app.errors import DependencyDown
from app.guard.privacy import Privacy, engine
from app.settings import Settings
from app.store import directory
from app.store.db import Database

log = structlog.get_logger(__name__)
# How often the directory's names are read again.
EVERY_S = 60.0


def built(settings: Settings) -> Privacy:
    """Build the engine that the settings name. Raises CannotStart where it, or its model, is not installed."""
    found = engine(settings.privacy_engine, settings.privacy_model)
    found.know(_developers(settings))
    return found


def _developers(settings: Settings) -> list[str]:
    """Give the names of the development identities; where people come from an issuer, the directory knows them."""
    if settings.oidc_issuer or not (settings.config_dir / "people.toml").exists():
        return []
    return [str(person["name"]) for person in settings.config("people").values()]


@dataclass(slots=True)
class Acquaintance:
    """Keeps the names of the directory's people known."""

    settings: Settings
    database: Database
    privacy: Privacy
    _at: float = field(default=-EVERY_S)

    async def refresh(self) -> None:
        """Read the names again when it is time; without the database, those that are known stay."""
        if time.monotonic() - self._at < EVERY_S:
            return
        self._at = time.monotonic()
        try:
            async with self.database.work() as work:
                listed = await directory.names(work)
        except DependencyDown as error:
            log.warning("privacy.names_unread", error=error.detail)
            return
        self.privacy.know([*_developers(self.settings), *listed])
