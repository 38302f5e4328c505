"""The vendors of models as the settings name them, and the limits under which they are called."""

from collections.abc import Mapping

from app.domain.usecase import UseCase
from app.errors import CannotStart
from app.llm import asking
from app.llm.catalog import FILE, Catalog, VendorName
from app.llm.providers import Providers, Vendor
from app.llm.resilience import CallLimits
from app.settings import Settings
from app.store.door import Rules
from app.store.shared import Shared
from app.store.turnstile import Turnstile

KEYS: Mapping[VendorName, str] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "openai_compatible": "OPENAI_COMPATIBLE_BASE_URL",
}
LEASE_MARGIN_S = 5.0


def vendors(settings: Settings) -> list[Vendor]:
    """Give every vendor, the chosen one first; those without a key are never called."""
    known = [
        Vendor("openai", settings.openai_api_key.get_secret_value(), settings.openai_base_url),
        Vendor("anthropic", settings.anthropic_api_key.get_secret_value(), settings.anthropic_base_url),
        Vendor(
            "openai_compatible",
            settings.openai_compatible_api_key.get_secret_value(),
            settings.openai_compatible_base_url,
            settings.openai_compatible_model,
        ),
    ]
    chosen = settings.model_provider
    if chosen == "none":
        return [Vendor(), *known]
    return sorted(known, key=lambda vendor: vendor.provider != chosen)


def ensure_keys(catalog: Catalog, providers: Providers, usecases: Mapping[str, UseCase]) -> None:
    """Refuse to start when a ladder or route counts on a vendor without a key. Raises CannotStart."""
    faults = {
        f"- {FILE}: roles.{providers.vendor.provider}.{role} is {ref}, and {name} counts on it:"
        f" set {KEYS[ref.provider]}, or give the role another model"
        for name, usecase in usecases.items()
        for role in asking.roles(usecase)
        for prompt in (None, *usecase.prompts.values())
        if (ref := asking.chosen(catalog, providers.vendor, role, prompt)) and not providers.reaches(ref.provider)
    }
    if faults:
        raise CannotStart("\n".join(sorted(faults)))


def call_limits(settings: Settings) -> CallLimits:
    """Give the timeouts of a call."""
    return CallLimits(
        model_timeout_s=settings.model_timeout_s,
        first_token_s=settings.model_first_token_s,
        idle_s=settings.model_idle_s,
    )


def turnstile(settings: Settings, shared: Shared) -> Turnstile:
    """Build the door before all models; a dead process' slot is free again once no call could still be using it."""
    return Turnstile(shared, rules=Rules(hold_s=settings.model_timeout_s + LEASE_MARGIN_S))
