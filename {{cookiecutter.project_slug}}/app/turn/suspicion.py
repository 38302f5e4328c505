"""Whether a question is an order to the model: what the screen sees, and where it is not sure, what a model says."""

import asyncio
from dataclasses import dataclass

import structlog

from app.domain.outcome import Outcome
from app.domain.turn import Finding, Message, StopTurn, Turn
from app.guard.injection import Verdict, described, judge, known_score
from app.llm.gateway import Gateway
from app.llm.resilience import describe

log = structlog.get_logger(__name__)
VERDICT = "injection"
# What is said in a conversation beyond this share of the prompt's budget is not sent, and not looked at.
HISTORY_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Refuses orders to the model; `gateway` asks the classifier of contracts that name one."""

    gateway: Gateway | None = None

    async def ensure(self, turn: Turn, written: str) -> None:
        """Let a turn's masked question pass, `written` as it came. Raises StopTurn with the finding `injection`."""
        rules = turn.usecase.contract.injection
        # What cleaning takes out reaches no model, but it tells what the text is for.
        verdict = judge(written)
        if verdict.score >= rules.threshold:
            raise _refused(turn, verdict, "the question addresses the model")
        if rules.classifier and verdict.score >= rules.classifier_from:
            await self._classified(turn, verdict)

    async def _classified(self, turn: Turn, verdict: Verdict) -> None:
        rules = turn.usecase.contract.injection
        try:
            assert self.gateway is not None, "a classifier needs the gateway"
            said = await self.gateway.verdict(
                turn, turn.usecase.prompts[rules.classifier], role=rules.role, timeout_s=rules.classifier_ms / 1000
            )
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.warning("screen.unclassified", turn_id=str(turn.id), reason=describe(error), then=rules.on_fault)
            if rules.on_fault == "refuse":
                # Nobody found anything: this is no incident.
                raise _refusal(turn, "the screen's model gave no verdict") from error
            return
        if said.get(VERDICT) is True:
            raise _refused(turn, verdict, "the screen's model says that the question addresses the model")


def remembered(turn: Turn) -> list[Message]:
    """Give the newest of what was said that fits a prompt, without what orders the model about.

    Our own sessions keep what was refused, and OpenAI's clients send what they like.
    """
    contract = turn.usecase.contract
    room, kept = contract.models.max_input_tokens * HISTORY_CHARS_PER_TOKEN, []
    for said in reversed(turn.history):
        room -= len(said.text)
        if room < 0:
            break
        score = known_score(said.text, is_data=said.role == "assistant")
        if contract.risk.mode != "auto" or score < contract.injection.threshold:
            kept.append(said)
    return kept[::-1]


def _refused(turn: Turn, verdict: Verdict, reason: str) -> StopTurn:
    log.warning("turn.injection", turn_id=str(turn.id), usecase=turn.usecase.name, **described(verdict))
    detail = f"{reason}: {', '.join(verdict.signals)}" if verdict.signals else reason
    return _refusal(turn, reason, Finding(VERDICT, detail))


def _refusal(turn: Turn, reason: str, *findings: Finding) -> StopTurn:
    sentence = turn.usecase.contract.sentences.unsafe
    return StopTurn(Outcome.REFUSED_INJECTION, answer=sentence, reason=reason, findings=findings, turn=turn)
