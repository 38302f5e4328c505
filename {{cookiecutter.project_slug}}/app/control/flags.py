"""Switches: the table is the truth, Redis tells every process at once, a poll stands behind the broadcast.

Evaluated in process with OpenFeature over flagd's format. A process that has never read the flags is paused; one that
loses database and Redis keeps the last known value.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError

from app.errors import AppError, BadInput, quoted
from app.store import flags as table
from app.store.background import ended
from app.store.broadcast import Broadcast
from app.store.db import Database

log = structlog.get_logger(__name__)
CHANNEL = "flags"
EVERYTHING = "ai"


def switch_key(subject: str) -> str:
    """Give the key of a kill switch: of everything, or of one use case."""
    return "ai.enabled" if subject == EVERYTHING else f"usecase.{subject}.enabled"


def _subject(key: str) -> str:
    inner = key.removeprefix("usecase.").removesuffix(".enabled")
    return inner if switch_key(inner) == key else key


def switch_definition(*, enabled: bool) -> dict[str, Any]:
    """Give a kill switch in flagd's format."""
    return {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on" if enabled else "off"}


class Flags:
    """The flags as this process knows them."""

    def __init__(self, database: Database, broadcast: Broadcast, *, poll_s: float, break_glass: bool) -> None:
        self._database, self._broadcast = database, broadcast
        self._poll_s, self._break_glass = poll_s, break_glass
        self._core: FlagdCore | None = None
        self._rows: list[table.FlagRow] = []
        self._versions: dict[str, int] = {}
        self._seeds: list[Mapping[str, Any]] = []
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._read_at = 0.0
        self._answers: dict[tuple[str, bool], bool] = {}

    async def start(self, seeds: Sequence[Mapping[str, Any]]) -> None:
        """Add missing flags, read all, and go on listening; a database that is away leaves this process paused."""
        self._seeds = list(seeds)
        try:
            await self.refresh()
        except AppError as error:
            log.error("flags.unknown", error=error.detail)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._poll())]

    async def stop(self) -> None:
        """Stop listening."""
        await ended(*self._tasks)

    async def refresh(self) -> None:
        """Read the table, adding what is missing the first time; wakes whoever waits for a change."""
        async with self._database.work() as work:
            await table.seed(work, self._seeds)
            rows = await table.every(work)
        self._seeds, self._read_at = [], time.monotonic()
        versions = {row["key"]: row["version"] for row in rows}
        if versions == self._versions and self._core is not None:
            return
        core = FlagdCore()
        core.set_flags({"flags": {row["key"]: row["definition"] for row in rows}})
        self._core, self._rows, self._versions = core, rows, versions
        self._answers = {}
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _listen(self) -> None:
        async for _ in self._broadcast.listen(CHANNEL):
            await self._try_refresh()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            await self._try_refresh()

    async def _try_refresh(self) -> None:
        try:
            await self.refresh()
        except AppError as error:
            log.warning("flags.stale", age_s=round(self.age_s), error=error.detail)

    @property
    def age_s(self) -> float:
        """Seconds since the table was last read; infinite before the first time."""
        return time.monotonic() - self._read_at if self._read_at else float("inf")

    @property
    def rows(self) -> list[table.FlagRow]:
        """The flags with owner, version and last change."""
        return self._rows

    def is_on(self, key: str, *, default: bool, context: Mapping[str, Any] | None = None) -> bool:
        """Evaluate a boolean flag; an unknown one has the default."""
        if self._core is None:
            return default
        if context:
            return self._evaluated(key, default, context)
        # A switch asks for nobody in particular, several times a turn: its answer holds until the flags change.
        if (key, default) not in self._answers:
            self._answers[key, default] = self._evaluated(key, default, {})
        return self._answers[key, default]

    def _evaluated(self, key: str, default: bool, context: Mapping[str, Any]) -> bool:
        assert self._core is not None
        try:
            return self._core.resolve_boolean_value(key, default, EvaluationContext(attributes=dict(context))).value
        except OpenFeatureError:
            return default

    def why_paused(self, usecase: str) -> str:
        """Say why turns of this use case are refused now, or nothing when they are not."""
        if self._break_glass:
            return "paused by APP_PAUSED"
        if self._core is None:
            return "the switches could not be read yet"
        for subject in (EVERYTHING, usecase):
            if not self.is_on(switch_key(subject), default=subject != EVERYTHING):
                row = next((row for row in self._rows if row["key"] == switch_key(subject)), None)
                return f"{row['reason']} ({row['changed_by']})" if row else "paused"
        return ""

    async def until_paused(self, usecase: str) -> str:
        """Wait until turns of this use case are refused; give the reason."""
        while not (reason := self.why_paused(usecase)):
            await self._changed.wait()
        return reason

    async def flip(self, subject: str, *, enabled: bool, by: str, because: str) -> None:
        """Turn a kill switch: table and audit in one transaction, then tell every process.

        `subject` is "ai" for everything, a use case, or the key of a flag of your own.
        Raises BadInput for an unknown subject or an empty reason.
        """
        if not because.strip():
            raise BadInput(
                "Say why: the reason is kept with the change.", errors=[{"field": "reason", "wrong": "empty"}]
            )
        known = {row["key"] for row in self._rows}
        key = subject if subject in known else switch_key(subject)
        if key not in known:
            there = ", ".join(sorted(map(_subject, known)))
            raise BadInput(f"There is no switch {quoted(subject)}; there are: {there}.")
        async with self._database.work() as work:
            await table.change(work, key, switch_definition(enabled=enabled), by=by, because=because.strip())
        await self._broadcast.publish(CHANNEL, key)
        await self.refresh()
