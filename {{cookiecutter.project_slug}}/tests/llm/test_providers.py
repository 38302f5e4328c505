"""Vendors are reached as configured, by one client, and nothing is imported before it is needed."""

import subprocess
import sys

import pytest

from app.llm.catalog import Provider
from app.llm.providers import Providers, Vendor
from app.settings import ROOT


@pytest.mark.parametrize(
    ("vendor", "is_configured"),
    [
        (Vendor(), False),
        (Vendor("openai"), False),
        (Vendor("openai", api_key="k"), True),
        (Vendor("anthropic", api_key="k"), True),
        (Vendor("openai_compatible", base_url="http://x"), False),
        (Vendor("openai_compatible", base_url="http://x", compatible_model="m"), True),
    ],
)
def test_a_vendor_is_configured_when_a_call_could_be_made(vendor: Vendor, is_configured: bool) -> None:
    assert vendor.is_configured is is_configured


@pytest.mark.proves("SEC-7")
def test_a_key_is_not_shown() -> None:
    assert "k-secret" not in repr(Vendor("openai", api_key="k-secret"))


@pytest.mark.parametrize("provider", ["openai", "anthropic", "openai_compatible"])
async def test_models_are_built_once_and_share_a_client(provider: Provider) -> None:
    providers = Providers(Vendor(provider, api_key="k", base_url="http://127.0.0.1:9", compatible_model="m"))
    one, other = providers.model("one"), providers.model("other")
    assert providers.model("one") is one
    assert one.client._client is other.client._client  # type: ignore[attr-defined]
    assert one.client.max_retries == 0  # type: ignore[attr-defined]
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
