"""A call of a model that somebody wants made."""

from collections.abc import Callable
from dataclasses import dataclass

from app.domain.turn import Purpose
from app.llm.catalog import ModelRef
from app.llm.prompts import Prompt


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Errand:
    """Which model to ask, for which rung, with which prompt, finished by when (`until_s`: the event loop's clock).

    An `interactive` errand goes before others in the queue for the model. `revision` names prompt, model and
    parameters together. `before` is asked before each attempt, and raises when there must be no further one.
    """

    rung: str
    ref: ModelRef
    prompt: Prompt
    max_tokens: int
    until_s: float
    purpose: Purpose = "answer"
    interactive: bool = True
    revision: str = ""
    before: Callable[[], None] = _nothing
