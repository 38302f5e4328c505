"""OpenAI's chat completions, which many other servers speak too: their requests and answers."""

from collections.abc import Mapping
from typing import Any

from app.llm import schemas, traits
from app.llm.catalog import Tokens
from app.llm.chat import Chat, Fields, Finish, Reply, Wanted, count
from app.llm.faults import QUOTA_CODES, ModelAPIError, UnexpectedModelBehavior, broken
from app.llm.thoughts import Thoughts, without_thoughts

_CACHE = {"mode": "explicit", "ttl": "30m"}
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tools",
    "function_call": "tools",
}
# The status that an error in the middle of a stream would have had before it, by its code or type.
_STATUSES = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    **dict.fromkeys(QUOTA_CODES, 429),
    "context_length_exceeded": 400,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "server_is_overloaded": 503,
    "overloaded": 503,
    "server_error": 500,
}


class OpenAIChat:
    """The dialect; `is_original`: of OpenAI itself, whose servers know more than those that copy it."""

    path = "/chat/completions"

    def __init__(self, *, is_original: bool) -> None:
        self._is_original = is_original

    def headers(self, api_key: str) -> dict[str, str]:
        """Give the headers that name us to the vendor."""
        return {"Authorization": f"Bearer {api_key}"}

    def body(self, chat: Chat, wanted: Wanted, *, stream: bool) -> Fields:
        """Give the request."""
        name = wanted.ref.name
        body: Fields = {"model": name, "messages": self._messages(chat, name), "stream": stream}
        if stream:
            body["stream_options"] = {"include_usage": True}
        effort = traits.openai_effort(name, wanted.thinking)
        if effort is not None:
            body["reasoning_effort"] = effort
        if wanted.temperature is not None and traits.openai_takes_temperature(name, wanted.thinking):
            body["temperature"] = wanted.temperature
        if not self._is_original:
            # Servers that copy the interface know its older half: `max_tokens`, and no schema to rely on.
            return {**body, "max_tokens": wanted.max_tokens}
        body["max_completion_tokens"] = wanted.max_tokens
        # OpenAI sends calls of one key to the machine that has read their beginning before.
        body["prompt_cache_key"] = wanted.cache_key
        if traits.openai_marks_cache(name):
            body["prompt_cache_options"] = _CACHE
        if wanted.schema is not None:
            schema, strict = schemas.for_openai(wanted.schema)
            described = {"name": wanted.name, "schema": schema, "strict": strict}
            body["response_format"] = {"type": "json_schema", "json_schema": described}
        return body

    def read(self, body: Any) -> Reply:
        """Read a whole answer. Raises UnexpectedModelBehavior."""
        try:
            choice = body["choices"][0]
            message = choice["message"]
            text, refusal = message.get("content") or "", message.get("refusal")
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise UnexpectedModelBehavior("no answer in the completion") from error
        # Some servers leave the reason out of a whole answer; a whole answer is whole.
        finish = _FINISHES.get(choice.get("finish_reason") or "stop")
        if not isinstance(text, str) or finish is None:
            raise UnexpectedModelBehavior("an answer of an unknown form")
        if refusal:
            return Reply("", "content_filter", tokens(body.get("usage")))
        return Reply(text if self._is_original else without_thoughts(text), finish, tokens(body.get("usage")))

    def hear(self) -> "_Hearing":
        """Begin to take in a streamed answer."""
        return _Hearing(None if self._is_original else Thoughts())

    def _messages(self, chat: Chat, name: str) -> list[Fields]:
        system: Any = chat.system
        if self._is_original and traits.openai_marks_cache(name):
            system = [{"type": "text", "text": chat.system, "prompt_cache_breakpoint": {"mode": "explicit"}}]
        said = [{"role": word.role, "content": word.text} for word in chat.words]
        return [{"role": "system", "content": system}, *said]


class _Hearing:
    """Takes in a streamed completion."""

    def __init__(self, thoughts: Thoughts | None) -> None:
        self._pieces: list[str] = []
        self._finish: Finish | None = None
        self._tokens = Tokens(0, 0)
        self._is_refused = False
        self._thoughts = thoughts

    def take(self, event: Fields) -> str | None:
        """Give the text that came with an event. Raises ModelAPIError for an error in the stream."""
        if event.get("error"):
            raise broken(event["error"], statuses=_STATUSES)
        if event.get("usage"):
            self._tokens = tokens(event["usage"])
        choices = event.get("choices")
        if not choices:
            return None
        delta = choices[0].get("delta") or {}
        self._is_refused = self._is_refused or bool(delta.get("refusal"))
        reason = choices[0].get("finish_reason")
        if reason:
            self._finish = _FINISHES.get(reason)
        text = delta.get("content")
        if not text:
            return "" if delta.get("reasoning_content") or delta.get("reasoning") else None
        if self._thoughts is not None:
            text = self._thoughts.leave_out(text)
        self._pieces.append(text)
        return text

    def reply(self) -> Reply:
        """Give the whole answer. Raises ModelAPIError when the stream just ended: that is no finished answer."""
        if self._is_refused:
            return Reply("", "content_filter", self._tokens)
        if self._finish is None:
            raise ModelAPIError("the stream ended without a reason")
        rest = self._thoughts.rest() if self._thoughts is not None else ""
        return Reply("".join(self._pieces) + rest, self._finish, self._tokens)


def tokens(usage: Any) -> Tokens:
    """Read what was counted."""
    return Tokens(
        count(usage, "prompt_tokens"),
        count(usage, "completion_tokens"),
        cached=count(usage, "prompt_tokens_details", "cached_tokens"),
        written=count(usage, "prompt_tokens_details", "cache_write_tokens"),
    )
