"""Switches and other flags: read from their source, told over Redis, polled behind it, evaluated in process.

A process that has never read the flags is paused; one that loses its source and Redis keeps the last known value.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog

from app.control import switches
from app.control.break_glass import BreakGlass
from app.control.flag_rules import PERSON, Rules, V, kind_of
from app.control.flag_sources import Source
from app.control.subjects import Subjects
from app.domain.identity import Principal
from app.domain.switch import EVERYTHING, Notice, Off, switch_key
from app.errors import BadInput, Conflict, NotFound, quoted
from app.store import flags as table
from app.store.background import ended, fault
from app.store.broadcast import Broadcast, follow
from app.store.db import Database
from app.store.flags import Change, FlagRow

log = structlog.get_logger(__name__)
CHANNEL = "flags"
MOST_DAYS = 366
UNREAD = "the switches could not be read yet"
NO_SWITCH = "there is no switch `ai.enabled` where the flags are read"


def switch_definition(*, enabled: bool) -> dict[str, Any]:
    """Give a kill switch in flagd's format."""
    return {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on" if enabled else "off"}


class Flags:
    """The flags as this process knows them, and the way to change them."""

    def __init__(
        self,
        source: Source,
        broadcast: Broadcast,
        *,
        poll_s: float,
        database: Database,
        subjects: Subjects,
        glass: BreakGlass | None = None,
    ) -> None:
        self._source, self._broadcast, self._poll_s = source, broadcast, poll_s
        self._database, self._subjects, self._glass = database, subjects, glass or BreakGlass()
        self._rules: Rules | None = None
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._read_at = 0.0
        self._faulty: set[str] = set()
        # Readings are numbered as they begin. Versions would not do: a database that is restored lowers them.
        self._begun = self._taken = 0
        # Called, in this process, after every change that it has read.
        self.on_change: list[Callable[[], None]] = []

    # Reading

    async def start(self) -> None:
        """Read all flags and go on listening; a source that is away leaves this process paused."""
        try:
            await self.refresh()
        except Exception as error:
            log.error("flags.unknown", error=fault(error))
        for row in self.expired():
            log.warning("flag.expired", key=row["key"], owner=row["owner"], expires_on=str(row["expires_on"]))
        self._tasks = [
            asyncio.create_task(follow(self._broadcast, CHANNEL, self.refresh, poll_s=self._poll_s)),
            asyncio.create_task(self._watch()),
        ]

    async def stop(self) -> None:
        """Stop listening."""
        await ended(*self._tasks)
        await self._source.aclose()

    async def refresh(self) -> None:
        """Read the source; wakes whoever waits for a change. Raises DependencyDown."""
        self._begun += 1
        mine = self._begun
        rows = await self._source.read()
        # One that began later is here already: what this one has read is older.
        if mine < self._taken:
            return
        self._taken = mine
        self._read_at = time.monotonic()
        if self._rules is None or _versions(rows) != _versions(self._rules.rows.values()):
            self._take(rows)

    @property
    def age_s(self) -> float:
        """Seconds since the source was last read; infinite before the first time."""
        return time.monotonic() - self._read_at if self._read_at else float("inf")

    @property
    def rows(self) -> Sequence[FlagRow]:
        """The flags with owner, version and last change."""
        return list(self._rules.rows.values()) if self._rules else []

    @property
    def where(self) -> str:
        """Give the address of the system that owns the flags; "" when it is this service."""
        return self._source.where

    def expired(self) -> list[FlagRow]:
        """Give the flags whose day of review has passed."""
        return self._rules.expired(datetime.now(UTC).date()) if self._rules else []

    def value(self, key: str, default: V, *, context: Mapping[str, Any] | None = None) -> V:
        """Evaluate a flag of the type of `default`, which an unknown one has.

        `context` holds `targetingKey` (a person, to whom the same is said each time) and attributes for targeting.
        """
        return self._rules.value(key, default, context) if self._rules else default

    def is_on(self, key: str, *, default: bool, context: Mapping[str, Any] | None = None) -> bool:
        """Evaluate a boolean flag; an unknown one has the default."""
        return self.value(key, default, context=context)

    def asked(self, key: str, default: V, *, who: Principal, usecase: str) -> V:
        """Evaluate a flag for a person who asks in a use case; why it has the default is logged once per process."""
        context = {PERSON: who.user_id, "groups": list(who.groups), "unit": who.unit, "usecase": usecase}
        found = self.value(key, default, context=context)
        fault = self._rules.faults.get(key) if self._rules else "no flag could be read yet"
        if fault and key not in self._faulty:
            self._faulty.add(key)
            log.warning("flag.has_default", key=key, usecase=usecase, why=fault)
        return found

    async def subjects(self) -> dict[str, str]:
        """Give what can be turned off, each in words."""
        return await self._subjects.known()

    # What is off

    @property
    def off(self) -> Mapping[str, Off]:
        """Give what is turned off now, by subject; everything, as long as the switches are unknown."""
        if why := self._glass.why:
            return {EVERYTHING: Off(EVERYTHING, why, "", hard=True)}
        if self._rules is None:
            return {EVERYTHING: Off(EVERYTHING, UNREAD, "", hard=True)}
        if not self._rules.is_known(switch_key(EVERYTHING)):
            return {EVERYTHING: Off(EVERYTHING, NO_SWITCH, "", hard=True)}
        return self._rules.off

    def pause(self, usecase: str, who: Principal | None = None) -> Off | None:
        """Give what stops turns of this use case, by this person, now; None when nothing does."""
        return switches.pause(self.off, usecase, who)

    def why_paused(self, usecase: str, who: Principal | None = None) -> str:
        """Say why turns of this use case, by this person, are refused now, or nothing when they are not."""
        found = self.pause(usecase, who)
        return found.told if found else ""

    async def until_paused(self, usecase: str, who: Principal | None = None, *, hard: bool = False) -> Off:
        """Wait until something stops such turns, or (`hard`) stops even those that ask no model; give it."""
        while (found := self.pause(usecase, who)) is None or (hard and not found.hard):
            await self._changed.wait()
        return found

    async def changed(self) -> None:
        """Wait for the next change of what is off."""
        await self._changed.wait()

    def why_closed(self, door: str) -> str:
        """Say why a model, written `provider:name`, must not be called now; "" when it may be."""
        # Before the first reading no turn is admitted; a command that embeds documents asks nobody.
        return "" if self._rules is None and not self._glass.why else switches.closed(self.off, door)

    def why_tool_off(self, usecase: str, tool: str) -> str:
        """Say why a tool must not be used in a use case now; "" when it may be."""
        return switches.tool_off(self.off, usecase, tool)

    def notice(self, who: Principal | None = None) -> tuple[Notice, ...]:
        """Say what is off for this person and until when (all, to who may turn it); without one, what stops turns."""
        return tuple(
            Notice(subject, text, off.until)
            for subject, off in self.off.items()
            if (text := switches.told(subject, self._subjects, who))
        )

    # Changing

    async def flip(self, subject: str, *, enabled: bool, by: str, because: str, until: datetime | None = None) -> None:
        """Turn a kill switch, with `until` for as long only: table, history and audit in one transaction.

        `subject` is "ai", a use case, or `model: provider: tool: group: unit:` and a name that exists. Raises BadInput
        for an unknown subject, an empty reason or an end in the past, Conflict where another system owns the flags.
        """
        key = await self._key_of(subject)
        definition = switch_definition(enabled=enabled)
        await self._store(key, Change(definition=definition, by=by, because=because, until=until))

    async def set(
        self, key: str, definition: Mapping[str, Any], *, by: str, because: str, until: datetime | None = None
    ) -> None:
        """Give a flag another definition of its own type, in flagd's format.

        Raises NotFound, Conflict, and BadInput for what flagd could not read.
        """
        kind, known = kind_of(key, definition), self._rules.rows.get(key) if self._rules else None
        if known and known["kind"] != kind:
            raise BadInput(f"{key} holds values of the type {known['kind']}, not {kind}.")
        await self._store(key, Change(definition=dict(definition), by=by, because=because, until=until))

    async def choose(self, key: str, variant: str, *, by: str, because: str, until: datetime | None = None) -> None:
        """Have a flag say another of its variants. Raises NotFound, Conflict, and BadInput for one that it lacks."""
        row = self._rules.rows.get(key) if self._rules else None
        if row is None:
            raise NotFound(f"There is no flag {quoted(key)}.")
        variants = row["definition"]["variants"]
        if variant not in variants:
            raise BadInput(f"{key} has no variant {quoted(variant)}; it has: {', '.join(variants)}.")
        definition = {**row["definition"], "defaultVariant": variant}
        await self.set(key, definition, by=by, because=because, until=until)

    async def define(self, key: str, *, owner: str, expires_on: date, definition: Mapping[str, Any]) -> None:
        """Add a flag that is made while the service runs; one that exists stays as it is. Raises BadInput, Conflict."""
        self._ensure_ours()
        row = {
            "key": key,
            "definition": dict(definition),
            "kind": kind_of(key, definition),
            "owner": owner,
            "expires_on": expires_on,
            "changed_by": "service",
            "reason": "as it is from the start",
        }
        async with self._database.work() as work:
            await table.seed(work, [row])
        await self._tell(key)

    async def undo(self, key: str, *, version: int, by: str, because: str) -> None:
        """Give a flag back all it was before the change that made this version: what it said, its end, its day.

        Raises NotFound, and Conflict when it stands at another version.
        """
        self._ensure_ours()
        _ensure_reason(because)
        async with self._database.work() as work:
            await table.undo(work, key, version=version, by=by, because=because.strip())
        await self._tell(key)

    async def review(self, key: str, day: date, *, by: str, because: str) -> None:
        """Give a flag another day of review. Raises NotFound, Conflict, and BadInput for a day that has passed."""
        self._ensure_ours()
        if day <= datetime.now(UTC).date():
            raise BadInput(f"{day} has passed; name a day that comes.", errors=[{"field": "day", "wrong": "passed"}])
        _ensure_reason(because)
        async with self._database.work() as work:
            await table.review(work, key, day, by=by, because=because.strip())
        await self._tell(key)

    # Inside

    async def _store(self, key: str, change: Change) -> None:
        self._ensure_ours()
        _ensure_sound(change)
        async with self._database.work() as work:
            await table.change(work, key, replace(change, because=change.because.strip()))
        await self._tell(key)

    async def _tell(self, key: str) -> None:
        await self._broadcast.publish(CHANNEL, key)
        await self.refresh()

    def _ensure_ours(self) -> None:
        if self.where:
            raise Conflict(f"The flags live at {self.where}: change them there, or empty APP_FLAGS_SOURCE.")

    async def _key_of(self, subject: str) -> str:
        """Give the key of a subject's switch, which is made when it is needed first."""
        self._ensure_ours()
        key, rows = switch_key(subject), self._rules.rows if self._rules else {}
        if key in rows:
            return key
        if subject in rows and rows[subject]["kind"] == "boolean":
            return subject
        known = await self._subjects.known()
        is_there = subject in known or await self._subjects.has_met(subject)
        if not is_there or switch_key(EVERYTHING) not in rows:
            raise BadInput(f"There is no switch {quoted(subject)}; there are: {', '.join(known)}.")
        # It belongs to whom the switch of everything belongs to, and is looked at on the same day.
        first = rows[switch_key(EVERYTHING)]
        definition = switch_definition(enabled=True)
        await self.define(key, owner=first["owner"], expires_on=first["expires_on"], definition=definition)
        return key

    def _take(self, rows: Sequence[FlagRow]) -> None:
        self._rules = Rules(rows, datetime.now(UTC))
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        for call in self.on_change:
            call()

    async def _watch(self) -> None:
        """Look for the file and at the ends of changes: neither needs anything that could be away."""
        while True:
            await asyncio.sleep(self._poll_s)
            if await self._glass.look():
                log.warning("flags.break_glass", why=self._glass.why or "mended")
                self._wake()
            if self._rules and self._rules.ends_at and self._rules.ends_at <= datetime.now(UTC):
                self._take(list(self._rules.rows.values()))


def _versions(rows: Any) -> dict[str, int]:
    return {row["key"]: row["version"] for row in rows}


def _ensure_reason(because: str) -> None:
    if not because.strip():
        raise BadInput("Say why: the reason is kept with the change.", errors=[{"field": "reason", "wrong": "empty"}])


def _ensure_sound(change: Change) -> None:
    _ensure_reason(change.because)
    now = datetime.now(UTC)
    if change.until is not None and not now < change.until <= now + timedelta(days=MOST_DAYS):
        raise BadInput(
            f"The end must lie in the future, at most {MOST_DAYS} days away.",
            errors=[{"field": "until", "wrong": "not in the future"}],
        )
