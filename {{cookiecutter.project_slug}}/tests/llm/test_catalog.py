"""Which model stands behind a role, and what it costs."""

import tomllib
from decimal import Decimal

import pytest

from app.errors import CannotStart
from app.llm.catalog import Catalog, ModelRef, Provider, Tokens, parse

RAW = """
[roles.openai]
standard = "gpt-6-sol"
backup = "anthropic:claude-haiku-5-5"
tuned = "ft:gpt-6-luna:us::7"
[roles.anthropic]
own = "openai_compatible:llama:8b"
[roles.openai_compatible]
large = "llama:70b"
[limits]
concurrent_calls = 8
[limits.models]
"gpt-6-sol" = 3
"openai:gpt-6-luna" = 2
[prices]
"tiny" = { input_usd = "0.20", output_usd = "0.80" }
"openai_compatible:llama:8b" = { input_usd = "2", output_usd = "4", cached_input_usd = "0.5" }
"""


def test_every_role_of_the_shipped_catalog_has_a_public_price(catalog: Catalog) -> None:
    for provider, roles in catalog.roles.items():
        assert {"standard", "cheap"} <= set(roles)
        for model in roles.values():
            assert catalog.cost_usd(ModelRef(provider, model), input_tokens=1000, output_tokens=1000), model


def test_the_cheap_role_is_cheaper_than_the_standard_one(catalog: Catalog) -> None:
    for provider, roles in catalog.roles.items():
        cost = {
            role: catalog.cost_usd(ModelRef(provider, model), input_tokens=1000, output_tokens=100)
            for role, model in roles.items()
        }
        assert (cost["cheap"] or 0) < (cost["standard"] or 0)


@pytest.mark.parametrize(
    ("provider", "role", "model"),
    [
        ("openai", "standard", "openai:gpt-6-sol"),
        ("openai", "cheap", None),
        ("openai", "backup", "anthropic:claude-haiku-5-5"),
        ("openai", "tuned", "openai:ft:gpt-6-luna:us::7"),
        ("anthropic", "standard", None),
        ("anthropic", "own", "openai_compatible:llama:8b"),
        ("none", "standard", None),
        ("openai_compatible", "standard", "openai_compatible:tiny"),
        ("openai_compatible", "large", "openai_compatible:llama:70b"),
        ("openai_compatible", "unheard_of", None),
    ],
)
def test_a_role_stands_for_a_model_of_the_configured_provider(provider: Provider, role: str, model: str | None) -> None:
    found = parse(tomllib.loads(RAW)).model_for(provider, role, compatible_model="tiny")
    assert (str(found) if found else None) == model


def test_an_own_price_comes_before_the_public_one() -> None:
    tiny = ModelRef("openai_compatible", "tiny")
    assert parse(tomllib.loads(RAW)).price(tiny, Tokens(1_000_000, 500_000)) == (Decimal("0.60"), "own")


@pytest.mark.proves("CST-1", "LAT-4")
def test_what_the_vendor_had_cached_has_a_price_of_its_own() -> None:
    known, llama = parse(tomllib.loads(RAW)), ModelRef("openai_compatible", "llama:8b")
    assert known.price(llama, Tokens(1_000_000, 0, cached=800_000)) == (Decimal("0.80"), "own")
    tiny = ModelRef("openai_compatible", "tiny")
    assert known.price(tiny, Tokens(1_000_000, 0, cached=800_000)) == (Decimal("0.20"), "own")


@pytest.mark.proves("CST-1", "LAT-4")
@pytest.mark.parametrize("name", ["openai:gpt-6-sol", "anthropic:claude-sonnet-5-5"])
def test_the_public_list_prices_reading_and_writing_the_vendors_cache(name: str, catalog: Catalog) -> None:
    vendor, _, model = name.partition(":")
    ref = ModelRef(vendor, model)  # type: ignore[arg-type]
    plain, read, written = (
        catalog.price(ref, tokens)
        for tokens in (Tokens(10_000, 0), Tokens(10_000, 0, cached=8_000), Tokens(10_000, 0, written=8_000))
    )
    assert {plain[1], read[1], written[1]} == {"list"}
    assert (read[0] or 0) < (plain[0] or 0) / 2
    assert (written[0] or 0) > (plain[0] or 0)


@pytest.mark.proves("CST-1")
@pytest.mark.parametrize(
    "ref", [ModelRef("openai", "no-such-model"), ModelRef("openai_compatible", "gpt-6-sol")], ids=str
)
def test_an_unknown_price_is_none_and_not_zero(ref: ModelRef) -> None:
    assert parse(tomllib.loads(RAW)).price(ref, Tokens(10, 10)) == (None, "unpriced")


@pytest.mark.parametrize(
    ("ref", "calls"),
    [
        (ModelRef("openai", "gpt-6-sol"), 3),
        (ModelRef("openai", "gpt-6-luna"), 2),
        (ModelRef("anthropic", "claude-haiku-5-5"), 8),
    ],
    ids=str,
)
def test_each_model_takes_so_many_calls_at_once(ref: ModelRef, calls: int) -> None:
    assert parse(tomllib.loads(RAW)).calls_at_once(ref) == calls


def test_the_shipped_limit_is_stated(catalog: Catalog) -> None:
    assert catalog.calls_at_once(ModelRef("openai", "gpt-6-sol")) == 64


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        ("[roles.acme]\nstandard = 'x'", "roles.acme"),
        ("[roles.openai]\nstandard = ''", "roles.openai.standard"),
        ("[roles.openai]\nrules = 'gpt-6-sol'", "`rules` is a rung without a model"),
        ("[roles.openai]\n[prices.x]\ninput_usd = -1\noutput_usd = 1", "prices.x.input_usd"),
        ("[roles.openai]\nstandard = 'acme:x'", "roles.openai.standard: there is no vendor `acme`; write <model>, or"),
        ("[roles.openai]\nstandard = 'anthropic:'", "roles.openai.standard: `anthropic:` names no model"),
        ("[roles]\n[limits]\nconcurrent_calls = 0", "limits.concurrent_calls"),
        ("[roles]\n[colours]", "colours"),
    ],
)
def test_a_faulty_catalog_stops_the_start_and_names_the_key(raw: str, complaint: str) -> None:
    with pytest.raises(CannotStart) as refused:
        parse(tomllib.loads(raw))
    assert "config/models.toml" in refused.value.detail
    assert complaint in refused.value.detail
