"""A gateway for each vendor's wire format, over real HTTP to the fake vendor."""

import tomllib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from app.domain.turn import Delta
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


def reached(provider: Provider, url: str) -> Vendor:
    """Give a vendor with a key, at this address."""
    base = url if provider == "anthropic" else f"{url}/v1"
    return Vendor(provider, api_key="secret-key", base_url=base, compatible_model="tiny-model")


@pytest_asyncio.fixture
async def build(vendor: RunningVendor, catalog: Catalog) -> AsyncIterator[Build]:
    """Give a maker of gateways for a provider; all are closed afterwards."""
    made: list[Gateway] = []

    def make(provider: Provider = "openai", *, url: str = "", limits: CallLimits | None = None, **more: Any) -> Gateway:
        """Build one; `more`: other vendors `also`, a `catalog` or a `turnstile` of the test's own."""
        known = [reached(each, url or vendor.url) for each in (provider, *more.get("also", ()))]
        made.append(
            Gateway(
                more.get("catalog", catalog),
                Providers(*known),
                limits=limits or CallLimits(first_token_s=1.0),
                turnstile=more.get("turnstile"),
            )
        )
        made[-1].warm()
        return made[-1]

    yield make
    for gateway in made:
        await gateway.aclose()


class Shown:
    """A listener that keeps what it was shown."""

    def __init__(self) -> None:
        self.pieces: list[Delta] = []

    async def __call__(self, delta: Delta) -> None:
        self.pieces.append(delta)

    @property
    def text(self) -> str:
        return "".join(piece for piece in self.pieces if isinstance(piece, str))


@pytest.fixture
def shown() -> Shown:
    return Shown()
