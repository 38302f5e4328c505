"""What happened in a turn, as a given person may know it."""

from typing import Any
from uuid import UUID

from app.domain.identity import Permission, Principal
from app.store import ledger
from app.store.db import Database

WITHHELD = "(withheld: it stands on documents that you may not read)"


async def told_to(who: Principal, database: Database, turn_id: UUID) -> dict[str, Any]:
    """Give the story of a turn: one's own whole; another's needs turns.read_all, and rights to what its answer quotes.

    Raises NotFound for a turn that does not exist, or that this person may not know of.
    """
    async with database.work() as work:
        found = await ledger.story(work, turn_id, user_id=None if who.may(Permission.READ_ALL_TURNS) else who.user_id)
    if found["user_id"] == who.user_id or all(_may_read(who, passage) for passage in found["passages"]):
        return found
    return {**found, "answer": WITHHELD, "data": None}


def _may_read(who: Principal, passage: dict[str, Any]) -> bool:
    return bool(set(passage["visible_by"]) & set(who.readers))
