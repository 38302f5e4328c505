"""Events as receivers get them: CloudEvents 1.0 in JSON, with words only for those who may have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from app.control.people import People
from app.domain.event import without_words
from app.domain.identity import Permission
from app.errors import Forbidden
from app.store import quoting, sealed
from app.store.db import Database, Work
from app.store.deliveries import Letter
from app.store.webhooks import Maker, Receiver

MEDIA_TYPE = "application/cloudevents+json"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Puts events into their envelopes; `source` is the service's address, as receivers know it.

    Words are looked up when an event is sent: what was erased meanwhile does not leave, nor what the person who made
    the receiver may not read any more.
    """

    database: Database
    people: People
    source: str

    async def put(self, receiver: Receiver, letters: list[Letter]) -> dict[UUID, bytes]:
        """Give the body of each event for this receiver."""
        words = await self._words(receiver.maker, letters) if receiver.words else None
        return {letter.id: self._body(letter, words) for letter in letters}

    def _body(self, letter: Letter, words: Mapping[UUID, Row] | None) -> bytes:
        told = without_words(letter.data) if words is None else {**letter.data, **words.get(letter.id, {})}
        event = {
            "specversion": "1.0",
            "id": str(letter.id),
            "source": self.source,
            "type": letter.kind,
            "subject": letter.subject,
            "time": letter.at.isoformat(),
            "datacontenttype": "application/json",
            **({"usecase": letter.usecase} if letter.usecase else {}),
            "data": told,
        }
        return orjson.dumps(event)

    async def _words(self, maker: Maker, letters: list[Letter]) -> Mapping[UUID, Row] | None:
        """Give what was said, by event; None when the receiver's maker may not have words any more."""
        try:
            who = await self.people.principal(maker.user_id, groups=maker.groups, unit=maker.unit)
        except Forbidden:
            return None
        if not who.may(Permission.READ_ALL_TURNS):
            return None
        about = {letter.id: UUID(str(letter.data["turn_id"])) for letter in letters if letter.data.get("turn_id")}
        async with self.database.work(claims=who.claims) as work:
            hidden = await quoting.withheld(work, set(about.values()), claims=who.claims)
            answers = await _answers(work, [about[one.id] for one in letters if one.kind == "answer.given"])
            decisions = await _decisions(
                work, [UUID(str(one.data["review_id"])) for one in letters if one.kind == "review.decided"]
            )
        said: dict[UUID, Row] = {}
        for letter in letters:
            if letter.kind == "answer.given":
                said[letter.id] = _shown(answers.get(about[letter.id]), hidden=about[letter.id] in hidden)
            elif letter.kind == "review.decided":
                found = decisions.get(UUID(str(letter.data["review_id"])))
                said[letter.id] = _shown(found, hidden=about.get(letter.id) in hidden)
        return said


def _shown(found: Row | None, *, hidden: bool) -> Row:
    if found is None:
        return {}
    if not hidden:
        return found
    # What somebody asked stands on no document.
    return {name: quoting.WITHHELD if name in ("answer", "final") else said for name, said in found.items()}


async def _answers(work: Work, turn_ids: list[UUID]) -> dict[UUID, Row]:
    rows = await work.sql(
        "SELECT id, question, answer FROM turns WHERE id = ANY (CAST(:ids AS uuid[]))"
        " AND started_at > now() - interval '40 days'",
        ids=turn_ids,
    )
    return {row.id: {"question": row.question, "answer": row.answer} for row in rows}


async def _decisions(work: Work, review_ids: list[UUID]) -> dict[UUID, Row]:
    rows = await work.sql("SELECT id, final FROM reviews WHERE id = ANY (CAST(:ids AS uuid[]))", ids=review_ids)
    opened = [sealed.opened(work.seals, "reviews", row) for row in rows.mappings()]
    return {row["id"]: {"final": row["final"] or ""} for row in opened}
