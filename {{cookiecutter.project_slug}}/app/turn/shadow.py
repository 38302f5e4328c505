"""Shadow runs: a candidate answers a share of the turns as well, unseen; here they are put into the queue.

They run in a worker (app/work/shadows.py): another process than the one that people wait for.
"""

import asyncio
from collections.abc import Callable
from dataclasses import fields, replace

import structlog

from app.domain.masking import Masks
from app.domain.outcome import Outcome
from app.domain.rollout import CURRENT, Candidate
from app.domain.turn import Turn
from app.errors import AppError, BadInput
from app.llm.gateway import Gateway
from app.store import shadows
from app.store.db import Database
from app.store.shadows import Asked
from app.telemetry import metrics
from app.turn.candidate import alone, shadowed
from app.turn.pipeline import Pipeline, as_it_is
from app.turn.share import is_chosen

log = structlog.get_logger(__name__)
# More than so many at once are left out: the database must not wait for what nobody waits for.
AT_ONCE = 50
# So many of a use case may wait for a worker; more are left out until it has caught up.
MOST_WAITING = 500
# What a shadow does over: who asks is admitted again (switch, budget), the rest it takes from the turn.
DONE_AGAIN = {"admit", "answer", "check", "record"}
# Turns of which both answers say something; an answer given again is nobody's, a turn cut short has none.
COMPARED = {
    Outcome.ANSWERED_MODEL,
    Outcome.ANSWERED_EXTRACTIVE,
    Outcome.ANSWERED_RULES,
    Outcome.REFUSED_NO_EVIDENCE,
    Outcome.REFUSED_CHECK,
    Outcome.ESCALATED_REVIEW,
    Outcome.FAILED_MODEL,
}
UNASKED = ("evaluation", "shadow")
Chosen = Callable[[Turn], Candidate | None]


def by_contract(turn: Turn) -> Candidate | None:
    """Give who answers this turn unseen as the contract's `[shadow]` says, for the turns of its share."""
    contract = turn.usecase.contract
    return shadowed(contract) if is_chosen(turn.id, share=contract.shadow.share) else None


def by_rollout(shadowed_by: Callable[[str], Candidate | None]) -> Chosen:
    """Let the candidate of a rollout at its stage `shadow` go first; without `shadow.share`, for every turn."""

    def chosen(turn: Turn) -> Candidate | None:
        candidate = shadowed_by(turn.usecase.name)
        if candidate is None:
            return by_contract(turn)
        return candidate if is_chosen(turn.id, share=turn.usecase.contract.shadow.share or 1.0) else None

    return chosen


class Shadows:
    """Queues a shadow run once a turn is recorded; the turn never waits for it, and never hears of it."""

    def __init__(self, database: Database, gateway: Gateway, *, chosen: Chosen = by_contract) -> None:
        self._database, self._gateway, self._chosen = database, gateway, chosen
        self._queueing: set[asyncio.Task[None]] = set()

    def beside(self, pipeline: Pipeline) -> Pipeline:
        """Give the pipeline with shadows behind its turns."""

        async def record(turn: Turn) -> Turn:
            recorded = await pipeline.record(turn)
            self._consider(recorded)
            return recorded

        return replace(pipeline, record=record)

    async def stop(self) -> None:
        """Wait until everything that was begun is in the queue."""
        await asyncio.gather(*self._queueing, return_exceptions=True)

    def _consider(self, turn: Turn) -> None:
        if turn.outcome not in COMPARED or turn.channel in UNASKED or turn.arm not in ("", CURRENT):
            return
        candidate = self._chosen(turn)
        if candidate is None or not self._can_answer(turn, candidate):
            return
        if len(self._queueing) >= AT_ONCE:
            _left_out(turn, "busy")
            return
        task = asyncio.create_task(self._queue(turn, candidate))
        self._queueing.add(task)
        task.add_done_callback(self._queueing.discard)

    def _can_answer(self, turn: Turn, candidate: Candidate) -> bool:
        try:
            return self._gateway.has_model(alone(turn.usecase, candidate))
        except BadInput as error:
            log.warning("shadow.impossible", usecase=turn.usecase.name, error=error.detail)
            return False

    async def _queue(self, turn: Turn, candidate: Candidate) -> None:
        try:
            if not await shadows.put(self._database, turn, candidate.name, _asked(turn), most=MOST_WAITING):
                _left_out(turn, "full")
        except AppError as error:
            log.warning("shadow.not_queued", turn_id=str(turn.id), error=error.detail)
            _left_out(turn, "unqueued")


def of_pipeline(pipeline: Pipeline) -> Pipeline:
    """Give the pipeline of a shadow: what was looked up and masked for the turn is not looked up again."""
    rest = {field.name: as_it_is for field in fields(Pipeline) if field.name not in DONE_AGAIN}
    return replace(pipeline, **rest)


def _asked(turn: Turn) -> Asked:
    met = sorted(turn.masks.met.kinds) if isinstance(turn.masks, Masks) else []
    return Asked(
        question=turn.screened,
        fields=dict(turn.fields),
        history=turn.history,
        passages=turn.passages,
        retrievals=tuple(turn.tape.retrievals),
        masks=dict(turn.masks),
        met=tuple(met),
        canary=turn.canary,
    )


def _left_out(turn: Turn, why: str) -> None:
    log.info("shadow.left_out", turn_id=str(turn.id), why=why)
    metrics.record_shadow(turn.usecase.name, f"left_out_{why}")
