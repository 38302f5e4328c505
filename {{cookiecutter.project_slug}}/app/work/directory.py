"""Keeps the copy of the company's directory, and the levels of config/roles.toml, where the filter reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import structlog

from app.control.directory import fetch, read
from app.errors import AppError, BadInput, DependencyDown
from app.store import directory as table
from app.store.db import Database
from app.store.directory import Standing
from app.telemetry import metrics

# What stands for an age without a beginning.
NEVER_S = 1e9
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DirectoryKeeper:
    """Syncs the groups from `where` (a file or an https address; empty: no directory) every `every_s` seconds.

    `database` is that of the role app_ingest: the role that answers people may only read who is in which group.
    """

    database: Database
    levels: Sequence[str]
    where: str = ""
    token: str = ""
    every_s: float = 300.0

    async def keep(self) -> None:
        """Sync when it is time, on one of all processes; what fails is noted, and the last known groups hold."""
        await self.keep_levels()
        if not self.where:
            return
        async with self.database.work() as work:
            is_due = await table.due(work, every_s=self.every_s)
        if is_due:
            try:
                await self._synced()
            except AppError as error:
                log.warning("directory.failed", error=error.detail)
        age_s = (await self.standing()).age_s
        metrics.observe("directory_age_seconds", NEVER_S if age_s is None else age_s)

    async def keep_levels(self) -> None:
        """Make the classifications in the database those of config/roles.toml."""
        async with self.database.work() as work:
            if await table.keep_levels(work, self.levels):
                log.info("levels.changed", levels=list(self.levels))

    async def sync(self) -> Standing:
        """Read the directory now. Raises BadInput for a document that cannot be used, DependencyDown for none."""
        if not self.where:
            raise BadInput("There is no directory: set APP_DIRECTORY to a file or an https address.")
        async with self.database.work() as work:
            await table.due(work, every_s=0)
        await self._synced()
        return await self.standing()

    async def standing(self) -> Standing:
        """Say how the copy stands."""
        async with self.database.work() as work:
            return await table.standing(work)

    async def release(self, group: str) -> bool:
        """Let tokens speak again for a group that the directory has dropped; False when there is none."""
        async with self.database.work() as work:
            return await table.release(work, group)

    async def _synced(self) -> None:
        try:
            content = await fetch(self.where, token=self.token)
            listing, hash_ = read(content), sha256(content).hexdigest()
        except (BadInput, DependencyDown) as error:
            async with self.database.work() as work:
                await table.failed(work, error.detail)
            raise
        async with self.database.work() as work:
            if await table.hash_of(work) == hash_:
                await table.unchanged(work)
                return
            await table.replace(work, parents=listing.parents, people=listing.people, hash_=hash_, names=listing.names)
        log.info("directory.synced", groups=len(listing.parents), people=len(listing.people))
