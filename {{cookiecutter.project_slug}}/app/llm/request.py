"""From a turn and a prompt to the messages a model is sent, cut to the contract's token budget."""

import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from app.domain.turn import Message, Passage, Turn
from app.llm.prompts import Prompt

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelMessage

CHARS_PER_TOKEN = 3.5
NOT_GIVEN = "not given"
TAGS = re.compile(r"<(\s*/?\s*(?:passage|question|history|date|field)\b)", re.IGNORECASE)


class TooLong(Exception):
    """Even without history and with a single passage the prompt is longer than the contract allows."""


def messages(prompt: Prompt, turn: Turn, *, room: int = 0) -> "list[ModelMessage]":
    """Render the prompt; drops the oldest history first, then the last passages, until the budget holds.

    `room` is kept free in the budget, in tokens, for what is sent behind it.
    """
    from pydantic_ai.messages import ModelRequest, UserPromptPart

    history, passages = list(turn.history), visible(turn.passages)
    while True:
        text = prompt.render(_values(prompt, turn, history=history, passages=passages))
        if tokens(prompt.system) + tokens(text) + room <= turn.usecase.contract.models.max_input_tokens:
            return [ModelRequest(parts=[UserPromptPart(content=text)], instructions=prompt.system)]
        if history and "history" in prompt.inputs:
            history.pop(0)
        elif len(passages) > 1 and prompt.is_grounded:
            passages.pop()
        else:
            raise TooLong(f"{prompt.key} needs more than {turn.usecase.contract.models.max_input_tokens} tokens")


def tokens(text: str) -> int:
    """Estimate tokens, on the high side for English: no tokenizer is right for every vendor."""
    return int(len(text) / CHARS_PER_TOKEN) + 1


def visible(passages: tuple[Passage, ...]) -> list[tuple[int, Passage]]:
    """Number the passages as answers cite them, from 1; those that look like an attack are left out."""
    return [(number, passage) for number, passage in enumerate(passages, start=1) if not passage.suspicious]


def _values(
    prompt: Prompt, turn: Turn, *, history: list[Message], passages: list[tuple[int, Passage]]
) -> Mapping[str, str]:
    known = {
        "question": _tagged("question", turn.screened),
        "passages": "\n".join(_passage(number, passage) for number, passage in passages),
        "history": _tagged("history", "\n".join(f"{said.role}: {said.text}" for said in history)),
        "today": _tagged("date", turn.started_at.date().isoformat()),
    }
    return {
        name: known[name] if kind != "field" else _tagged("field", turn.fields.get(name, NOT_GIVEN), name=name)
        for name, kind in prompt.inputs.items()
    }


def _passage(number: int, passage: Passage) -> str:
    attributes = {"id": str(number), "title": passage.title, "section": passage.heading}
    if passage.effective_on:
        attributes["effective"] = passage.effective_on.isoformat()
    return _tagged("passage", passage.text, **attributes)


def _tagged(tag: str, text: str, **attributes: str) -> str:
    # A text that closes its own tag would step out of the data and speak as the prompt.
    inner = TAGS.sub(r"&lt;\1", text)
    marks = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items() if value)
    return f"<{tag}{marks}>\n{inner}\n</{tag}>"
