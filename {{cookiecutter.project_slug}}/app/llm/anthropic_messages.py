"""Anthropic's messages: their requests and answers."""

from collections.abc import Mapping
from typing import Any

from app.llm import schemas, traits
from app.llm.catalog import Tokens
from app.llm.chat import Chat, Fields, Finish, Reply, Wanted, count
from app.llm.faults import UnexpectedModelBehavior, broken

VERSION = "2026-10-21"
# The instructions are the same in every turn, so they are kept for the next one.
_KEEP = {"type": "ephemeral", "ttl": "5m"}
_FINISHES: Mapping[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tools",
}
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicMessages:
    """The dialect."""

    path = "/v1/messages"

    def headers(self, api_key: str) -> dict[str, str]:
        """Give the headers that name us to the vendor."""
        return {"Authorization": f"Bearer {api_key}", "anthropic-version": VERSION}

    def body(self, chat: Chat, wanted: Wanted, *, stream: bool) -> Fields:
        """Give the request."""
        name = wanted.ref.name
        body: Fields = {
            "model": name,
            "max_tokens": wanted.max_tokens,
            "system": [{"type": "text", "text": chat.system, "cache_control": _KEEP}],
            "messages": [{"role": word.role, "content": [{"type": "text", "text": word.text}]} for word in chat.words],
            "stream": stream,
        }
        if wanted.temperature is not None and traits.anthropic_takes_temperature(name):
            body["temperature"] = wanted.temperature
        thinking, effort = traits.anthropic_thinking(name, wanted.thinking)
        if thinking is not None:
            body["thinking"] = thinking
        output: Fields = {"effort": effort} if effort else {}
        if wanted.schema is not None and traits.anthropic_takes_schema(name):
            output["format"] = {"type": "json_schema", "schema": schemas.for_anthropic(wanted.schema)}
        return {**body, "output_config": output} if output else body

    def read(self, body: Any) -> Reply:
        """Read a whole answer. Raises UnexpectedModelBehavior."""
        try:
            texts = [block["text"] for block in body["content"] if block["type"] == "text"]
            return Reply("".join(texts), _FINISHES.get(body.get("stop_reason")), _tokens(body.get("usage") or {}))
        except (TypeError, KeyError, AttributeError) as error:
            raise UnexpectedModelBehavior("no answer in the message") from error

    def hear(self) -> "_Hearing":
        """Begin to take in a streamed answer."""
        return _Hearing()


class _Hearing:
    """Takes in a streamed message."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._finish: Finish | None = None
        self._usage: Fields = {}

    def take(self, event: Fields) -> str | None:
        """Give the text that came with an event. Raises ModelAPIError for an error in the stream."""
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._said(event["delta"])
        if kind == "content_block_start":
            block = event["content_block"]
            return self._said(block) if block.get("type") == "text" else ""
        if kind == "error":
            raise broken(event.get("error"), statuses=_STATUSES)
        if kind == "message_start":
            self._count(event["message"].get("usage"))
        elif kind == "message_delta":
            self._count(event.get("usage"))
            self._finish = _FINISHES.get(event["delta"].get("stop_reason"), self._finish)
        return None

    def reply(self) -> Reply:
        """Give the answer so far; without its last event it broke off."""
        return Reply("".join(self._pieces), self._finish, _tokens(self._usage))

    def _said(self, part: Fields) -> str | None:
        if part.get("type") not in ("text", "text_delta"):
            return ""  # a thought: a sign of life
        self._pieces.append(part["text"])
        return part["text"] or None

    def _count(self, usage: Fields | None) -> None:
        # Each count is of the whole so far; what an event leaves out stays as it was.
        self._usage.update({name: value for name, value in (usage or {}).items() if isinstance(value, int)})


def _tokens(usage: Fields) -> Tokens:
    # Here, unlike at OpenAI, what came from the cache or went into it is not part of the input.
    cached, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    return Tokens(
        count(usage, "input_tokens") + cached + written, count(usage, "output_tokens"), cached=cached, written=written
    )
