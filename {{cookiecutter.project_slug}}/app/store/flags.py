"""Flags; every change of one goes with its place in the flag's history and its audit row, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, TypedDict, cast

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.plan import PREFIX
from app.domain.switch import subject_of
from app.errors import BadInput, Conflict, NotFound, quoted
from app.store import audit, events
from app.store.db import Work
from app.store.tables import flag_history, flags

CLOCK = "the clock"
# Named, never `*`: processes live on while a migration adds a column, and PostgreSQL then refuses the plan they kept.
_COLUMNS = "key, definition, kind, owner, expires_on, version, changed_by, reason, changed_at, until, back"
_PAST = "key, version, at, actor, reason, before, after, until"


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


@dataclass(frozen=True, slots=True)
class _State:
    """All of a flag that a change changes, and that taking it back gives back."""

    definition: dict[str, Any]
    until: datetime | None
    back: dict[str, Any] | None
    expires_on: date


async def every(work: Work) -> list[FlagRow]:
    """Read all flags."""
    rows = await work.sql(f"SELECT {_COLUMNS} FROM flags ORDER BY key")  # noqa: S608 - constants
    return [_row(row) for row in rows.mappings()]


async def one(work: Work, key: str, *, lock: bool = False) -> FlagRow | None:
    """Read one flag; None where there is none. With `lock` nobody else changes it in this transaction."""
    statement = f"SELECT {_COLUMNS} FROM flags WHERE key = :key{' FOR UPDATE' if lock else ''}"  # noqa: S608 - constants
    found = (await work.sql(statement, key=key)).mappings().first()
    return _row(found) if found else None


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
    statement = f"SELECT {_PAST} FROM flag_history WHERE key = :key ORDER BY version DESC LIMIT :limit"  # noqa: S608
    rows = await work.sql(statement, key=key, limit=limit)
    return [PastRow(**row) for row in rows.mappings()]  # type: ignore[typeddict-item]


async def change(work: Work, key: str, change: Change) -> FlagRow:
    """Store a flag's new definition, and give the row as it stood before.

    Raises NotFound, Conflict when somebody has changed it since the version that the change is meant for, and BadInput
    for an end after which there is nothing to go back to.
    """
    row = await _locked(work, key, version=change.version)
    back = await _back(work, row, change.definition) if change.until else None
    await _store(work, row, _State(change.definition, change.until, back, row["expires_on"]), change.by, change.because)
    return row


async def undo(work: Work, key: str, *, version: int, by: str, because: str) -> None:
    """Give a flag back all that it was before the change that made this version: what it said, until when, its day.

    Raises NotFound, and Conflict when it stands at another version, or as it was from the start.
    """
    row = await _locked(work, key, version=version)
    newest = select(flag_history).where(flag_history.c.key == key, flag_history.c.version == version)
    past = (await work.run(newest)).mappings().first()
    former = _former(dict(past), row) if past else None
    if former is None or former == _state(row):
        raise Conflict(f"{quoted(key)} is as it was before, or from the start; there is nothing to undo.")
    await _store(work, row, former, by, because)


async def _locked(work: Work, key: str, *, version: int | None) -> FlagRow:
    row = await one(work, key, lock=True)
    if row is None:
        raise NotFound(f"There is no flag {quoted(key)}.")
    if row["until"] is not None and row["until"] <= datetime.now(UTC):
        row = await _settled(work, row)
    if version is not None and version != row["version"]:
        raise Conflict(f"{row['changed_by']} has changed this meanwhile ({row['reason']}); look at it again.")
    return row


def _state(row: FlagRow) -> _State:
    return _State(row["definition"], row["until"], row["back"], row["expires_on"])


async def _back(work: Work, row: FlagRow, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Give what holds once a change has ended; never what it says itself, or its end would change nothing."""
    # What a change with an end goes back to is what stood before the first of them.
    for stood in (row["back"], row["definition"]):
        if stood is not None and stood != definition:
            return stood
    # It said so already, without an end: what it said before that.
    said = select(flag_history.c.after).where(flag_history.c.key == row["key"], flag_history.c.after != definition)
    if row["kind"] == "boolean":
        said = said.where(flag_history.c.after["defaultVariant"].astext != str(definition.get("defaultVariant")))
    found: dict[str, Any] | None = (await work.run(said.order_by(flag_history.c.version.desc()).limit(1))).scalar()
    if found is not None:
        return found
    variants = definition["variants"]
    if row["kind"] == "boolean" and (other := [name for name in variants if name != definition.get("defaultVariant")]):
        return {**definition, "defaultVariant": other[0]}
    raise BadInput(
        f"{row['key']} says this already, and has never said anything else: nothing could hold after the end.",
        errors=[{"field": "until", "wrong": "nothing to go back to"}],
    )


