"""The models behind each role, and what their tokens cost; read from config/models.toml."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from genai_prices import Usage as TokenUsage
from genai_prices import calc_price
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import CannotStart

Provider = Literal["none", "openai", "anthropic", "openai_compatible"]
Thinking = Literal["off", "low", "medium", "high"]
LOCAL_RUNGS = ("extractive", "rules")
FILE = "config/models.toml"
MILLION = Decimal(1_000_000)
ModelName = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(_Part):
    """US dollars per million tokens."""

    input_usd: Annotated[Decimal, Field(ge=0)]
    output_usd: Annotated[Decimal, Field(ge=0)]


class Catalog(_Part):
    """Roles per provider, own prices, and how much each model thinks."""

    roles: dict[Literal["openai", "anthropic"], dict[str, ModelName]]
    thinking: dict[str, Thinking] = {}
    prices: dict[str, Price] = {}

    @property
    def rungs(self) -> frozenset[str]:
        """Give every name that may stand on a ladder."""
        return frozenset(role for roles in self.roles.values() for role in roles) | frozenset(LOCAL_RUNGS)

    def model_for(self, provider: Provider, role: str, *, compatible_model: str = "") -> str | None:
        """Give the model behind a role; None where this provider has none."""
        if provider == "none":
            return None
        if provider == "openai_compatible":
            return (compatible_model or None) if role in self.rungs else None
        return self.roles.get(provider, {}).get(role)

    def cost_usd(self, provider: Provider, model: str, *, input_tokens: int, output_tokens: int) -> Decimal | None:
        """Price one call, by your own prices first, then by the public list; None where neither knows the model."""
        own = self.prices.get(model)
        if own is not None:
            return (own.input_usd * input_tokens + own.output_usd * output_tokens) / MILLION
        if provider not in ("openai", "anthropic"):
            return None
        usage = TokenUsage(input_tokens=input_tokens, output_tokens=output_tokens)
        try:
            return calc_price(usage, model, provider_id=provider).total_price
        except (LookupError, ValueError):
            return None


def parse(raw: Mapping[str, Any]) -> Catalog:
    """Check what config/models.toml says; anything unusable stops the start with file, key and cure."""
    try:
        catalog = Catalog.model_validate(raw)
    except ValidationError as error:
        faults = [f"- {FILE}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise CannotStart("\n".join(faults)) from error
    for provider, roles in catalog.roles.items():
        for role in set(roles) & set(LOCAL_RUNGS):
            raise CannotStart(f"- {FILE}: roles.{provider}.{role}: `{role}` is a rung without a model; rename the role")
    return catalog
