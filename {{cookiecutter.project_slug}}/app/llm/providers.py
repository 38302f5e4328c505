"""The ways to all vendors that have a key, over one set of connections per process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.llm.anthropic_messages import AnthropicMessages
from app.llm.catalog import VendorName
from app.llm.chat import Dialect
from app.llm.line import Line, Target, target
from app.llm.openai_chat import OpenAIChat
from app.llm.vendor import CONNECT_S, KEYLESS, Vendor

if TYPE_CHECKING:
    from app.llm.sdk import Models

__all__ = ["CONNECT_S", "Providers", "Vendor", "Way", "openai_target"]
_DIALECTS: dict[VendorName, Dialect] = {
    "openai": OpenAIChat(is_original=True),
    "openai_compatible": OpenAIChat(is_original=False),
    "anthropic": AnthropicMessages(),
}
_ADDRESSES: dict[VendorName, str] = {
    "openai": "https://api.openai.com/v1",
    "openai_compatible": "",
    "anthropic": "https://api.anthropic.com",
}


@dataclass(frozen=True, slots=True)
class Way:
    """How to speak with a vendor: over which line, to where, in which dialect."""

    line: Line
    target: Target
    dialect: Dialect


class Providers:
    """Gives the way to every vendor that has a key.

    The first vendor is the chosen one: its table of config/models.toml holds the roles.
    """

    def __init__(self, *vendors: Vendor, max_connections: int = 200) -> None:
        self.vendor = vendors[0]
        self._vendors = {vendor.provider: vendor for vendor in reversed(vendors)}
        self._line = Line(max_connections=max_connections, connect_s=CONNECT_S)
        self._max_connections = max_connections
        self._ways: dict[VendorName, Way] = {}
        self._models: Models | None = None

    def reaches(self, provider: VendorName) -> bool:
        """Say whether there is enough to call this vendor's models."""
        vendor = self._vendors.get(provider)
        return vendor is not None and vendor.is_configured

    def way(self, provider: VendorName) -> Way:
        """Give the way to a vendor."""
        if provider not in self._ways:
            dialect = _DIALECTS[provider]
            to = _target(self._vendors[provider], dialect, dialect.path, at=provider)
            self._ways[provider] = Way(self._line, to, dialect)
        return self._ways[provider]

    @property
    def models(self) -> "Models":
        """Give the models as an agent's loop wants them; the first time imports pydantic-ai, which takes seconds."""
        if self._models is None:
            from app.llm.sdk import Models

            self._models = Models(self._vendors, max_connections=self._max_connections, connect_s=CONNECT_S)
        return self._models

    async def aclose(self) -> None:
        """Close the connections to the vendors."""
        await self._line.aclose()
        if self._models is not None:
            await self._models.aclose()
            self._models = None


def openai_target(vendor: Vendor, path: str) -> Target:
    """Give a target at a vendor that speaks OpenAI's protocol."""
    at: VendorName = "openai" if vendor.provider == "openai" else "openai_compatible"
    return _target(vendor, _DIALECTS[at], path, at=at)


def _target(vendor: Vendor, dialect: Dialect, path: str, *, at: VendorName) -> Target:
    return target(vendor.base_url or _ADDRESSES[at], path, dialect.headers(vendor.api_key or KEYLESS))