def _former(past: Mapping[str, Any], row: FlagRow) -> _State | None:
    if past["before"] is None:
        return None
    definition, until, back = past["before"], past["before_until"], past["before_back"]
    if until is not None and until <= datetime.now(UTC):
        # It would have ended by now; but what the clock has ended is wanted again, until somebody acts.
        definition, until, back = definition if past["actor"] == CLOCK else back, None, None
    return _State(definition, until, back, past["before_expires_on"] or row["expires_on"])


async def _store(work: Work, row: FlagRow, state: _State, by: str, because: str) -> None:
    key, version = row["key"], row["version"] + 1
    now = {"definition": state.definition, "until": state.until, "back": state.back, "expires_on": state.expires_on}
    made = {"version": version, "changed_by": by, "reason": because, "changed_at": datetime.now(UTC)}
    await work.run(flags.update().where(flags.c.key == key), {**now, **made})
    await _remember(work, row, state, by, because)
    before, after = _noted(row, state)
    await audit.note(work, actor=by, action="flag.change", subject=key, reason=because, before=before, after=after)
    if _state(row) != replace(state, expires_on=row["expires_on"]):
        await _emit(work, row, state, by, because)


async def _remember(work: Work, row: FlagRow, state: _State, by: str, because: str) -> None:
    stood = {f"before_{name}": row[name] for name in ("until", "back", "expires_on")}
    said = {"before": row["definition"], "after": state.definition, "until": state.until}
    past = {"key": row["key"], "version": row["version"] + 1, "actor": by, "reason": because}
    await work.run(flag_history.insert(), {**past, **said, **stood})


def _noted(row: FlagRow, state: _State) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give before and after for the audit: definitions, with an end where there is one, and the day if it moved."""
    noted = []
    for one in (_state(row), state):
        end = {"until": one.until.isoformat()} if one.until else {}
        day = {"expires_on": str(one.expires_on)} if row["expires_on"] != state.expires_on else {}
        noted.append(one.definition | end | day)
    return noted[0], noted[1]


async def _emit(work: Work, row: FlagRow, state: _State, by: str, because: str) -> None:
    key = row["key"]
    # A rollout tells of itself, in its own words.
    if key.startswith(PREFIX):
        return
    told = {"before": row["definition"].get("defaultVariant"), "after": state.definition.get("defaultVariant")}
    told |= {"until": state.until, "by": by, "reason": because}
    if not (subject := subject_of(key)):
        await events.emit(work, "flag.changed", subject=f"flags/{key}", data={**told, "flag": key})
        return
    usecase = subject if key == f"usecase.{subject}.enabled" else ""
    await events.emit(
        work, "switch.flipped", subject=f"switches/{key}", data={**told, "switch": subject}, usecase=usecase
    )


async def review(work: Work, key: str, day: date, *, by: str, because: str) -> None:
    """Give a flag another day of review; what it says stays. Raises NotFound."""
    row = await one(work, key, lock=True)
    if row is None:
        raise NotFound(f"There is no flag {quoted(key)}.")
    await work.sql("UPDATE flags SET expires_on = :day, version = version + 1 WHERE key = :key", key=key, day=day)
    await _remember(work, row, replace(_state(row), expires_on=day), by, f"to be reviewed by {day}: {because}")
    days = {"before": {"expires_on": str(row["expires_on"])}, "after": {"expires_on": str(day)}}
    await audit.note(work, actor=by, action="flag.review", subject=key, reason=because, **days)


async def settle(work: Work) -> list[str]:
    """Write down the changes whose end has come: each flag goes back to what stood before; gives their keys."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM flags WHERE until <= now() AND back IS NOT NULL"  # noqa: S608 - constants
        " ORDER BY key FOR UPDATE SKIP LOCKED"
    )
    found = [_row(row) for row in rows.mappings().all()]
    return [(await _settled(work, row))["key"] for row in found]


async def _settled(work: Work, row: FlagRow) -> FlagRow:
    assert row["back"] is not None, "a change with an end has something to go back to"
    because = f"the time set by {row['changed_by']} was over: {row['reason']}"
    await _store(work, row, _State(row["back"], None, None, row["expires_on"]), CLOCK, because)
    return {**row, "definition": row["back"], "version": row["version"] + 1, "until": None, "back": None}
