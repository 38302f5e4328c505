"""Shadow runs: another role answers a share of the turns as well, unseen, to be compared in the ledger."""

import asyncio
import hashlib
from dataclasses import fields, replace
from uuid import UUID

import structlog

from app.domain.contract import Cache, Shadow
from app.domain.outcome import Outcome
from app.domain.turn import Tape, Turn
from app.domain.usecase import UseCase
from app.llm.gateway import Gateway
from app.turn.pipeline import Pipeline

log = structlog.get_logger(__name__)
# More than so many at once are left out: shadows must not take the machine from those who wait.
AT_ONCE = 8
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


class Shadows:
    """Starts a shadow run once a turn is recorded; the turn never waits for it, and never hears of it.

    The run has its own deadline, its own row in the ledger (channel `shadow`, `shadow_of` names the turn), and counts
    against the same budgets. It opens no review, keeps no session, and leaves the cache alone.
    """

    def __init__(self, pipeline: Pipeline, gateway: Gateway, *, at_once: int = AT_ONCE) -> None:
        rest = {field.name: _as_it_is for field in fields(Pipeline) if field.name not in DONE_AGAIN}
        self._pipeline, self._gateway, self._at_once = replace(pipeline, **rest), gateway, at_once
        self._running: set[asyncio.Task[Turn]] = set()

    def beside(self, pipeline: Pipeline) -> Pipeline:
        """Give the pipeline with shadows behind its turns."""

        async def record(turn: Turn) -> Turn:
            recorded = await pipeline.record(turn)
            self._consider(recorded)
            return recorded

        return replace(pipeline, record=record)

    async def stop(self) -> None:
        """Cancel what is running; each run still leaves its row."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _consider(self, turn: Turn) -> None:
        wanted = turn.usecase.contract.shadow
        if turn.outcome not in COMPARED or turn.channel == "evaluation" or not is_chosen(turn.id, share=wanted.share):
            return
        shadow = _shadow(turn)
        if not self._gateway.has_model(shadow.usecase):
            return
        if len(self._running) >= self._at_once:
            log.info("shadow.left_out", turn_id=str(turn.id), running=len(self._running))
            return
        task = asyncio.create_task(self._pipeline.run(shadow))
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def is_chosen(turn_id: UUID, *, share: float) -> bool:
    """Say whether a turn belongs to the share; the same turn always does or does not."""
    place = int.from_bytes(hashlib.sha256(turn_id.bytes).digest()[:8], "big") / 2**64
    return place < share


def alone(usecase: UseCase) -> UseCase:
    """Give the use case with the shadow's role as its whole ladder."""
    contract = usecase.contract
    only = contract.models.model_copy(update={"ladder": (contract.shadow.role,)})
    changed = {"models": only, "routes": (), "cache": Cache(), "shadow": Shadow()}
    return replace(usecase, contract=contract.model_copy(update=changed))


def _shadow(turn: Turn) -> Turn:
    return Turn(
        usecase=alone(turn.usecase),
        principal=turn.principal,
        question=turn.screened,
        screened=turn.screened,
        masks=turn.masks,
        fields=turn.fields,
        history=turn.history,
        passages=turn.passages,
        canary=turn.canary,
        tape=Tape(retrievals=list(turn.tape.retrievals)),
        channel="shadow",
        shadow_of=turn.id,
    )


async def _as_it_is(turn: Turn) -> Turn:
    return turn
