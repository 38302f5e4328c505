"""Which model stands behind a role, and what it costs."""

import tomllib
from decimal import Decimal

import pytest

from app.errors import CannotStart
from app.llm.catalog import Catalog, Provider, parse

RAW = """
[roles.openai]
standard = "gpt-6-sol"
[prices]
"tiny" = { input_usd = "0.20", output_usd = "0.80" }
"""


def test_every_role_of_the_shipped_catalog_has_a_public_price(catalog: Catalog) -> None:
    for provider, roles in catalog.roles.items():
        assert {"standard", "cheap"} <= set(roles)
        for model in roles.values():
            assert catalog.cost_usd(provider, model, input_tokens=1000, output_tokens=1000), model


def test_the_cheap_role_is_cheaper_than_the_standard_one(catalog: Catalog) -> None:
    for provider, roles in catalog.roles.items():
        cost = {
            role: catalog.cost_usd(provider, model, input_tokens=1000, output_tokens=100)
            for role, model in roles.items()
        }
        assert (cost["cheap"] or 0) < (cost["standard"] or 0)


@pytest.mark.parametrize(
    ("provider", "role", "model"),
    [
        ("openai", "standard", "gpt-6-sol"),
        ("openai", "cheap", None),
        ("anthropic", "standard", None),
        ("none", "standard", None),
        ("openai_compatible", "standard", "tiny"),
        ("openai_compatible", "unheard_of", None),
    ],
)
def test_a_role_stands_for_a_model_of_the_configured_provider(provider: Provider, role: str, model: str | None) -> None:
    assert parse(tomllib.loads(RAW)).model_for(provider, role, compatible_model="tiny") == model


def test_an_own_price_comes_before_the_public_one() -> None:
    cost = parse(tomllib.loads(RAW)).cost_usd(
        "openai_compatible", "tiny", input_tokens=1_000_000, output_tokens=500_000
    )
    assert cost == Decimal("0.60")


@pytest.mark.parametrize(("provider", "model"), [("openai", "no-such-model"), ("openai_compatible", "gpt-6-sol")])
def test_an_unknown_price_is_none_and_not_zero(provider: Provider, model: str) -> None:
    assert parse(tomllib.loads(RAW)).cost_usd(provider, model, input_tokens=10, output_tokens=10) is None


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ("[roles.acme]\nstandard = 'x'", "roles.acme"),
        ("[roles.openai]\nstandard = ''", "roles.openai.standard"),
        ("[roles.openai]\nrules = 'gpt-6-sol'", "`rules` is a rung without a model"),
        ("[roles.openai]\n[prices.x]\ninput_usd = -1\noutput_usd = 1", "prices.x.input_usd"),
        ("[roles]\n[colours]", "colours"),
    ],
)
def test_a_faulty_catalog_stops_the_start_and_names_the_key(raw: str, complaint: str) -> None:
    with pytest.raises(CannotStart) as refused:
        parse(tomllib.loads(raw))
    assert "config/models.toml" in refused.value.detail
    assert complaint in refused.value.detail
