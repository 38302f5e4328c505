"""The reviewers' part: see what waits, decide with a reason; what is approved to be done is queued with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from app.domain.identity import Permission, Principal
from app.domain.masking import unmasked
from app.domain.tool import BadArguments
from app.domain.usecase import UseCase
from app.errors import BadInput, Forbidden
from app.store import actions, jobs, quoting, reviews
from app.store.db import Database, Work
from app.store.quoting import WITHHELD
from app.telemetry import tracing
from app.work.outbox import Relay


@dataclass(frozen=True, slots=True)
class Reviews:
    """Answers, and uses of tools with effects, that wait for a person."""

    database: Database
    usecases: Mapping[str, UseCase]
    relay: Relay

    async def waiting(self, who: Principal, *, status: str = "open") -> list[dict[str, Any]]:
        """List what waits, the oldest first. Raises Forbidden.

        Of a draft that stands on documents which this reviewer may not read, only who asked what is told.
        """
        self._may(who)
        async with self.database.work(claims=who.claims) as work:
            found = [_as_seen(who, review) for review in await reviews.listed(work, status=status)]
            return await self._told(work, who, found)

    async def decide(
        self, who: Principal, review_id: UUID, *, approve: bool, because: str, edited: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Approve, perhaps with another `text`, `data`, or `arguments` by the place of an action; or reject.

        The reason is kept; approved actions are queued in the same transaction. Raises Forbidden (also when
        the draft stands on documents that this reviewer may not read), BadInput, Conflict.
        """
        self._may(who)
        if not because.strip():
            raise BadInput(
                "Say why: the reason is kept with the decision.", errors=[{"field": "reason", "wrong": "empty"}]
            )
        edited = edited or {}
        if "\\u0000" in json.dumps(edited, default=str):
            raise BadInput("The character U+0000 is not allowed.")
        arguments: Mapping[int, Mapping[str, Any]] = edited.get("arguments") or {}
        decision = reviews.Decision(
            who.user_id, approve, because.strip(), edited.get("text"), edited.get("data"), arguments if approve else {}
        )
        async with self.database.work(claims=who.claims) as work:
            review = await reviews.get(work, review_id)
            if await quoting.withheld(work, [review["turn_id"]], claims=who.claims):
                raise Forbidden(
                    "The draft stands on documents that you may not read; a reviewer who may has to decide."
                )
            pending = [each for each in review["actions"] if each["status"] in actions.UNDECIDED]
            self._check(review, pending, decision.arguments)
            job_id = uuid4() if approve and pending else None
            decided = await reviews.decide(work, review_id, decision, job_id=job_id)
            if job_id:
                await jobs.add(work, job_id, _order(review, total=len(pending)), trace=tracing.inject())
                work.after_commit.append(self.relay.soon)
        return _as_seen(who, decided)

    async def _told(self, work: Work, who: Principal, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        hidden = await quoting.withheld(work, {review["turn_id"] for review in found}, claims=who.claims)
        return [
            _without_quotes(review) if review["turn_id"] in hidden else {**review, "withheld": False}
            for review in found
        ]

    def _check(
        self, review: Mapping[str, Any], pending: list[dict[str, Any]], edited: Mapping[int, Mapping[str, Any]]
    ) -> None:
        tools = {tool.name: tool for tool in self.usecases[review["usecase"]].tools} if pending else {}
        by_place = {each["ordinal"]: each["tool"] for each in pending}
        faults = []
        for place, arguments in edited.items():
            tool = tools.get(by_place.get(place, ""))
            try:
                if tool is None:
                    raise BadArguments(f"nothing waits at this place; there are: {list(by_place)}")
                tool.check(arguments)
            except BadArguments as error:
                faults.append({"field": f"arguments.{place}", "wrong": str(error)})
        if faults:
            raise BadInput("; ".join(f"{fault['field']}: {fault['wrong']}" for fault in faults), errors=faults)

    def _may(self, who: Principal) -> None:
        if not who.may(Permission.DECIDE_REVIEWS):
            raise Forbidden("Deciding on reviews needs the permission reviews.decide.")


def _as_seen(who: Principal, review: Mapping[str, Any]) -> dict[str, Any]:
    """Give a review with its personal data for those who may see it, with its placeholders for others."""
    seen = {name: value for name, value in review.items() if name != "masks"}
    if not who.may(Permission.SEE_PERSONAL_DATA):
        return seen
    told = ("question", "draft", "data", "why", "final", "final_data")
    return seen | {name: unmasked(seen[name], review["masks"]) for name in told}


def _without_quotes(review: Mapping[str, Any]) -> dict[str, Any]:
    # Why it waits, its data and what tools were given may be words of the same documents.
    blank = {"proposed": {}, "arguments": {}, "result": "", "error": ""}
    return {
        **review,
        "draft": WITHHELD,
        "data": None,
        "why": "",
        "reason": None,
        "final": None if review["final"] is None else WITHHELD,
        "final_data": None,
        "actions": [{**each, **blank} for each in review["actions"]],
        "withheld": True,
    }


def _order(review: Mapping[str, Any], *, total: int) -> jobs.Order:
    what = {"review_id": str(review["id"])}
    return jobs.Order("actions", review["usecase"], review["asker"], tuple(review["asker_groups"]), what, total=total)
