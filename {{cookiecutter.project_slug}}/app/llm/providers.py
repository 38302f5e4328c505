"""Builds the vendors' models, each on first use, over one HTTP client per process."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from httpx2 import AsyncClient, Limits, Timeout

from app.llm.catalog import Provider

if TYPE_CHECKING:
    from pydantic_ai.models import Model

CONNECT_S = 5.0
KEYLESS = "no-key-needed"


@dataclass(frozen=True, slots=True)
class Vendor:
    """Whose models to call, and how to reach them; an empty address means the vendor's own."""

    provider: Provider = "none"
    api_key: str = field(default="", repr=False)
    base_url: str = ""
    compatible_model: str = ""

    @property
    def is_configured(self) -> bool:
        """Say whether there is enough to make a call."""
        if self.provider == "openai_compatible":
            return bool(self.base_url and self.compatible_model)
        return self.provider != "none" and bool(self.api_key)


class Providers:
    """Gives models by name; vendors' packages are imported when the first model is asked for, not before."""

    def __init__(self, vendor: Vendor, *, max_connections: int = 200) -> None:
        self.vendor = vendor
        self._max_connections = max_connections
        self._models: dict[str, Model] = {}
        self._client: AsyncClient | None = None

    def model(self, name: str) -> "Model":
        """Give the model of this name, ready to call; its own retries are off."""
        if name not in self._models:
            self._models[name] = self._build(name)
        return self._models[name]

    async def aclose(self) -> None:
        """Close the connections to the vendor."""
        self._models.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _http(self) -> AsyncClient:
        if self._client is None:
            limits = Limits(max_connections=self._max_connections, max_keepalive_connections=self._max_connections)
            # Reading is bounded by the call's own deadline, which knows how much of the turn is left.
            self._client = AsyncClient(timeout=Timeout(None, connect=CONNECT_S), limits=limits)
        return self._client

    def _build(self, name: str) -> "Model":
        vendor = self.vendor
        if vendor.provider == "anthropic":
            return _anthropic(name, vendor, client=self._http())
        return _openai(name, vendor, client=self._http())


def _openai(name: str, vendor: Vendor, *, client: AsyncClient) -> "Model":
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai import OpenAIProvider

    sdk = AsyncOpenAI(
        api_key=vendor.api_key or KEYLESS, base_url=vendor.base_url or None, http_client=client, max_retries=0
    )
    # A stream that just ends would otherwise pass for a finished answer.
    profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
    if vendor.provider == "openai_compatible":
        # Servers that copy the interface know its older half: `max_tokens`, and no schema enforcement to rely on.
        profile["openai_chat_supports_max_completion_tokens"] = False
        profile["supports_json_schema_output"] = False
    return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=sdk), profile=profile)


def _anthropic(name: str, vendor: Vendor, *, client: AsyncClient) -> "Model":
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    sdk = AsyncAnthropic(api_key=vendor.api_key, base_url=vendor.base_url or None, http_client=client, max_retries=0)
    return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=sdk))
