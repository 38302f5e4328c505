"""Flags; every change of one goes with its place in the flag's history and its audit row, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypedDict, cast

from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.switch import subject_of
from app.errors import Conflict, NotFound, quoted
from app.store import audit, events
from app.store.db import Work
from app.store.tables import flag_history, flags

CLOCK = "the clock"


class FlagRow(TypedDict):
    """A flag as it stands: `definition` is in flagd's JSON format.

    With `until` the change ends by itself then, and `back` is the definition that holds afterwards.
    """

    key: str
    definition: dict[str, Any]
    kind: str
    owner: str
    expires_on: date
    version: int
    changed_by: str
    reason: str
    changed_at: datetime
    until: datetime | None
    back: dict[str, Any] | None


class PastRow(TypedDict):
    """One change of a flag; `before` is None for its first version."""

    key: str
    version: int
    at: datetime
    actor: str
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A flag's new definition, and until when it holds; with `version` only if the flag still stands at that one."""

    definition: dict[str, Any]
    by: str
    because: str
    until: datetime | None = None
    version: int | None = None


async def every(work: Work) -> list[FlagRow]:
    """Read all flags."""
    rows = await work.sql("SELECT * FROM flags ORDER BY key")
    return [_row(row) for row in rows.mappings()]


def _row(found: Any) -> FlagRow:
    return cast(FlagRow, dict(found))


async def seed(work: Work, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add the flags that are not there yet, with the first entry of their history; one that exists keeps its value."""
    if not rows:
        return
    added = await work.run(upsert(flags).on_conflict_do_nothing().returning(flags.c.key), list(rows))
    if keys := [row.key for row in added]:
        await work.sql(
            "INSERT INTO flag_history (key, version, at, actor, reason, after)"
            " SELECT key, version, changed_at, changed_by, reason, definition FROM flags WHERE key = ANY(:keys)",
            keys=keys,
        )


async def history(work: Work, key: str, *, limit: int = 100) -> list[PastRow]:
    """Read the changes of a flag, the newest first."""
    rows = await work.sql(
        "SELECT * FROM flag_history WHERE key = :key ORDER BY version DESC LIMIT :limit", key=key, limit=limit
    )
    return [PastRow(**row) for row in rows.mappings()]  # type: ignore[typeddict-item]


async def change(work: Work, key: str, change: Change) -> FlagRow:
    """Store a flag's new definition, and give the row as it stood before.

    Raises NotFound, and Conflict when somebody has changed it since the version that the change is meant for.
    """
    found = (await work.sql("SELECT * FROM flags WHERE key = :key FOR UPDATE", key=key)).mappings().first()
    if found is None:
        raise NotFound(f"There is no flag {quoted(key)}.")
    row = _row(found)
    if row["until"] is not None and row["until"] <= datetime.now(UTC):
        row = await _settled(work, row)
    if change.version is not None and change.version != row["version"]:
        raise Conflict(f"{row['changed_by']} has changed this meanwhile ({row['reason']}); look at it again.")
    before = row["definition"]
    # What a change with an end goes back to is what stood before the first of them.
    back = (row["back"] if row["until"] else before) if change.until else None
    await _store(work, row, change, back=None if back == change.definition else back)
    return row


async def _store(work: Work, row: FlagRow, change: Change, *, back: dict[str, Any] | None) -> None:
    key, version = row["key"], row["version"] + 1
    until = change.until if back is not None else None
    await work.run(
        flags.update().where(flags.c.key == key),
        {
            "definition": change.definition,
            "version": version,
            "changed_by": change.by,
            "reason": change.because,
            "changed_at": datetime.now(UTC),
            "until": until,
            "back": back,
        },
    )
    past = {"version": version, "actor": change.by, "reason": change.because, "until": until}
    await work.run(flag_history.insert(), {**past, "key": key, "before": row["definition"], "after": change.definition})
    after = change.definition | ({"until": until.isoformat()} if until else {})
    noted = {"before": row["definition"], "after": after}
    await audit.note(work, actor=change.by, action="flag.change", subject=key, reason=change.because, **noted)
    if subject := subject_of(key):
        told = {"before": row["definition"].get("defaultVariant"), "after": change.definition.get("defaultVariant")}
        told |= {"switch": subject, "until": until, "by": change.by, "reason": change.because}
        usecase = subject if key == f"usecase.{subject}.enabled" else ""
        await events.emit(work, "switch.flipped", subject=f"switches/{key}", data=told, usecase=usecase)


async def review(work: Work, key: str, day: date, *, by: str, because: str) -> None:
    """Give a flag another day of review; what it says stays. Raises NotFound."""
    found = await work.sql(
        "UPDATE flags f SET expires_on = :day, version = f.version + 1 FROM flags o"
        " WHERE f.key = :key AND o.key = f.key RETURNING f.version, f.definition, o.expires_on",
        key=key,
        day=day,
    )
    row = found.mappings().first()
    if row is None:
        raise NotFound(f"There is no flag {quoted(key)}.")
    said = {"before": row["definition"], "after": row["definition"]}
    past = {"key": key, "version": row["version"], "actor": by, "reason": f"to be reviewed by {day}: {because}"}
    await work.run(flag_history.insert(), {**past, **said, "until": None})
    days = {"before": {"expires_on": str(row["expires_on"])}, "after": {"expires_on": str(day)}}
    await audit.note(work, actor=by, action="flag.review", subject=key, reason=because, **days)


async def settle(work: Work) -> list[str]:
    """Write down the changes whose end has come: each flag goes back to what stood before; gives their keys."""
    rows = await work.sql(
        "SELECT * FROM flags WHERE until <= now() AND back IS NOT NULL ORDER BY key FOR UPDATE SKIP LOCKED"
    )
    found = [_row(row) for row in rows.mappings().all()]
    return [(await _settled(work, row))["key"] for row in found]


async def _settled(work: Work, row: FlagRow) -> FlagRow:
    assert row["back"] is not None, "a change with an end has something to go back to"
    because = f"the time set by {row['changed_by']} was over: {row['reason']}"
    await _store(work, row, Change(definition=row["back"], by=CLOCK, because=because), back=None)
    return {**row, "definition": row["back"], "version": row["version"] + 1, "until": None, "back": None}
