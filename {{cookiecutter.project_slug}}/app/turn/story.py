"""What happened in a turn, as a given person may know it."""

from typing import Any
from uuid import UUID

from app.domain.identity import Permission, Principal
from app.domain.outcome import Outcome
from app.store import actions, ledger
from app.store.db import Database

WITHHELD = "(withheld: it stands on documents that you may not read)"
HELD_BACK = "(held back: a check objected to it, or a person decides on it first)"
# What the ledger keeps of these turns is a draft that its asker was not given.
UNSEEN = {Outcome.REFUSED_CHECK, Outcome.ESCALATED_REVIEW}


async def told_to(who: Principal, database: Database, turn_id: UUID) -> dict[str, Any]:
    """Give the story of a turn: one's own, but for a draft that was held back from its asker.

    Another's needs turns.read_all, and rights to what its answer quotes.

    Raises NotFound for a turn that does not exist, or that this person may not know of.
    """
    async with database.work() as work:
        found = await ledger.story(work, turn_id, user_id=None if who.may(Permission.READ_ALL_TURNS) else who.user_id)
        found["actions"] = await actions.of_turn(work, turn_id)
    if found["outcome"] in UNSEEN and not who.may(Permission.READ_ALL_TURNS):
        return {**found, "answer": HELD_BACK, "data": None}
    if found["user_id"] == who.user_id or all(_may_read(who, passage) for passage in found["passages"]):
        return found
    # What a model looked up with may quote the same documents.
    tools = [{**use, "arguments": {}} for use in found["tools"]]
    return {**found, "answer": WITHHELD, "data": None, "tools": tools}


def _may_read(who: Principal, passage: dict[str, Any]) -> bool:
    return bool(set(passage["visible_by"]) & set(who.readers))
