"""Seals rows anew in the background, whenever a data key or a sealed field is new; then the old key is retired."""

import time
from dataclasses import dataclass

import structlog

from app.store import data_keys
from app.store.data_keys import DataKey, Progress
from app.store.db import Database
from app.store.sealed import FIELDS, Field

log = structlog.get_logger(__name__)
# What housekeeping gives it at a time.
AT_ONCE_S = 1.0
ROWS = 200
# Whole files.
UPLOADS = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """The data keys that are not retired, and how far each field is under the newest."""

    keys: tuple[DataKey, ...]
    fields: tuple[Progress, ...]

    @property
    def is_over(self) -> bool:
        """Say whether every row is sealed under the one key that is left."""
        return len(self.keys) == 1 and len(self.fields) >= len(FIELDS) and all(one.is_over for one in self.fields)


@dataclass(frozen=True, slots=True)
class Sealing:
    """Keeps every sealed field under the newest data key."""

    database: Database

    async def standing(self) -> Standing:
        """Say how far it is."""
        async with self.database.work() as work:
            keys = await data_keys.listed(work)
            fields = await data_keys.progress(work, keys[-1].id) if keys else []
        return Standing(tuple(keys), tuple(fields))

    async def keep(self, *, for_s: float = AT_ONCE_S) -> None:
        """Go on for some seconds, if there is anything to do."""
        if self.database.seals.wrapping is None:
            return
        until = time.monotonic() + for_s
        standing = await self.standing()
        if not standing.keys or standing.is_over or not standing.keys[-1].is_settled:
            return
        newest = standing.keys[-1].id
        if self.database.seals.current != newest:
            return  # this process has not looked since
        over = {one.field for one in standing.fields if one.is_over}
        for field in FIELDS:
            if field.name not in over and not await self._field(newest, field, until):
                return
        for key in standing.keys[:-1]:
            await self._retire(key.id, newest)

    async def _field(self, newest: int, field: Field, until: float) -> bool:
        """Say whether every row of the field has been seen."""
        async with self.database.work() as work:
            await data_keys.begin(work, newest, field.name)
        most = UPLOADS if field.kind == "bytes" else ROWS
        while time.monotonic() < until:
            async with self.database.work() as work:
                held = await data_keys.progress(work, newest, field=field.name)
                if not held:
                    return False  # another process is at it
                if held[0].is_over or not await data_keys.go_on(work, newest, field, was=held[0], most=most):
                    return True
        return False

    async def _retire(self, old: int, newest: int) -> None:
        async with self.database.work() as work:
            left = [field for field in FIELDS if await data_keys.is_used(work, old, field)]
            unreadable = {one.field for one in await data_keys.progress(work, newest) if one.unreadable}
            for field in left:
                # Written between the pass and now; what does not open stays as it is, and is told by the status.
                if field.name not in unreadable:
                    await data_keys.begin(work, newest, field.name)
            if not left:
                await data_keys.retire(work, old)
                log.info("seals.retired", data_key=old)
