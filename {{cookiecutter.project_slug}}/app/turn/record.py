"""Write down what happened, always, in one transaction."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from app.domain.outcome import Outcome
from app.domain.turn import Message, Turn
from app.errors import DependencyDown
from app.guard.pii import masked, own, remasked, unmasked
from app.guard.privacy import Privacy
from app.store import budgets, events, idempotency, incidents, jobs, ledger
from app.store.db import Database, Work
from app.store.incidents import Incident
from app.telemetry import metrics
from app.turn.response import kept
from app.turn.reviewing import alarming, kind_of, open_review
from app.turn.telling import answer, nobody

log = structlog.get_logger(__name__)
# The item of a job that ended so is still to be done: by this worker later, or by another.
UNDONE = (Outcome.FAILED_CANCELLED, Outcome.PAUSED_SWITCH)


@dataclass(frozen=True, slots=True)
class Record:
    """Ledger, session, review, job item, Idempotency-Key and budgets stand or fall together."""

    database: Database
    privacy: Privacy = field(default_factory=Privacy)
    # Whether somebody listens to the answers of a use case.
    hears: Callable[[str], bool] = nobody

    async def __call__(self, turn: Turn) -> Turn:
        """Store the finished turn. Raises DependencyDown when the database is away, LeaseLost for a lost job."""
        turn = await self._masked(turn)
        in_time = await (self._with_more(turn) if _leaves_more(turn) else self._at_once(turn))
        if not in_time:
            # Its calls are in the ledger and its budgets are right now; its session and key may be somebody else's.
            raise DependencyDown("The turn was given up for dead before it was recorded; send it again.")
        return turn

    async def _masked(self, turn: Turn) -> Turn:
        """Mask what was not: the question of a turn refused before the screen, and what a model made up by itself."""
        if not turn.screened:
            masks = self.privacy.masks(turn.usecase.contract.privacy, turn.principal, known=turn.masks)
            (screened,), _ = await masked((turn.question,), masks)
            return turn.with_(screened=screened)
        draft, masks = turn.draft, own(turn.masks)
        if draft is None:
            return turn
        text, data = await remasked((draft.text, draft.data), masks)
        return turn.with_(draft=replace(draft, text=text, data=data), masks=masks)

    async def _at_once(self, turn: Turn) -> bool:
        return await ledger.end(self.database, turn, _said(turn), told=self._told(turn))

    def _told(self, turn: Turn) -> dict[str, Any] | None:
        return answer(turn) if self.hears(turn.usecase.name) else None

    async def _with_more(self, turn: Turn) -> bool:
        async with self.database.work() as work:
            if turn.job_item:
                await jobs.hold(work, turn.job_item.job_id, lease=turn.job_item.lease)
            in_time = await ledger.record(work, turn, _said(turn))
            if in_time and turn.channel != "shadow":
                await open_review(work, turn)
                await self._incidents(work, turn)
                await self._item(work, turn)
                await self._key(work, turn)
                if told := self._told(turn):
                    about = {"subject": f"turns/{turn.id}", "usecase": turn.usecase.name}
                    await events.emit(work, "answer.given", **about, data=told)
            # Last: the budgets, which many turns share, stay locked until the commit.
            await budgets.settle(work, turn)
        return in_time

    async def _incidents(self, work: Work, turn: Turn) -> None:
        """Open an incident for each finding that asks for one."""
        found = alarming(turn)
        if not found:
            return
        opened = [
            Incident(one.check, turn.id, turn.usecase.name, turn.principal.user_id, turn.channel, one.detail)
            for one in found
        ]  # fmt: skip
        await incidents.open_(work, opened)
        for one in opened:
            log.warning("incident.opened", kind=one.kind, turn_id=str(turn.id), usecase=one.usecase)
            work.after_commit.append(_counted(one))

    async def _item(self, work: Work, turn: Turn) -> None:
        if turn.job_item and turn.outcome and turn.outcome not in UNDONE:
            data = turn.draft.data if turn.draft and turn.outcome.family == "answered" else None
            result = {
                "turn_id": turn.id,
                "outcome": turn.outcome.value,
                "answer": turn.answer,
                "data": unmasked(data, turn.masks),
            }
            await jobs.finish_item(work, turn.job_item.job_id, turn.job_item.ordinal, result)

    async def _key(self, work: Work, turn: Turn) -> None:
        if turn.idempotency is None:
            return
        who = turn.principal.user_id
        if turn.error is None and turn.outcome not in UNDONE:
            await idempotency.finish(work, turn.idempotency, user_id=who, subject_id=turn.id, response=kept(turn))
        else:
            await idempotency.abandon(work, turn.idempotency, user_id=who, subject_id=turn.id)


def _leaves_more(turn: Turn) -> bool:
    """Say whether more than its row, calls and session is written, which takes a transaction of several statements."""
    is_more = turn.job_item is not None or turn.idempotency is not None or turn.outcome is Outcome.ESCALATED_REVIEW
    return is_more or kind_of(turn) is not None or bool(alarming(turn))


def _counted(incident: Incident) -> Callable[[], Awaitable[None]]:
    async def count() -> None:
        metrics.record_incident(incident.usecase, incident.kind)

    return count


def _said(turn: Turn) -> tuple[Message, ...] | None:
    if turn.session_id is None or turn.channel != "api":
        return None
    return (Message("user", turn.question), Message("assistant", turn.answer)) if turn.answer else ()
