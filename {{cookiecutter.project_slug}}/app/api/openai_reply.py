"""A finished or growing turn as a chat completion: whole, or in chunks."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from app.api.openai_errors import error_of
from app.api.streams import PING, Growing
from app.domain.outcome import Outcome
from app.turn.response import response

# OpenAI's word for what was kept back on purpose.
FILTERED = (Outcome.REFUSED_CHECK, Outcome.REFUSED_INJECTION)
DONE = b"data: [DONE]\n\n"


def completion(told: dict[str, Any], *, created: int) -> dict[str, Any]:
    """Give the body of a finished turn as a chat completion."""
    message = {"role": "assistant", "content": content(told), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(told), "logprobs": None}
    return {
        "id": f"chatcmpl-{told['turn_id']}",
        "object": "chat.completion",
        "created": created,
        "model": told["usecase"],
        "choices": [choice],
        "usage": _tokens(told),
        **_ours(told),
    }


def content(told: dict[str, Any]) -> str:
    """Give what the assistant says: the answer's text, or the JSON of a structured answer."""
    return orjson.dumps(told["data"]).decode() if told["data"] is not None else str(told["answer"])


def _finish_reason(told: dict[str, Any]) -> str:
    return "content_filter" if told["outcome"] in FILTERED else "stop"


def _tokens(told: dict[str, Any]) -> dict[str, Any] | None:
    used = told["usage"]
    if used is None:
        return None
    return {
        "prompt_tokens": used["input_tokens"],
        "completion_tokens": used["output_tokens"],
        "total_tokens": used["input_tokens"] + used["output_tokens"],
        "prompt_tokens_details": {"cached_tokens": used["cached_tokens"]},
    }


def _ours(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "x_turn_id": told["turn_id"],
        "x_outcome": told["outcome"],
        "x_rung": told["rung"],
        "x_model": told["model"],
        "x_age_s": told["age_s"],
        "x_cost_usd": told["usage"]["cost_usd"] if told["usage"] else None,
        "x_hidden": told["hidden"],
        "x_citations": told["citations"],
    }


class Chunks:
    """The chunks of one completion."""

    def __init__(self, turn_id: str, usecase: str, *, created: int, with_usage: bool) -> None:
        self._with_usage, self._shown = with_usage, ""
        self._head = {
            "id": f"chatcmpl-{turn_id}",
            "object": "chat.completion.chunk",
            "created": created,
            "model": usecase,
        }

    async def of(self, growing: Growing) -> AsyncIterator[bytes]:
        """Yield the turn as it grows; fields of a structured answer come at the end, as one JSON text."""
        try:
            yield self._chunk({"role": "assistant", "content": ""})
            async for delta in growing.deltas():
                if isinstance(delta, str):
                    self._shown += delta
                    yield self._chunk({"content": delta})
                else:
                    yield PING
            turn = await growing.turn()
            if turn.error:
                problem = {**turn.error.problem(), "turn_id": str(turn.id), "outcome": turn.outcome}
                yield _data(error_of(problem))
                return
            for chunk in self.end(response(turn)):
                yield chunk
        finally:
            await growing.abandon()

    def whole(self, told: dict[str, Any]) -> Iterator[bytes]:
        """Yield a turn that is finished already."""
        yield self._chunk({"role": "assistant", "content": ""})
        yield from self.end(told)

    def end(self, told: dict[str, Any]) -> Iterator[bytes]:
        """Yield what is still to be said, why it ends, and what it took.

        When a stream was stopped, or another rung has answered, the answer does not go on from what was shown: it then
        follows after an empty line, and `x_replaces` says that it replaces everything before.
        """
        rest, replaces = _rest(content(told), self._shown)
        if rest:
            yield self._chunk({"content": rest})
        yield self._chunk({}, finish_reason=_finish_reason(told), **_ours(told), x_replaces=replaces)
        if self._with_usage and told["usage"]:
            yield _data({**self._head, "choices": [], "usage": _tokens(told)})
        yield DONE

    def _chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None, **ours: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        usage = {"usage": None} if self._with_usage else {}
        return _data({**self._head, "choices": [choice], **usage, **ours})


def _rest(answer: str, shown: str) -> tuple[str, bool]:
    begun = shown.lstrip()
    if answer.startswith(begun):
        return answer[len(begun) :], False
    if answer.strip() == begun.strip():
        return "", False
    return f"\n\n{answer}", True


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value, default=str) + b"\n\n"
