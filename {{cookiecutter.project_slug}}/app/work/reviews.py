"""The reviewers' part: see what waits, decide with a reason; what is approved to be done is queued with it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import structlog

from app.domain.identity import Principal
from app.domain.masking import unmasked
from app.domain.review import ensure_free, ensure_reviewer, holds_back, is_overdue
from app.domain.tool import BadArguments
from app.domain.usecase import UseCase, second_person
from app.errors import AppError, BadInput, Conflict, Forbidden
from app.guard.privacy import Privacy
from app.store import actions, jobs, kept_answers, quoting, review_evidence, review_news, reviews
from app.store.db import Database, Work
from app.store.reviews import ANY, Narrow
from app.store.shared import Shared, SharedAway
from app.telemetry import metrics, tracing
from app.work import capture
from app.work.behind import Behind
from app.work.outbox import Relay
from app.work.review_masking import behind_placeholders
from app.work.review_sight import as_seen, changed, covered_uses, digest, for_the_asker, without_quotes

log = structlog.get_logger(__name__)
LOOK_FIRST = (
    "Say with `seen` what you looked at: the `digest` of GET /v1/admin/reviews/{review_id},"
    " or at the terminal `app review REVIEW_ID`, then `--seen`."
)


@dataclass(frozen=True, slots=True)
class Reviews:
    """Answers, and uses of tools with effects, that wait for a person; `behind` tells who may have asked.

    `privacy` finds personal data in what reviewers type.
    """

    database: Database
    usecases: Mapping[str, UseCase]
    relay: Relay
    shared: Shared
    behind: Behind
    privacy: Privacy

    async def waiting(
        self, who: Principal, *, status: str = "open", narrow: Narrow = ANY, limit: int = 200, offset: int = 0
    ) -> list[dict[str, Any]]:
        """List what waits, the most urgent first, or what was decided, the newest first. Raises Forbidden.

        Of a draft that stands on documents which this reviewer may not read, only who asked what is told.
        """
        ensure_reviewer(who, program=True)
        async with self.database.work(claims=who.claims) as work:
            found = await reviews.listed(work, status=status, limit=limit, offset=offset, narrow=narrow)
            return await self._told(work, who, found)

    async def one(self, who: Principal, review_id: UUID) -> dict[str, Any]:
        """Give a review with its passages, what checks found, and what was done so far. Raises Forbidden, NotFound.

        `hindrance` says why this person cannot decide on it; empty where they can.
        """
        ensure_reviewer(who, program=True)
        async with self.database.work(claims=who.claims) as work:
            review = await reviews.get(work, review_id, lock=False)
            (told,) = await self._told(work, who, [review])
            shown = None if told["withheld"] else await review_evidence.of(work, review["turn_id"], claims=who.claims)
            history = [] if told["withheld"] else await review_evidence.history(work, review_id)
            hindrance = await self._hindrance(work, who, told)
        return {**told, "evidence": shown, "history": history, "hindrance": hindrance}

    async def decide(
        self, who: Principal, review_id: UUID, *, approve: bool, because: str, edited: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Approve, perhaps with another `text`, `data`, or `arguments` by the place of an action; or reject.

        `edited` may also hold a `note` to the asker, `capture` (make it a case of the evaluation) and `seen`, the
        digest of what was shown: what tools would do is approved by it alone. The reason is kept; approved actions are
        queued in the same transaction. Where the contract asks for a second person, and where arguments are changed,
        what the first would approve is put forward and waits for another one.
        Raises Forbidden (also when the draft stands on documents that this reviewer may not read), BadInput, Conflict.
        """
        ensure_reviewer(who)
        because, edited = reason(because), edited or {}
        if "\\u0000" in json.dumps(edited, default=str):
            raise BadInput("The character U+0000 is not allowed.")
        async with self.database.work(claims=who.claims) as work:
            review = await self.held(work, who, review_id)
            if edited.get("seen") and edited["seen"] != digest(review):
                raise Conflict("This was changed since you looked at it: look again before you decide.")
            decision = _decision(who, review, approve=approve, because=because, edited=edited)
            usecase = self.usecases.get(review["usecase"])
            decision = await behind_placeholders(self.privacy, usecase, review, decision)
            pending = [each for each in review["actions"] if each["status"] in actions.UNDECIDED]
            if approve and pending and not edited.get("seen"):
                raise BadInput(LOOK_FIRST, errors=[{"field": "seen", "wrong": "empty"}])
            self._check(review, pending, decision.arguments)
            if decision.approve and self._needs_another(review, decision):
                return as_seen(who, await reviews.put_forward(work, review_id, decision)) | {"withheld": False}
            job_id = uuid4() if approve and pending else None
            decided = await reviews.decide(work, review_id, decision, job_id=job_id)
            if job_id:
                await jobs.add(work, job_id, _order(review, total=len(pending)), trace=tracing.inject())
                work.after_commit.append(self.relay.soon)
            text = for_the_asker(decided, usecase)
            await review_news.decided(work, decided, text=text)
            if text is not None and not holds_back(decided):
                work.after_commit.append(self._forgotten(decided))
            if edited.get("capture"):
                await _captured(work, decided)
            work.after_commit.append(_counted(decided))
        return as_seen(who, decided)

    async def reopen(self, who: Principal, review_id: UUID, *, because: str) -> dict[str, Any]:
        """Take a decision back: it waits again, and the asker reads what they read before. Raises Forbidden, Conflict.

        A case of the evaluation that it became is only proposed from then on. What a tool has done, or is doing, is not
        taken back.
        """
        ensure_reviewer(who)
        async with self.database.work(claims=who.claims) as work:
            review = await reviews.get(work, review_id)
            await self.behind.ensure_other(work, who.user_id, review["asker"])
            await self._ensure_readable(work, who, review)
            opened = await reviews.reopen(work, review_id, by=who.user_id, because=reason(because))
            await capture.take_back(work, review["turn_id"], by=who.user_id, because=reason(because))
            await review_news.put(work, opened, text=for_the_asker(opened, self.usecases.get(review["usecase"])))
        return as_seen(who, opened)

    def _forgotten(self, review: Mapping[str, Any]) -> Callable[[], Awaitable[None]]:
        """Have nobody told again what a person has just corrected or withdrawn."""

        async def forget() -> None:
            try:
                await kept_answers.drop_told(self.shared, review["turn_id"], review["draft"])
            except SharedAway:
                log.warning("review.answer_still_kept", review_id=str(review["id"]), usecase=review["usecase"])

        return forget

    async def held(self, work: Work, who: Principal, review_id: UUID) -> dict[str, Any]:
        """Give a review, locked, on which this person may decide now. Raises Forbidden, Conflict, NotFound."""
        review = await reviews.get(work, review_id)
        await self._ensure_readable(work, who, review)
        await self.behind.ensure_other(work, who.user_id, review["asker"])
        if review["status"] != "open":
            raise Conflict(f"This was {review['status']} by {review['decided_by']}.")
        ensure_free(review, who.user_id, now=datetime.now(UTC))
        return review

    async def _ensure_readable(self, work: Work, who: Principal, review: Mapping[str, Any]) -> None:
        if await quoting.withheld(work, [review["turn_id"]], claims=who.claims):
            raise Forbidden("The draft stands on documents that you may not read; a reviewer who may has to decide.")

    async def _told(self, work: Work, who: Principal, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        hidden = await quoting.withheld(work, {review["turn_id"] for review in found}, claims=who.claims)
        now = datetime.now(UTC)
        told = [{**as_seen(who, review), "overdue": is_overdue(review, now=now)} for review in found]
        return [
            without_quotes(review) if review["turn_id"] in hidden else {**review, "withheld": False} for review in told
        ]

    async def _hindrance(self, work: Work, who: Principal, review: Mapping[str, Any]) -> str:
        try:
            ensure_reviewer(who)
            await self.behind.ensure_other(work, who.user_id, review["asker"])
            ensure_free(review, who.user_id, now=datetime.now(UTC))
        except AppError as error:
            return error.detail
        return "The draft stands on documents that you may not read." if review["withheld"] else ""

    def _needs_another(self, review: Mapping[str, Any], decision: reviews.Decision) -> bool:
        rule = second_person(self.usecases.get(review["usecase"]))
        # What a tool will do is never one person's word alone, whatever the contract says.
        is_written = bool(decision.arguments) or (rule != "never" and decision.edits)
        return is_written or (rule == "always" and review["put_forward_by"] is None)

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


def reason(because: str) -> str:
    """Give the reason, without space around it. Raises BadInput for an empty one."""
    if not because.strip():
        raise BadInput("Say why: the reason is kept with the decision.", errors=[{"field": "reason", "wrong": "empty"}])
    return because.strip()


def _decision(
    who: Principal, review: Mapping[str, Any], *, approve: bool, because: str, edited: Mapping[str, Any]
) -> reviews.Decision:
    note = str(edited.get("note") or "").strip()
    if not approve:
        if edited.get("capture"):
            raise BadInput("A rejected draft says no right answer: correct and approve it to make it a case.")
        return reviews.Decision(who.user_id, approve, because, note=note)
    new = changed(as_seen(who, review), edited)
    # What is done is done with the real data, whatever its reviewer may see.
    masks = covered_uses(review)[1]
    uses = {place: unmasked(arguments, masks) for place, arguments in new["arguments"].items()}
    return reviews.Decision(who.user_id, approve, because, new["text"], new["data"], uses, note)


async def _captured(work: Work, review: Mapping[str, Any]) -> None:
    expected = review["final"] if review["final_data"] is None else review["final_data"]
    await capture.propose(work, review["turn_id"], kind="review", expected=expected, by=review["decided_by"])


def _counted(review: Mapping[str, Any]) -> Callable[[], Awaitable[None]]:
    waited_s = (review["decided_at"] - review["created_at"]).total_seconds()

    async def count() -> None:
        metrics.record_review(review["usecase"], review["kind"], review["status"], waited_s)

    return count


def _order(review: Mapping[str, Any], *, total: int) -> jobs.Order:
    what = {"review_id": str(review["id"])}
    return jobs.Order("actions", review["usecase"], review["asker"], tuple(review["asker_groups"]), what, total=total)
