"""Hand the turn to the use case's workflow, or go down the ladder once; stop at once when the AI is paused."""

import asyncio
from dataclasses import dataclass

from app.control.flags import Flags
from app.domain.outcome import Outcome
from app.domain.turn import Draft, StopTurn, Turn
from app.errors import Paused
from app.guard.pii import StreamUnmasker
from app.llm.gateway import Gateway
from app.retrieval.search import Searcher
from app.turn.kit import Lent


@dataclass(frozen=True, slots=True)
class Answer:
    """Runs the answer beside a watch on the kill switch: whichever ends first decides."""

    gateway: Gateway
    searcher: Searcher
    flags: Flags

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with its draft."""
        answer = asyncio.create_task(self._draft(turn))
        pause = asyncio.create_task(self.flags.until_paused(turn.usecase.name))
        try:
            await asyncio.wait({answer, pause}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                draft, masks = answer.result()
                return turn.with_(draft=draft, masks=masks)
            error = Paused(turn.usecase.contract.sentences.paused, retry_after_s=30)
            raise StopTurn(Outcome.PAUSED_SWITCH, error=error, reason=pause.result())
        finally:
            for task in (answer, pause):
                task.cancel()
            await asyncio.gather(answer, pause, return_exceptions=True)

    async def _draft(self, turn: Turn) -> tuple[Draft, dict[str, str]]:
        # A draft that waits for a person is not shown as it grows.
        listener = turn.listener if turn.usecase.contract.risk.mode == "auto" else None
        masks = dict(turn.masks)
        unmasker = StreamUnmasker(masks, listener) if listener else None
        turn = turn.with_(listener=unmasker)
        kit = Lent(self.gateway, self.searcher, turn, masks)
        workflow = turn.usecase.workflow
        draft = await (workflow(turn, kit) if workflow else kit.ask(turn))
        if unmasker:
            await unmasker.flush()
        return draft, masks
