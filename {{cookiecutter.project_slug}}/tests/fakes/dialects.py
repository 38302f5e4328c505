"""The two ways vendors put a completion on the wire, as JSON and as server-sent events."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import orjson

CREATED = 1_760_000_000
Finish = Literal["stop", "length", "content_filter", "refusal"]


class Counted(NamedTuple):
    """Tokens of one call; `cached` and `written` are parts of `asked`: read from the vendor's cache, put into it."""

    asked: int
    said: int
    cached: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says: text, or calls of tools as (name, JSON), and why it stops."""

    text: str = ""
    finish: Finish = "stop"
    tools: tuple[tuple[str, str], ...] = ()


class Dialect(Protocol):
    """What differs between vendors."""

    def prompt(self, body: dict[str, Any]) -> str:
        """Give all text of a request, the stable part first."""
        ...

    def system(self, body: dict[str, Any]) -> str:
        """Give the instructions of a request."""
        ...

    def schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Give the JSON Schema that the request enforces, if any."""
        ...

    def tool_result(self, body: dict[str, Any]) -> str | None:
        """Give what a tool has just answered; None when the last word was not a tool's."""
        ...

    def cacheable(self, body: dict[str, Any], prompt: str) -> str:
        """Give the beginning of the prompt that this vendor keeps for later calls."""
        ...

    def reply(self, model: str, said: Said, counted: Counted) -> dict[str, Any]:
        """Give the whole completion."""
        ...

    def stream(self, model: str, said: Said, counted: Counted) -> list[bytes]:
        """Give the completion as events, about one per token; the last ones hold the count."""
        ...

    def error(self, status: int) -> dict[str, Any]:
        """Give the body of an error."""
        ...


