"""Legal holds: data of a person, a use case or a time that is neither erased nor expired until somebody releases it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from app.errors import Conflict, Held, NotFound
from app.store import audit
from app.store.db import Work

_IN_FORCE = "h.released_at IS NULL AND (h.ends_at IS NULL OR h.ends_at > now())"


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held: what is not stated covers everything; `told` is what the person may be told of the reason.

    `since` and `until` bound the time of the data; `ends_at` is when the hold ends by itself.
    """

    reason: str
    told: str
    user_id: str = ""
    usecase: str = ""
    since: datetime | None = None
    until: datetime | None = None
    ends_at: datetime | None = None


async def place(work: Work, hold: Hold, *, by: str) -> UUID:
    """Put a hold in force, with its audit entry."""
    id = uuid4()
    values = {name: getattr(hold, name) for name in Hold.__slots__}
    await work.sql(
        "INSERT INTO holds (id, user_id, usecase, since, until, reason, told, placed_by, ends_at) VALUES"
        " (:id, :user_id, :usecase, :since, :until, :reason, :told, :by, :ends_at)",
        **values,
        id=id,
        by=by,
    )
    about = {name: str(value) for name, value in values.items() if value and name not in ("reason", "told", "user_id")}
    about["of"] = "a person" if hold.user_id else "everybody"
    await audit.note(work, actor=by, action="hold.placed", subject=f"hold:{id}", reason=hold.reason, after=about)
    return id


async def release(work: Work, id: UUID, *, by: str, because: str) -> None:
    """End a hold; what it kept is due again. Raises NotFound, and Conflict when it has ended before."""
    rows = await work.sql("SELECT released_at FROM holds WHERE id = :id FOR UPDATE", id=id)
    row = rows.first()
    if row is None:
        raise NotFound("There is no hold with this id.")
    if row.released_at is not None:
        raise Conflict("This hold was released before.")
    await work.sql(
        "UPDATE holds SET released_by = :by, released_because = :because, released_at = now() WHERE id = :id",
        id=id,
        by=by,
        because=because,
    )
    held = {"before": {"in_force": True}, "after": {"in_force": False}}
    await audit.note(work, actor=by, action="hold.released", subject=f"hold:{id}", reason=because, **held)


async def listed(work: Work, *, user_id: str = "") -> list[dict[str, Any]]:
    """List holds, those in force first, then the newest; with `user_id` only those that name this person."""
    rows = await work.sql(
        f"SELECT h.*, {_IN_FORCE} AS in_force FROM holds h"  # noqa: S608 - a constant
        " WHERE :user_id = '' OR h.user_id = :user_id ORDER BY in_force DESC, placed_at DESC LIMIT 500",
        user_id=user_id,
    )
    return [dict(row) for row in rows.mappings()]


async def on(work: Work, user_id: str) -> Sequence[str]:
    """Give what this person may be told of each hold that covers something of theirs; none when nothing is held."""
    return list((await work.sql("SELECT holds_on(:user_id)", user_id=user_id)).scalars())


async def refuse(work: Work, user_id: str) -> None:
    """Raise Held, with what may be told, where something of this person is held."""
    if told := await on(work, user_id):
        raise Held(f"This data must be kept for now: {'; '.join(dict.fromkeys(told))}.")


async def refuse_one(work: Work, user_id: str, usecase: str, *, span: tuple[datetime, datetime]) -> None:
    """Raise Held where a hold covers one thing of this person, which lasted from the first time to the second."""
    rows = await work.sql(
        f"SELECT h.told FROM holds h WHERE {_IN_FORCE} AND h.user_id IN ('', :user_id)"  # noqa: S608 - a constant
        " AND h.usecase IN ('', :usecase) AND (h.since IS NULL OR h.since <= :last)"
        " AND (h.until IS NULL OR h.until > :first) ORDER BY h.placed_at LIMIT 1",
        user_id=user_id,
        usecase=usecase,
        first=span[0],
        last=span[1],
    )
    if (told := rows.scalar()) is not None:
        raise Held(f"This must be kept for now: {told}.")
