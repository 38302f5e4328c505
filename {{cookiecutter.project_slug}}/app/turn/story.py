"""What happened in a turn or a conversation, as a given person may know it now."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domain import rollout
from app.domain.identity import Permission, Principal
from app.domain.outcome import Outcome
from app.domain.usecase import UseCase
from app.errors import NotFound
from app.store import actions, evidence, feedback, ledger, quoting, review_news, sessions
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
        is_own = found["user_id"] == who.user_id
        found["reviews"] = await review_news.of_turn(work, turn_id, is_own=is_own)
        seen = await sight(work, who, found)
        hidden = await quoting.withheld(work, [turn_id], claims=who.claims)
    told = of_story(shown(found, seen), disclosure(who, access))
    if hidden:
        told["reviews"] = [{**each, "answer": each["answer"] and WITHHELD, "data": None} for each in told["reviews"]]
    told = _as_decided(told, is_own=is_own, reads_all=reads_all)
    if not hidden or told["answer"] == HELD_BACK:
        return told
    # What a model looked up with, and what a check quotes, may be from the same documents.
    tools = [{**use, "arguments": {}} for use in told["tools"]]
    findings = [{**finding, "detail": WITHHELD} for finding in told["findings"]]
    return {**told, "answer": WITHHELD, "data": None, "tools": tools, "findings": findings}


def _as_decided(told: dict[str, Any], *, is_own: bool, reads_all: bool) -> dict[str, Any]:
    """Give the asker what a person decided that they get; others what was drafted, where they may see drafts."""
    decision = review_news.standing_answer(told["reviews"]) if is_own else None
    if decision and decision["status"] == "approved":
        return {**told, "answer": decision["answer"], "data": decision["data"]}
    is_unseen = told["outcome"] in UNSEEN or told["arm"] == rollout.UNSEEN or decision is not None
    return {**told, "answer": HELD_BACK, "data": None} if is_unseen and not reads_all else told


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
        known = await sessions.facts(work, answers)
        opinions = await feedback.given(work, answers, user_id=who.user_id)
    for id, opinion in opinions.items():
        known[id] = {**known.get(id, {}), "thumbs": opinion.thumbs, "correction": opinion.correction}
    return row, [_heard(message, seen, hidden, known) for message in said]


def _heard(
    message: dict[str, Any], seen: Sight, hidden: set[UUID], known: Mapping[UUID, Mapping[str, Any]]
) -> dict[str, Any]:
    if message["role"] == "assistant":
        message = {**message, **known.get(message["turn_id"], {})}
        if message["turn_id"] in hidden:
            message["text"] = WITHHELD
    return {**message, "citations": seen.only_seen(message["citations"])}
