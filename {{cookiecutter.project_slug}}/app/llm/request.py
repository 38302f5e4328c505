"""From a turn and a prompt to the chat that a model is sent, cut to the contract's token budget."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from app.domain.turn import Message, Passage, Turn
from app.llm.chat import Chat, Word
from app.llm.prompts import Prompt

CHARS_PER_TOKEN = 3.5
# Tokens that a vendor's format puts around each part of a conversation.
WRAPPING = 16
NOT_GIVEN = "not given"
TAGS = re.compile(r"<(\s*/?\s*(?:passage|question|history|date|field)\b)", re.IGNORECASE)


class TooLong(Exception):
    """Even without history and with a single passage the prompt is longer than the contract allows."""


def chat(prompt: Prompt, turn: Turn, *, room: int = 0) -> Chat:
    """Render the prompt; drops the oldest history first, then the last passages, until the budget holds.

    `room` is kept free in the budget, in tokens, for what is sent behind it.
    """
    history, passages = list(turn.history), visible(turn.passages)
    while True:
        text = prompt.render(_values(prompt, turn, history=history, passages=passages))
        if tokens(prompt.system) + tokens(text) + room <= turn.usecase.contract.models.max_input_tokens:
            return Chat(prompt.system, (Word("user", text),))
        if history and "history" in prompt.inputs:
            history.pop(0)
        elif len(passages) > 1 and prompt.is_grounded:
            passages.pop()
        else:
            raise TooLong(f"{prompt.key} needs more than {turn.usecase.contract.models.max_input_tokens} tokens")


def tokens(text: str) -> int:
    """Estimate tokens, on the high side for English: no tokenizer is right for every vendor."""
    return int(len(text) / CHARS_PER_TOKEN) + 1


def size(asked: Chat, schema: Mapping[str, Any] | None = None) -> int:
    """Estimate the tokens of a whole chat, and of the schema that its answer is held to."""
    texts = [asked.system, *(word.text for word in asked.words), str(schema or "")]
    return tokens("".join(texts)) + WRAPPING * len(texts)


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
