"""Ask a prompt of the use case whether an answer is unsafe, before anybody sees it."""

from dataclasses import dataclass

import structlog

from app.domain.turn import Turn
from app.llm.catalog import LOCAL_RUNGS
from app.llm.gateway import Gateway

log = structlog.get_logger(__name__)
VERDICT = "unsafe"
# Beyond this the answer is held back: nobody says that it is safe.
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Judge:
    """The classifier of a contract's [output], asked of the ladder's first model."""

    gateway: Gateway

    async def __call__(self, turn: Turn) -> bool | None:
        """Say whether the draft is unsafe; None when no model said in time. What no model wrote is not asked about."""
        assert turn.draft is not None, "judged after answer"
        contract = turn.usecase.contract
        if turn.draft.rung in LOCAL_RUNGS:
            return False
        role = next((rung for rung in contract.models.ladder if rung not in LOCAL_RUNGS), "")
        asked = turn.with_(screened=turn.draft.text, history=(), passages=(), listener=None)
        try:
            prompt = turn.usecase.prompts[contract.output.classifier]
            said = await self.gateway.verdict(asked, prompt, role=role, timeout_s=TIMEOUT_S)
        except Exception as error:
            log.warning("answer_unjudged", usecase=turn.usecase.name, error=type(error).__name__)
            return None
        return said.get(VERDICT) is not False
