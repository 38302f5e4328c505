"""Write down what happened, always, in one transaction."""

from dataclasses import dataclass

from app.domain.outcome import Outcome
from app.domain.turn import Message, Turn
from app.errors import DependencyDown
from app.guard.pii import mask
from app.store import budgets, idempotency, jobs, ledger, reviews
from app.store.db import Database, Work
from app.turn.actions import proposed
from app.turn.response import response

# The item of a job that ended so is still to be done: by this worker later, or by another.
UNDONE = (Outcome.FAILED_CANCELLED, Outcome.PAUSED_SWITCH)


@dataclass(frozen=True, slots=True)
class Record:
    """Ledger, session, review, job item, Idempotency-Key and budgets stand or fall together."""

    database: Database

    async def __call__(self, turn: Turn) -> Turn:
        """Store the finished turn. Raises DependencyDown when the database is away, LeaseLost for a lost job."""
        if not turn.screened:
            # Refused before the screen: what was typed is kept masked all the same.
            turn = turn.with_(screened=mask(turn.question, {})[0])
        in_time = await (self._with_more(turn) if _leaves_more(turn) else ledger.end(self.database, turn, _said(turn)))
        if not in_time:
            # Its calls are in the ledger and its budgets are right now; its session and key may be somebody else's.
            raise DependencyDown("The turn was given up for dead before it was recorded; send it again.")
        return turn

    async def _with_more(self, turn: Turn) -> bool:
        async with self.database.work() as work:
            if turn.job_item:
                await jobs.hold(work, turn.job_item.job_id, lease=turn.job_item.lease)
            in_time = await ledger.record(work, turn, _said(turn))
            if in_time and turn.channel != "shadow":
                await self._review(work, turn)
                await self._item(work, turn)
                await self._key(work, turn)
            # Last: the budgets, which many turns share, stay locked until the commit.
            await budgets.settle(work, turn)
        return in_time

    async def _review(self, work: Work, turn: Turn) -> None:
        if turn.outcome is Outcome.ESCALATED_REVIEW and turn.channel != "evaluation":
            # Without a draft the reviewer sees what the model said, useless as it was.
            text = turn.draft.text if turn.draft else turn.tape.raw
            data = turn.draft.data if turn.draft else None
            draft = {"text": text, "data": dict(data) if data is not None else None}
            review_id = await reviews.open_(
                work,
                turn_id=turn.id,
                usecase=turn.usecase.name,
                asker=turn.principal.user_id,
                question=turn.screened,
                draft=draft,
                why=turn.reason,
            )
            if turn.draft and turn.draft.actions:
                await reviews.propose(work, review_id, proposed(turn))

    async def _item(self, work: Work, turn: Turn) -> None:
        if turn.job_item and turn.outcome and turn.outcome not in UNDONE:
            data = turn.draft.data if turn.draft and turn.outcome.family == "answered" else None
            result = {
                "turn_id": turn.id,
                "outcome": turn.outcome.value,
                "answer": turn.answer,
                "data": dict(data) if data is not None else None,
            }
            await jobs.finish_item(work, turn.job_item.job_id, turn.job_item.ordinal, result)

    async def _key(self, work: Work, turn: Turn) -> None:
        if turn.idempotency is None:
            return
        who = turn.principal.user_id
        if turn.error is None and turn.outcome not in UNDONE:
            await idempotency.finish(work, turn.idempotency, user_id=who, subject_id=turn.id, response=response(turn))
        else:
            await idempotency.abandon(work, turn.idempotency, user_id=who, subject_id=turn.id)


def _leaves_more(turn: Turn) -> bool:
    """Say whether more than its row, calls and session is written, which takes a transaction of several statements."""
    return turn.job_item is not None or turn.idempotency is not None or turn.outcome is Outcome.ESCALATED_REVIEW


def _said(turn: Turn) -> tuple[Message, ...] | None:
    if turn.session_id is None or turn.channel != "api":
        return None
    return (Message("user", turn.question), Message("assistant", turn.answer)) if turn.answer else ()
