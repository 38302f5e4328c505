"""In whose hands a review is: take it, give it back, hand it to somebody; and what an asker complains about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.domain.access import is_name
from app.domain.identity import Permission, Principal
from app.domain.masking import with_unknown, without_unknown
from app.domain.review import ensure_person, ensure_reviewer, holds_back, is_program, person
from app.domain.usecase import UseCase, second_person
from app.errors import BadInput, Conflict, Forbidden
from app.guard.pii import masked
from app.guard.privacy import Privacy
from app.store import audit, events, ledger, review_evidence, review_queue, reviews
from app.store.db import Database, Work
from app.store.reviews import Opening
from app.work import capture
from app.work.review_sight import as_seen
from app.work.reviews import Reviews, reason

FARTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class ReviewDesk:
    """Hands reviews out, and takes complaints in."""

    database: Database
    usecases: Mapping[str, UseCase]
    reviews: Reviews
    privacy: Privacy

    async def take(self, who: Principal, review_id: UUID) -> dict[str, Any]:
        """Have a review for oneself for as long as the contract says; again is longer. Raises Forbidden, Conflict."""
        ensure_reviewer(who)
        async with self.database.work(claims=who.claims) as work:
            review = await self.reviews.held(work, who, review_id)
            usecase = self.usecases.get(review["usecase"])
            minutes = usecase.contract.reviews.lease_minutes if usecase else 15
            until = await review_queue.take(work, review_id, by=who.user_id, minutes=minutes)
            if review["taken_by"] != who.user_id or review["taken_until"] < datetime.now(UTC):
                await audit.note(work, actor=who.user_id, action="review.taken", subject=str(review_id),
                                 reason="to decide on it", before={"taken_by": review["taken_by"]},
                                 after={"taken_by": who.user_id, "until": until.isoformat()})  # fmt: skip
            return as_seen(who, await reviews.get(work, review_id))

    async def release(self, who: Principal, review_id: UUID) -> dict[str, Any]:
        """Give back what one has taken. Raises Forbidden, NotFound, and Conflict where one has it not."""
        ensure_reviewer(who)
        async with self.database.work(claims=who.claims) as work:
            review = await reviews.get(work, review_id)
            if not await review_queue.release(work, review_id, by=who.user_id):
                raise Conflict("You have not taken this, or not any more.")
            before, after = {"taken_by": who.user_id}, {"taken_by": None}
            await audit.note(work, actor=who.user_id, action="review.released", subject=str(review_id),
                             reason="given back", before=before, after=after)  # fmt: skip
            return as_seen(who, {**review, "taken_by": None, "taken_until": None})

    async def assign(
        self, who: Principal, review_id: UUID, changed: Mapping[str, Any], *, because: str
    ) -> dict[str, Any]:
        """Say who is to decide, how urgent it is, or until when: `assigned_to` (None: anybody), `priority`, `due_at`.

        Raises Forbidden, BadInput, Conflict, NotFound.
        """
        ensure_person(who)
        if not who.may(Permission.ASSIGN_REVIEWS):
            raise Forbidden("Handing out reviews needs the permission reviews.assign.")
        # Anybody may be to decide; a deadline and a priority there is always.
        named = {name: changed[name] for name in review_queue.PLAN if name in changed}
        wanted = {name: value for name, value in named.items() if value is not None or name == "assigned_to"}
        because = reason(because)
        async with self.database.work() as work:
            review = await reviews.get(work, review_id)
            if not wanted:
                raise BadInput("Say what changes: assigned_to, priority or due_at.")
            if review["status"] != "open":
                raise Conflict(f"This was {review['status']} by {review['decided_by']}.")
            await self._ensure_able(work, review, wanted.get("assigned_to"))
            if "due_at" in wanted and abs(wanted["due_at"] - datetime.now(UTC)) > FARTHEST:
                raise BadInput("A deadline is at most a year away.")
            await review_queue.plan(work, review, wanted, by=who.user_id, because=because)
            return as_seen(who, await reviews.get(work, review_id))

    async def _ensure_able(self, work: Work, review: Mapping[str, Any], to: str | None) -> None:
        if to is None:
            return
        if not is_name(f"user:{to}") or is_program(to):
            raise BadInput("Give it to a person, by the id that they sign in with.")
        askers = await self.reviews.behind.people(work, review["asker"])
        if to in (*askers, *review["authors"], review["put_forward_by"]):
            raise BadInput(f"{to} asked for this, or wrote it: somebody else has to decide.")

    async def complain(self, who: Principal, turn_id: UUID, text: str) -> dict[str, Any]:
        """Put one's own turn before the reviewers with what is wrong with it; until they decide, again replaces it.

        Raises NotFound for another's turn, BadInput, and Conflict while a person decides on the answer anyway, or once
        somebody has decided on the complaint.
        """
        if not text.strip():
            raise BadInput("Say what is wrong with the answer.", errors=[{"field": "text", "wrong": "empty"}])
        async with self.database.work(claims=who.claims) as work:
            turn = await ledger.story(work, turn_id, user_id=who.user_id)
            filed = await self._filed(work, who, turn, text.strip())
            review_id = await reviews.complain(work, filed)
            data = {"review_id": review_id, "turn_id": turn_id, "user_id": who.user_id}
            subject = f"turns/{turn_id}"
            await events.emit(work, "complaint.filed", subject=subject, usecase=filed.usecase, data=data)
            await capture.propose(work, turn_id, kind="complaint", expected=filed.complaint or "", by=who.user_id)
            review = await reviews.get(work, review_id)
        return {"review_id": review_id, "status": review["status"], "due_at": review["due_at"]}

    async def _filed(self, work: Work, who: Principal, turn: Mapping[str, Any], text: str) -> Opening:
        before = await reviews.of_turn(work, turn["id"])
        given = _given(turn, before)
        known = await review_evidence.known_to(work, turn["session_id"]) | given["masks"]
        # A complaint that this one replaces: a placeholder that was shown never stands for something else.
        for each in before:
            known |= each["masks"] if each["kind"] == "complaint" else {}
        # What a placeholder of the ledger stood for is not known any more.
        known = with_unknown(f"{turn['question']} {given['text']} {given['data']}", known)
        usecase = self.usecases.get(turn["usecase"])
        masks = self.privacy.masks(usecase.contract.privacy, who, known=known) if usecase else known
        (told,), grown = await masked([text], masks)
        return Opening(
            turn_id=turn["id"],
            usecase=turn["usecase"],
            asker=turn["user_id"],
            question=turn["question"],
            why="the person who asked complains about the answer",
            text=given["text"],
            data=given["data"],
            masks=without_unknown(grown),
            complaint=told,
            authors=_writers(given["by"], usecase) if given["by"] else (),
            terms=usecase.contract.reviews.terms("complaint") if usecase else reviews.STANDARD,
        )


def _given(turn: Mapping[str, Any], known: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the answer that the asker has: what a person approved last, else what the ledger has. Raises Conflict."""
    if any(each["status"] == "open" and holds_back(each) for each in known):
        raise Conflict("A person looks at this already, and you will be told what they decide.")
    said = {"text": turn["answer"], "data": turn["data"], "masks": {}, "by": None}
    for review in known:
        if review["status"] == "approved":
            said = {"text": review["final"], "data": review["final_data"], "masks": review["masks"], "by": review}
    return said


def _writers(review: Mapping[str, Any], usecase: UseCase | None) -> tuple[str, ...]:
    """Give who wrote what was approved; who only cleared it has written nothing."""
    if (review["final"], review["final_data"]) == (review["draft"], review["data"]):
        return tuple(review["authors"])
    may_alone = second_person(usecase) == "never"
    decided = {person(review["decided_by"])} if may_alone or not review["authors"] else set()
    return tuple(sorted({*review["authors"], *decided}))
