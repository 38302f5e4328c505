"""Vendors are reached as configured, by one client, and nothing is imported before it is needed."""

import subprocess
import sys

import pytest

from app.llm.catalog import ModelRef, VendorName
from app.llm.providers import Providers, Vendor
from app.settings import ROOT


@pytest.mark.parametrize(
    ("vendor", "is_configured"),
    [
        (Vendor(), False),
        (Vendor("openai"), False),
        (Vendor("openai", api_key="k"), True),
        (Vendor("anthropic", api_key="k"), True),
        (Vendor("openai_compatible", compatible_model="m"), False),
        (Vendor("openai_compatible", base_url="http://x"), True),
    ],
)
def test_a_vendor_is_configured_when_a_call_could_be_made(vendor: Vendor, is_configured: bool) -> None:
    assert vendor.is_configured is is_configured


@pytest.mark.proves("SEC-7")
def test_a_key_is_not_shown() -> None:
    assert "k-secret" not in repr(Vendor("openai", api_key="k-secret"))


@pytest.mark.parametrize("provider", ["openai", "anthropic", "openai_compatible"])
async def test_an_agents_models_are_built_once_and_share_a_client(provider: VendorName) -> None:
    providers = Providers(Vendor(provider, api_key="k", base_url="http://127.0.0.1:9", compatible_model="m"))
    models = providers.models
    one, other = (models.model(ModelRef(provider, name)) for name in ("one", "other"))
    assert providers.models is models and models.model(ModelRef(provider, "one")) is one
    assert one.client._client is other.client._client  # type: ignore[attr-defined]
    assert one.client.max_retries == 0  # type: ignore[attr-defined]
    await providers.aclose()


async def test_vendors_share_a_line_and_each_has_its_own_key_and_address() -> None:
    providers = Providers(Vendor("openai", api_key="one"), Vendor("anthropic", api_key="other", base_url="http://x/"))
    openai, anthropic = providers.way("openai"), providers.way("anthropic")
    assert providers.way("openai") is openai
    assert openai.line is anthropic.line
    assert str(openai.target.url) == "https://api.openai.com/v1/chat/completions"
    assert str(anthropic.target.url) == "http://x/v1/messages"
    assert [way.target.headers["Authorization"] for way in (openai, anthropic)] == ["Bearer one", "Bearer other"]
    assert providers.reaches("anthropic")
    assert not providers.reaches("openai_compatible")
    await providers.aclose()


def test_without_a_key_no_vendors_package_is_imported() -> None:
    code = (
        "import sys, app.llm.gateway as g, app.llm.providers as p, app.llm.catalog as c;"
        "roles = {'openai': {'standard': 'gpt-6-sol'}};"
        "g.Gateway(c.Catalog(roles=roles), p.Providers(p.Vendor('openai'))).warm();"
        "sys.exit(bool({'openai', 'anthropic', 'pydantic_ai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0
