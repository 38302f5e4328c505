"""Clean the text, refuse instructions aimed at the model, mask personal data."""

from dataclasses import dataclass

from app.domain.outcome import Outcome
from app.domain.turn import Message, StopTurn, Turn
from app.errors import BadInput
from app.guard.input import clean, is_suspicious, visible
from app.guard.pii import mask


@dataclass(frozen=True, slots=True)
class Screen:
    """What leaves this step may be shown to a model."""

    async def __call__(self, turn: Turn) -> Turn:
        """Give the turn with `question` cleaned, `screened` masked, and history masked alike."""
        allowed = turn.usecase.contract.input
        question = clean(turn.question, max_chars=allowed.max_chars)
        self._fields(turn)
        screened, masks = mask(question, turn.masks)
        turn = turn.with_(question=question, screened=screened)
        # A queued item may quote an attack (a customer's ticket): it is data there, marked off in the prompt.
        if is_suspicious(question) and turn.usecase.contract.risk.mode == "auto":
            raise StopTurn(
                Outcome.REFUSED_INJECTION,
                answer=turn.usecase.contract.sentences.unsafe,
                reason="the question addresses the model",
            )
        said = []
        for message in self._history(turn):
            text, masks = mask(message.text, masks)
            said.append(Message(message.role, text))
        return turn.with_(masks=masks, history=tuple(said))

    def _history(self, turn: Turn) -> list[Message]:
        # Our own sessions keep what was refused, and OpenAI's clients send what they like: no model reads attacks.
        told = [Message(said.role, visible(said.text)) for said in turn.history]
        return [said for said in told if not (turn.usecase.contract.risk.mode == "auto" and is_suspicious(said.text))]

    def _fields(self, turn: Turn) -> None:
        known = turn.usecase.contract.input.fields
        faults = [
            {
                "field": f"fields.{name}",
                "wrong": value,
                "allowed": ", ".join(known.get(name, ())) or f"one of {list(known)}",
            }
            for name, value in turn.fields.items()
            if value not in known.get(name, ())
        ]
        if faults:
            raise BadInput(
                "Some fields are not acceptable: " + ", ".join(fault["field"] for fault in faults), errors=faults
            )
