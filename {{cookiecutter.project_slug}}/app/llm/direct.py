"""OpenAI's client without its walk through every type of a request: pydantic-ai gives it the wire's own words already.

The walk took a sixth of a whole turn's work, and changed nothing; tests/llm/test_direct.py compares what is sent.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from openai import AsyncOpenAI, AsyncStream, NotGiven, Omit
from openai.types.chat import ChatCompletion, ChatCompletionChunk


class DirectOpenAI(AsyncOpenAI):
    """The SDK's client, whose `chat.completions.create` sends what it is given; everything else is the SDK's."""

    @cached_property
    def chat(self) -> Any:
        """Give what stands where the SDK's own resource would."""
        return _Chat(self)


class _Chat:
    def __init__(self, client: AsyncOpenAI) -> None:
        self.completions = _Completions(client)


class _Completions:
    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def create(
        self,
        *,
        stream: bool = False,
        extra_headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        timeout: Any = None,
        **body: Any,
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """Ask for a completion, whole or streamed. Raises what the SDK raises."""
        options: dict[str, Any] = {"headers": extra_headers, "extra_json": extra_body, "timeout": timeout}
        wanted: Any = _given(options) | {"security": {"bearer_auth": True}}
        return await self._client.post(
            "/chat/completions",
            cast_to=ChatCompletion,
            body=_given(body) | {"stream": stream},
            options=wanted,
            stream=stream,
            stream_cls=AsyncStream[ChatCompletionChunk],
        )


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in values.items() if value is not None and not isinstance(value, Omit | NotGiven)
    }
