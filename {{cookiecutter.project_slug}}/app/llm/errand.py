"""A call of a model that somebody wants made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.domain.turn import Purpose
from app.llm.catalog import ModelRef
from app.llm.prompts import Prompt

if TYPE_CHECKING:
    from pydantic_ai.models import ModelRequestParameters


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Errand:
    """Which model to ask, for which rung, with which prompt, finished by when (`until_s`: the event loop's clock).

    An `interactive` errand goes before others in the queue for the model. `revision` names prompt, model and
    parameters together; `parameters` (tools, output) are the prompt's own where none are given. `before` is asked
    before each attempt, and raises when there must be no further one.
    """

    rung: str
    ref: ModelRef
    prompt: Prompt
    max_tokens: int
    until_s: float
    purpose: Purpose = "answer"
    interactive: bool = True
    revision: str = ""
    parameters: "ModelRequestParameters | None" = None
    before: Callable[[], None] = _nothing