def tokens(text: str) -> int:
    """Count tokens roughly."""
    return max(1, len(text) // 4) if text else 0


def _pieces(text: str) -> list[str]:
    return [text[start : start + 4] for start in range(0, len(text), 4)]


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(_text_of(part.get("text", part.get("content", ""))) for part in content)
    return str(content or "")


def _data(event: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(event) + b"\n\n"


@dataclass(frozen=True)
class OpenAI:
    """Chat completions."""

    def prompt(self, body: dict[str, Any]) -> str:
        """Give all text of a request, the stable part first."""
        return "\n".join(_text_of(message.get("content")) for message in body["messages"])

    def system(self, body: dict[str, Any]) -> str:
        """Give the instructions of a request."""
        told = [message for message in body["messages"] if message.get("role") in ("system", "developer")]
        return "\n".join(_text_of(message.get("content")) for message in told)

    def schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Give the JSON Schema that the request enforces, if any."""
        wanted = (body.get("response_format") or {}).get("json_schema") or {}
        return wanted.get("schema")

    def tool_result(self, body: dict[str, Any]) -> str | None:
        """Give what a tool has just answered; None when the last word was not a tool's."""
        last = body["messages"][-1]
        return _text_of(last.get("content")) if last.get("role") == "tool" else None

    def cacheable(self, body: dict[str, Any], prompt: str) -> str:
        """Give the beginning of the prompt that this vendor keeps: all of it, unasked."""
        return prompt

    def reply(self, model: str, said: Said, counted: Counted) -> dict[str, Any]:
        """Give the whole completion."""
        message: dict[str, Any] = {"role": "assistant", "content": said.text or None, "refusal": None}
        if said.finish == "refusal":
            message.update(content=None, refusal=said.text)
        elif said.tools:
            message.update(content=None, tool_calls=self._tools(said))
        elif said.finish == "stop":
            message["content"] = said.text
        return {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": CREATED,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": self._finish(said)}],
            "usage": self._usage(counted),
        }

    def stream(self, model: str, said: Said, counted: Counted) -> list[bytes]:
        """Give the completion as events, about one per token; the last ones hold the count."""
        start = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": CREATED, "model": model}
        deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
        if said.tools:
            deltas += [
                ({"tool_calls": [{"index": place, **call}]}, None) for place, call in enumerate(self._tools(said))
            ]
        else:
            key = "refusal" if said.finish == "refusal" else "content"
            deltas += [({key: piece}, None) for piece in _pieces(said.text)]
        deltas.append(({}, self._finish(said)))
        chunks: list[dict[str, Any]] = [
            {**start, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
        ]
        chunks.append({**start, "choices": [], "usage": self._usage(counted)})
        return [*(_data(chunk) for chunk in chunks), b"data: [DONE]\n\n"]

    def error(self, status: int) -> dict[str, Any]:
        """Give the body of an error."""
        return {"error": {"message": "on purpose", "type": "fake", "code": str(status)}}

    def _finish(self, said: Said) -> str:
        return "tool_calls" if said.tools else "stop" if said.finish == "refusal" else said.finish

    def _tools(self, said: Said) -> list[dict[str, Any]]:
        return [
            {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for place, (name, arguments) in enumerate(said.tools, start=1)
        ]

    def _usage(self, counted: Counted) -> dict[str, Any]:
        return {
            "prompt_tokens": counted.asked,
            "completion_tokens": counted.said,
            "total_tokens": counted.asked + counted.said,
            "prompt_tokens_details": {"cached_tokens": counted.cached},
        }


@dataclass(frozen=True)
class Anthropic:
    """Messages."""

    def prompt(self, body: dict[str, Any]) -> str:
        """Give all text of a request, the stable part first."""
        said = [_text_of(message.get("content")) for message in body["messages"]]
        return "\n".join([_text_of(body.get("system")), *said])

    def system(self, body: dict[str, Any]) -> str:
        """Give the instructions of a request."""
        return _text_of(body.get("system"))

    def schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Give the JSON Schema that the request enforces, if any."""
        wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
        return wanted.get("schema")

    def tool_result(self, body: dict[str, Any]) -> str | None:
        """Give what a tool has just answered; None when the last word was not a tool's."""
        content = body["messages"][-1].get("content")
        results = [part for part in content if part.get("type") == "tool_result"] if isinstance(content, list) else []
        return "\n".join(_text_of(part.get("content")) for part in results) if results else None

    def cacheable(self, body: dict[str, Any], prompt: str) -> str:
        """Give the beginning of the prompt that this vendor keeps: up to the last mark `cache_control`."""
        messages = [message.get("content") for message in body["messages"]]
        parts = [part for content in [body.get("system"), *messages] for part in _parts(content)]
        marked = [place for place, part in enumerate(parts) if "cache_control" in part]
        if body.get("cache_control"):
            return prompt
        return "\n".join(_text_of([part]) for part in parts[: marked[-1] + 1]) if marked else ""

    def reply(self, model: str, said: Said, counted: Counted) -> dict[str, Any]:
        """Give the whole completion."""
        blocks: list[dict[str, Any]] = [{"type": "text", "text": said.text}] if said.text else []
        blocks += self._tools(said)
        return {**self._start(model, counted), "content": blocks, "stop_reason": self._finish(said)}

    def stream(self, model: str, said: Said, counted: Counted) -> list[bytes]:
        """Give the completion as events, about one per token; the last ones hold the count."""
        start = self._start(model, counted._replace(said=0))
        events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
        if said.text:
            deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": piece} for piece in _pieces(said.text)]
            events += self._block(0, {"type": "text", "text": ""}, deltas)
        for place, call in enumerate(self._tools(said)):
            written = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(said.tools[place][1])]
            events += self._block(place, {**call, "input": {}}, written)
        ending = {"stop_reason": self._finish(said), "stop_sequence": None}
        events += [
            {"type": "message_delta", "delta": ending, "usage": {"output_tokens": counted.said}},
            {"type": "message_stop"},
        ]
        return [b"event: " + event["type"].encode() + b"\n" + _data(event) for event in events]

    def error(self, status: int) -> dict[str, Any]:
        """Give the body of an error."""
        return {"type": "error", "error": {"type": "fake", "message": f"{status} on purpose"}}

    def _block(self, index: int, block: dict[str, Any], deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {"type": "content_block_start", "index": index, "content_block": block},
            *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
            {"type": "content_block_stop", "index": index},
        ]

    def _finish(self, said: Said) -> str:
        if said.tools:
            return "tool_use"
        # This vendor knows one word for its own refusals and for its filter's.
        return {"stop": "end_turn", "length": "max_tokens"}.get(said.finish, "refusal")

    def _tools(self, said: Said) -> list[dict[str, Any]]:
        return [
            {"type": "tool_use", "id": f"toolu_{place}", "name": name, "input": orjson.loads(arguments)}
            for place, (name, arguments) in enumerate(said.tools, start=1)
        ]

    def _start(self, model: str, counted: Counted) -> dict[str, Any]:
        return {
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # Here, unlike at OpenAI, what came from the cache is not part of the input.
            "usage": {
                "input_tokens": counted.asked - counted.cached - counted.written,
                "cache_read_input_tokens": counted.cached,
                "cache_creation_input_tokens": counted.written,
                "output_tokens": counted.said,
            },
        }


def _parts(content: Any) -> list[dict[str, Any]]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []


OPENAI = OpenAI()
ANTHROPIC = Anthropic()
