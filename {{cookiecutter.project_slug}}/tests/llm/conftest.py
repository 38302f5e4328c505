"""A gateway for each vendor's wire format, over real HTTP to the fake vendor."""

import tomllib
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from app.llm.catalog import Catalog, Provider
from app.llm.catalog import parse as parse_catalog
from app.llm.gateway import Gateway
from app.llm.providers import Providers, Vendor
from app.llm.resilience import CallLimits
from app.settings import ROOT
from tests.fakes.fixtures import RunningVendor

PROVIDERS: tuple[Provider, ...] = ("openai", "anthropic", "openai_compatible")
Build = Callable[..., Gateway]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return parse_catalog(tomllib.loads((ROOT / "config" / "models.toml").read_text()))


@pytest.fixture(scope="session")
def imported() -> None:
    """Import the vendors' packages before any deadline starts to run."""
    import pydantic_ai.direct
    import pydantic_ai.models.anthropic
    import pydantic_ai.models.openai  # noqa: F401


@pytest_asyncio.fixture
async def build(vendor: RunningVendor, catalog: Catalog, imported: None) -> AsyncIterator[Build]:
    """Give a maker of gateways for a provider; all are closed afterwards."""
    made: list[Gateway] = []

    def make(provider: Provider = "openai", *, url: str = "", limits: CallLimits | None = None) -> Gateway:
        address = url or vendor.url
        base = address if provider == "anthropic" else f"{address}/v1"
        known = Vendor(provider, api_key="secret-key", base_url=base, compatible_model="tiny-model")
        made.append(Gateway(catalog, Providers(known), limits=limits or CallLimits(first_token_s=1.0)))
        made[-1].warm()
        return made[-1]

    yield make
    for gateway in made:
        await gateway.aclose()


class Shown:
    """A listener that keeps what it was shown."""

    def __init__(self) -> None:
        self.pieces: list[str] = []

    async def __call__(self, text: str) -> None:
        self.pieces.append(text)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@pytest.fixture
def shown() -> Shown:
    return Shown()
