"""Flags; every change of one goes with its audit row, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypedDict

from sqlalchemy.dialects.postgresql import insert as upsert

from app.store import audit
from app.store.db import Work
from app.store.tables import flags


class FlagRow(TypedDict):
    """A flag as it stands: `definition` is in flagd's JSON format."""

    key: str
    definition: dict[str, Any]
    owner: str
    expires_on: date
    version: int
    changed_by: str
    reason: str
    changed_at: datetime


async def every(work: Work) -> list[FlagRow]:
    """Read all flags."""
    rows = await work.sql("SELECT * FROM flags ORDER BY key")
    return [FlagRow(**row) for row in rows.mappings()]  # type: ignore[typeddict-item]


async def seed(work: Work, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add the flags that are not there yet; a flag that exists keeps its value."""
    if rows:
        await work.run(upsert(flags).on_conflict_do_nothing(), list(rows))


async def change(work: Work, key: str, definition: dict[str, Any], *, by: str, because: str) -> None:
    """Store a flag's new definition with its audit row."""
    row = (await work.sql("SELECT * FROM flags WHERE key = :key FOR UPDATE", key=key)).mappings().one()
    await work.run(
        flags.update().where(flags.c.key == key),
        {
            "definition": definition,
            "version": row["version"] + 1,
            "changed_by": by,
            "reason": because,
            "changed_at": datetime.now().astimezone(),
        },
    )
    change_ = {"before": row["definition"], "after": definition}
    await audit.note(work, actor=by, action="flag.change", subject=key, reason=because, **change_)
