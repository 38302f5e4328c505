"""Models as pydantic-ai's agents want them, over the vendors' own SDKs: for the use of tools, which a chat has not."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from httpx2 import AsyncClient, Limits, Timeout
from pydantic_ai import exceptions as theirs
from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings

from app.llm import faults as ours
from app.llm import traits
from app.llm.catalog import ModelRef, Provider, Thinking, Tokens
from app.llm.chat import Finish, Reply
from app.llm.errand import Errand
from app.llm.vendor import KEYLESS, Vendor

_FINISHES: Mapping[str, Finish] = {"tool_call": "tools", "length": "length", "content_filter": "content_filter"}


class Models:
    """Builds each model on first use; their own retries are off, and they share a client."""

    def __init__(self, vendors: Mapping[Provider, Vendor], *, max_connections: int, connect_s: float) -> None:
        self._vendors = vendors
        self._models: dict[ModelRef, Model] = {}
        # Reading is bounded by the call's own deadline, which knows how much of the turn is left.
        timeout = Timeout(None, connect=connect_s)
        self._client = AsyncClient(timeout=timeout, limits=Limits(max_connections=max_connections))

    def model(self, ref: ModelRef) -> Model:
        """Give this model, ready to call."""
        if ref not in self._models:
            build = _anthropic if ref.provider == "anthropic" else _openai
            self._models[ref] = build(ref.name, self._vendors[ref.provider], client=self._client)
        return self._models[ref]

    async def aclose(self) -> None:
        """Close the connections to the vendors."""
        await self._client.aclose()


@dataclass(frozen=True, slots=True)
class Step:
    """One call of an agent's loop; `thinking` by the names of models."""

    models: Models
    thinking: Mapping[str, Thinking]
    messages: Sequence[ModelMessage]
    parameters: ModelRequestParameters

    async def __call__(self, errand: Errand) -> Reply:
        """Give the model's answer. Raises an error of faults.py."""
        thinking = self.thinking.get(errand.ref.name)
        with _translated():
            response = await model_request(
                self.models.model(errand.ref),
                self.messages,
                model_settings=_settings(errand, thinking),
                model_request_parameters=self.parameters,
            )
        used = response.usage
        tokens = Tokens(
            used.input_tokens, used.output_tokens, cached=used.cache_read_tokens, written=used.cache_write_tokens
        )
        return Reply(response.text or "", _finish(response), tokens, response)


def _finish(response: ModelResponse) -> Finish | None:
    if response.finish_reason is None:
        return None
    return _FINISHES.get(response.finish_reason, "stop")


def _settings(errand: Errand, thinking: Thinking | None) -> ModelSettings:
    # The clients do not retry; saying so again would have a copy of the client made for each call.
    settings: ModelSettings = {"max_tokens": errand.max_tokens}
    if thinking is not None:
        settings["thinking"] = False if thinking == "off" else thinking
    if errand.prompt.settings.temperature is not None and _takes_temperature(errand.ref, thinking):
        settings["temperature"] = errand.prompt.settings.temperature
    if errand.ref.provider != "openai_compatible":
        # An agent's messages are read again, step by step.
        settings["cache"] = {"messages": True}
    if errand.ref.provider == "openai":
        cast("dict[str, Any]", settings)["openai_prompt_cache_key"] = errand.prompt.key
    return settings


def _takes_temperature(ref: ModelRef, thinking: Thinking | None) -> bool:
    if ref.provider == "anthropic":
        return traits.anthropic_takes_temperature(ref.name)
    return traits.openai_takes_temperature(ref.name, thinking)


@contextmanager
def _translated() -> Iterator[None]:
    """Give pydantic-ai's errors as ours, which have the same names."""
    try:
        yield
    except theirs.ModelHTTPError as error:
        wait_s = error.retry_after if error.retry_after is not None else ours.retry_after_s(error.headers or {})
        kind = _named(error, ours.ModelHTTPError)
        raise kind(error.status_code, in_stream=error.in_stream, retry_after=wait_s) from error
    except theirs.ModelConnectionError as error:
        phase = "connect" if error.phase == "pool" else error.phase
        raise _named(error, ours.ModelConnectionError)("no answer", phase=phase) from error
    except theirs.ModelAPIError as error:
        raise ours.ModelAPIError("no usable answer", in_stream=error.in_stream) from error
    except theirs.UnexpectedModelBehavior as error:
        raise ours.UnexpectedModelBehavior("an answer of an unknown form") from error


def _named(error: Exception, otherwise: Any) -> Any:
    return getattr(ours, type(error).__name__, otherwise)


def _openai(name: str, vendor: Vendor, *, client: AsyncClient) -> Model:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai import OpenAIProvider

    sdk = AsyncOpenAI(
        api_key=vendor.api_key or KEYLESS, base_url=vendor.base_url or None, http_client=client, max_retries=0
    )
    profile = OpenAIModelProfile()
    if vendor.provider == "openai_compatible":
        # Servers that copy the interface know its older half: `max_tokens`, and no schema enforcement to rely on.
        profile["openai_chat_supports_max_completion_tokens"] = False
        profile["supports_json_schema_output"] = False
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=sdk), profile=profile)


def _anthropic(name: str, vendor: Vendor, *, client: AsyncClient) -> Model:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    sdk = AsyncAnthropic(api_key=vendor.api_key, base_url=vendor.base_url or None, http_client=client, max_retries=0)
    return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=sdk))
