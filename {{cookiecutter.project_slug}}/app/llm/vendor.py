"""Whose models to call, and how to reach them."""

from dataclasses import dataclass, field

from app.llm.catalog import Provider

CONNECT_S = 5.0
KEYLESS = "no-key-needed"


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor; an empty address means its own."""

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
