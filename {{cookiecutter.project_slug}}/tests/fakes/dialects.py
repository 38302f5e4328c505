"""The two ways vendors put a completion on the wire, as JSON and as server-sent events."""

import json
from dataclasses import dataclass
from typing import Any, Protocol

Counted = tuple[int, int]


class Dialect(Protocol):
    """What differs between vendors."""

    def prompt(self, body: dict[str, Any]) -> str:
        """Give all text of a request."""
        ...

    def schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Give the JSON Schema that the request enforces, if any."""
        ...

    def reply(self, model: str, text: str, counted: Counted) -> dict[str, Any]:
        """Give the whole completion."""
        ...

    def stream(self, model: str, text: str, counted: Counted) -> list[bytes]:
        """Give the completion as events, about one per token."""
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
        return "\n".join(_text_of(part.get("text", "")) for part in content)
    return str(content or "")


@dataclass(frozen=True)
class OpenAI:
    """Chat completions."""

    def prompt(self, body: dict[str, Any]) -> str:
        """Give all text of a request."""
        return "\n".join(_text_of(message.get("content")) for message in body["messages"])

    def schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Give the JSON Schema that the request enforces, if any."""
        wanted = (body.get("response_format") or {}).get("json_schema") or {}
        return wanted.get("schema")

    def reply(self, model: str, text: str, counted: Counted) -> dict[str, Any]:
        """Give the whole completion."""
        message = {"role": "assistant", "content": text}
        return {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": self._usage(counted),
        }

    def stream(self, model: str, text: str, counted: Counted) -> list[bytes]:
        """Give the completion as events, about one per token."""
        start = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": model}
        deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
        deltas += [({"content": piece}, None) for piece in _pieces(text)]
        deltas.append(({}, "stop"))
        chunks: list[dict[str, Any]] = [
            {**start, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in deltas
        ]
        chunks.append({**start, "choices": [], "usage": self._usage(counted)})
        return [*(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks), b"data: [DONE]\n\n"]

    def error(self, status: int) -> dict[str, Any]:
        """Give the body of an error."""
        return {"error": {"message": "on purpose", "type": "fake", "code": str(status)}}

    def _usage(self, counted: Counted) -> dict[str, int]:
        asked, said = counted
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


@dataclass(frozen=True)
class Anthropic:
    """Messages."""

    def prompt(self, body: dict[str, Any]) -> str:
        """Give all text of a request."""
        said = [_text_of(message.get("content")) for message in body["messages"]]
        return "\n".join([_text_of(body.get("system")), *said])

    def schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Give the JSON Schema that the request enforces, if any."""
        wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
        return wanted.get("schema")

    def reply(self, model: str, text: str, counted: Counted) -> dict[str, Any]:
        """Give the whole completion."""
        blocks = [{"type": "text", "text": text}] if text else []
        return {**self._start(model, counted), "content": blocks, "stop_reason": "end_turn"}

    def stream(self, model: str, text: str, counted: Counted) -> list[bytes]:
        """Give the completion as events, about one per token."""
        said = counted[1]
        events: list[dict[str, Any]] = [{"type": "message_start", "message": self._start(model, (counted[0], 0))}]
        if text:
            block = {"type": "text", "text": ""}
            events.append({"type": "content_block_start", "index": 0, "content_block": block})
            events += [
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
                for piece in _pieces(text)
            ]
            events.append({"type": "content_block_stop", "index": 0})
        ending = {"stop_reason": "end_turn", "stop_sequence": None}
        events += [
            {"type": "message_delta", "delta": ending, "usage": {"output_tokens": said}},
            {"type": "message_stop"},
        ]
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]

    def error(self, status: int) -> dict[str, Any]:
        """Give the body of an error."""
        return {"type": "error", "error": {"type": "fake", "message": f"{status} on purpose"}}

    def _start(self, model: str, counted: Counted) -> dict[str, Any]:
        return {
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": counted[0], "output_tokens": counted[1]},
        }


OPENAI = OpenAI()
ANTHROPIC = Anthropic()
