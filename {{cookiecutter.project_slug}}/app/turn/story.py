"""What happened in a turn or a conversation, as a given person may know it now."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domain.identity import Permission, Principal
from app.domain.outcome import Outcome
from app.domain.usecase import UseCase
from app.errors import NotFound
from app.store import actions, evidence, ledger, quoting, sessions
from app.store.db import Database
from app.store.quoting import WITHHELD
from app.store.sessions import SessionRow
from app.turn.disclosure import disclosure, of_story
from app.turn.sight import Sight, shown, sight

HELD_BACK = "(held back: a check objected to it, or a person decides on it first)"
# What the ledger keeps of these turns is a draft that its asker was not given.
UNSEEN = {Outcome.REFUSED_CHECK, Outcome.ESCALATED_REVIEW}


async def told_to(
    who: Principal, database: Database, turn_id: UUID, *, usecases: Mapping[str, UseCase]
) -> dict[str, Any]:
    """Give the story of a turn: one's own, but for a draft that was held back from its asker.

    Another's needs turns.read_all, and that the use case shows it to this person; one whose contract is gone shows it
    to nobody. Cost and evidence are shown by `disclosure`. The answer, the asker's own too, needs rights to everything
    that it stands on. Of documents that this person may not read at this moment it names and counts nothing; to the
    asker it says how many are no longer readable.

    Raises NotFound for a turn that does not exist, or that this person may not know of.
    """
    reads_all = who.may(Permission.READ_ALL_TURNS)
    async with database.work(claims=who.claims) as work:
        found = await ledger.story(work, turn_id, user_id=None if reads_all else who.user_id)
        access = usecases[found["usecase"]].contract.access if found["usecase"] in usecases else None
        if found["user_id"] != who.user_id and not (access and access.shows_others(who)):
            raise NotFound("There is no turn with this id that you may see.")
        found["actions"] = await actions.of_turn(work, turn_id)
        seen = await sight(work, who, found)
        hidden = await quoting.withheld(work, [turn_id], claims=who.claims)
    told = of_story(shown(found, seen), disclosure(who, access))
    if found["outcome"] in UNSEEN and not reads_all:
        return {**told, "answer": HELD_BACK, "data": None}
    if not hidden:
        return told
    # What a model looked up with, and what a check quotes, may be from the same documents.
    tools = [{**use, "arguments": {}} for use in told["tools"]]
    findings = [{**finding, "detail": WITHHELD} for finding in told["findings"]]
    return {**told, "answer": WITHHELD, "data": None, "tools": tools, "findings": findings}


async def conversation(who: Principal, database: Database, session_id: UUID) -> tuple[SessionRow, list[dict[str, Any]]]:
    """Give one of this person's conversations, without what stands on documents that they may no longer read.

    Raises NotFound.
    """
    async with database.work(claims=who.claims) as work:
        row, said = await sessions.transcript(work, session_id, user_id=who.user_id)
        cited = {UUID(citation["document_id"]) for message in said for citation in message["citations"]}
        seen = Sight(is_own=True, titles=await evidence.readable(work, cited, claims=who.claims))
        answers = {message["turn_id"] for message in said if message["role"] == "assistant"}
        hidden = await quoting.withheld(work, answers, claims=who.claims)
    return row, [_heard(message, seen, hidden) for message in said]


def _heard(message: dict[str, Any], seen: Sight, hidden: set[UUID]) -> dict[str, Any]:
    if message["role"] == "assistant" and message["turn_id"] in hidden:
        message = {**message, "text": WITHHELD}
    return {**message, "citations": seen.only_seen(message["citations"])}
