"""Hand the turn to the use case's workflow, or go down the ladder once; stop at once when the AI is paused."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from app.control.flags import Flags
from app.domain.masking import Masks
from app.domain.outcome import Outcome
from app.domain.turn import Draft, Turn
from app.domain.usecase import FlagValue
from app.guard.exits import Exit, Exits
from app.guard.pii import own
from app.guard.stream import StreamGuard, Withheld
from app.llm.gateway import Gateway
from app.llm.rungs import paused
from app.retrieval.search import Searcher
from app.turn.check import instructions_of
from app.turn.evidence import given_again
from app.turn.kit import Lent


@dataclass(frozen=True, slots=True)
class Answer:
    """Runs the answer beside a watch on the kill switch: whichever ends first decides."""

    gateway: Gateway
    searcher: Searcher
    flags: Flags
    exits: Exits = field(default_factory=Exits)

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its draft; what a stream was stopped for stands in its findings."""
        answer = asyncio.create_task(self._answered(turn))
        # A turn that asks no model any more is stopped only by what stops everything.
        off = self.flags.until_paused(turn.usecase.name, turn.principal, hard=bool(turn.paused))
        pause = asyncio.create_task(off)
        try:
            await asyncio.wait({answer, pause}, return_when=asyncio.FIRST_COMPLETED)
            if not pause.done():
                return answer.result()
            raise paused(turn, pause.result())
        finally:
            for task in (answer, pause):
                task.cancel()
            await asyncio.gather(answer, pause, return_exceptions=True)

    async def _answered(self, turn: Turn) -> Turn:
        masks = own(turn.masks)
        exit_ = self.exits.of(turn, masks=masks, instructions=instructions_of(turn.usecase))
        guard = _guard(turn, masks, exit_)
        try:
            draft = turn.draft or await self._made(turn.with_(listener=guard, masks=masks), masks, exit_)
            if guard:
                if turn.draft:  # recalled: nobody has told it yet
                    await guard(draft.text if draft.data is None else draft.data)
                await guard.finish(draft.text)
        except Withheld as stop:
            return turn.with_(draft=_torn(turn, stop), findings=(stop.finding,), masks=masks)
        stale = turn.stale
        if draft.rung == "cached" and stale:
            turn = turn.with_(passages=stale.passages)
            given_again(turn, stale.passages, of=stale.turn_id)
        return turn.with_(draft=draft, masks=masks)

    async def _made(self, turn: Turn, masks: Masks, exit_: Exit) -> Draft:
        why_off = partial(self.flags.why_tool_off, turn.usecase.name)
        kit = Lent(self.gateway, self.searcher, turn, masks, exit_, why_off, self._flagged)
        workflow = turn.usecase.workflow
        return await (workflow(turn, kit) if workflow else kit.ask(turn))

    def _flagged(self, turn: Turn, key: str, default: FlagValue) -> FlagValue:
        return self.flags.asked(key, default, who=turn.principal, usecase=turn.usecase.name)


def _guard(turn: Turn, masks: Masks, exit_: Exit) -> StreamGuard | None:
    # A draft that waits, or may wait, for a person or for a classifier is not shown as it grows. How sure an answer is,
    # nobody knows before its last word.
    contract = turn.usecase.contract
    may_wait = contract.risk.mode != "auto" or contract.output.classifier or contract.reviews.confidence_below
    if turn.listener is None or may_wait:
        return None
    return StreamGuard(turn, turn.listener, masks=masks, instructions=instructions_of(turn.usecase), exit_=exit_)


def _torn(turn: Turn, stop: Withheld) -> Draft:
    # For the ledger and those who look into it: what was said, and by whom.
    call = turn.tape.calls[-1] if turn.tape.calls else None
    if call is None:
        return Draft(text=stop.said, rung="", outcome=Outcome.ANSWERED_MODEL)
    return Draft(
        text=stop.said,
        rung=call.rung,
        outcome=Outcome.ANSWERED_MODEL,
        model=call.model,
        revision=call.revision,
    )
