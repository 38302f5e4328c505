"""From a chat completion's request to a turn: the last message is the question, what was said before its history."""

from collections.abc import Iterator
from typing import Any

from app.api.openai_shapes import ChatIn, MessageIn
from app.api.turns import promise
from app.domain.identity import Principal
from app.domain.turn import Message, Turn
from app.domain.usecase import UseCase
from app.errors import BadInput
from app.store.admission import HISTORY_MESSAGES

Fault = tuple[str, str]
OWN = "Prompts, tools and the shape of answers belong to the use case"


def turn_of(usecase: UseCase, who: Principal, body: ChatIn, *, key: str | None) -> Turn:
    """Give the turn that the request asks for. Raises BadInput, which names what cannot be honoured."""
    for param, why in _faults(usecase, body):
        raise BadInput(why, errors=[{"field": param, "wrong": why}], code="unsupported_parameter")
    said = [
        Message("user" if message.role == "user" else "assistant", text)
        for message in body.messages
        if message.role in ("user", "assistant") and (text := _text(message))
    ]
    return Turn(
        usecase=usecase,
        principal=who,
        question=_text(body.messages[-1]),
        fields=body.x_fields or {},
        history=tuple(said[:-1][-HISTORY_MESSAGES:]) if _text(body.messages[-1]) else (),
        channel="openai",
        idempotency=promise(key, "chat", usecase.name, body.model_dump(mode="json")),
    )


def _faults(usecase: UseCase, body: ChatIn) -> Iterator[Fault]:
    yield from _options(usecase, body)
    for place, message in enumerate(body.messages):
        yield from _message(message, f"messages.{place}")
    if body.messages[-1].role != "user":
        yield "messages", "The last message must be the user's question."


def _options(usecase: UseCase, body: ChatIn) -> Iterator[Fault]:
    if body.n not in (None, 1):
        yield "n", "There is one answer to a question: leave `n` out, or send 1."
    for name in ("tools", "functions"):
        if getattr(body, name):
            yield name, f"{OWN}; `{name}` cannot be sent along."
    for name in ("tool_choice", "function_call"):
        if getattr(body, name) not in (None, "none", "auto"):
            yield name, f"{OWN}; `{name}` cannot be sent along."
    if body.logprobs or body.top_logprobs:
        yield (
            "logprobs" if body.logprobs else "top_logprobs",
            "Answers are checked before they are given: no log probs.",
        )
    if (shape := (body.response_format or {}).get("type", "text")) != "text" and not (
        shape == "json_object" and _is_structured(usecase)
    ):
        yield "response_format", f"{OWN}; `response_format` cannot ask for another."
    if set(map(str, body.modalities or ["text"])) != {"text"} or body.audio is not None:
        yield "modalities", "Answers are text."
    if body.web_search_options is not None:
        yield "web_search_options", f"{OWN}; there is no search of the web."


def _is_structured(usecase: UseCase) -> bool:
    chosen = usecase.contract.prompt
    prompt: Any = usecase.prompts[f"{chosen.name}.v{chosen.version}"]
    return prompt.output_schema is not None


def _message(message: MessageIn, place: str) -> Iterator[Fault]:
    if message.role in ("tool", "function"):
        yield f"{place}.role", f"{OWN}; messages of the role {message.role!r} cannot be sent along."
    if message.tool_calls:
        yield f"{place}.tool_calls", f"{OWN}; calls of tools cannot be sent along."
    for number, part in enumerate(message.content if isinstance(message.content, list) else ()):
        if part.type != "text" or part.text is None:
            kind = "Images are" if part.type.startswith("image") else f"Content of the type {part.type[:40]!r} is"
            yield f"{place}.content.{number}", f"{kind} not accepted here; send text."


def _text(message: MessageIn) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text or "" for part in message.content)
    return message.content or ""
