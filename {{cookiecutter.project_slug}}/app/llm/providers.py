"""Builds the models of all vendors that have a key, each on first use, over one HTTP client per process."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from httpx2 import AsyncClient, Timeout

from app.llm.catalog import ModelRef, Provider, VendorName
from app.llm.wire import Wire

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
            return bool(self.base_url)
        return self.provider != "none" and bool(self.api_key)


class Providers:
    """Gives models of every vendor that has a key; a vendor's package is imported when its first model is asked for.

    The first vendor is the chosen one: its table of config/models.toml holds the roles.
    """

    def __init__(self, *vendors: Vendor, max_connections: int = 200) -> None:
        self.vendor = vendors[0]
        self._vendors = {vendor.provider: vendor for vendor in reversed(vendors)}
        self._max_connections = max_connections
        self._models: dict[ModelRef, Model] = {}
        self._client: AsyncClient | None = None

    def reaches(self, provider: VendorName) -> bool:
        """Say whether there is enough to call this vendor's models."""
        vendor = self._vendors.get(provider)
        return vendor is not None and vendor.is_configured

    def model(self, ref: ModelRef) -> "Model":
        """Give this model, ready to call; its own retries are off."""
        if ref not in self._models:
            self._models[ref] = self._build(ref)
        return self._models[ref]

    async def aclose(self) -> None:
        """Close the connections to the vendors."""
        self._models.clear()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _http(self) -> AsyncClient:
        if self._client is None:
            # Reading is bounded by the call's own deadline, which knows how much of the turn is left.
            timeout = Timeout(None, connect=CONNECT_S)
            wire = Wire(max_connections=self._max_connections, connect_s=CONNECT_S)
            self._client = AsyncClient(timeout=timeout, transport=wire)
        return self._client

    def _build(self, ref: ModelRef) -> "Model":
        build = _anthropic if ref.provider == "anthropic" else _openai
        return build(ref.name, self._vendors[ref.provider], client=self._http())


def _openai(name: str, vendor: Vendor, *, client: AsyncClient) -> "Model":
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai import OpenAIProvider

    from app.llm.direct import DirectOpenAI

    sdk = DirectOpenAI(
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
