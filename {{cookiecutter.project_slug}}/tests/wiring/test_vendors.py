"""Which vendors are there, and what stops the start because one is missing."""

import pytest

from app.domain.usecase import UseCase
from app.errors import CannotStart
from app.llm.catalog import Catalog
from app.llm.providers import Providers
from app.settings import Settings
from app.wiring.vendors import call_limits, ensure_keys, vendors
from tests.conftest import make_settings
from tests.llm.turns import usecase

ROLES = Catalog.model_validate(
    {"roles": {"openai": {"standard": "gpt-6-sol", "backup": "anthropic:claude-haiku-5-5", "own": "gpt-6-luna"}}}
)


def known(**keys: str) -> Settings:
    return make_settings("", "", **keys)


def cases(*ladder: str) -> dict[str, UseCase]:
    return {"answers": usecase(*ladder)}


def test_every_vendor_with_a_key_is_there_and_the_chosen_one_stands_first() -> None:
    found = vendors(known(model_provider="anthropic", anthropic_api_key="a", openai_api_key="b"))
    assert [(vendor.provider, vendor.is_configured) for vendor in found] == [
        ("anthropic", True),
        ("openai", True),
        ("openai_compatible", False),
    ]


def test_without_a_chosen_provider_no_role_has_a_model() -> None:
    first, *_ = vendors(known(openai_api_key="b"))
    assert first.provider == "none"


def test_a_ladder_that_counts_on_a_vendor_without_a_key_stops_the_start_with_file_key_and_cure() -> None:
    settings = known(model_provider="openai", openai_api_key="a")
    with pytest.raises(CannotStart) as refused:
        ensure_keys(ROLES, Providers(*vendors(settings)), cases("standard", "backup", "extractive"))
    assert refused.value.detail == (
        "- config/models.toml: roles.openai.backup is anthropic:claude-haiku-5-5, and answers counts on it:"
        " set ANTHROPIC_API_KEY, or give the role another model"
    )


@pytest.mark.parametrize(
    ("keys", "ladder"),
    [
        ({"anthropic_api_key": "b"}, ("standard", "backup")),
        ({}, ("standard", "own", "extractive")),
        ({}, ("extractive", "rules", "cached", "person")),
    ],
)
def test_what_nobody_counts_on_may_be_missing(keys: dict[str, str], ladder: tuple[str, ...]) -> None:
    settings = known(model_provider="openai", openai_api_key="a", **keys)
    ensure_keys(ROLES, Providers(*vendors(settings)), cases(*ladder))
    assert all(name in ROLES.rungs for name in ladder)


@pytest.mark.proves("LAT-5")
def test_the_timeouts_of_a_call_are_settings() -> None:
    limits = call_limits(known(model_timeout_s=3, model_first_token_s=2, model_idle_s=1))
    assert (limits.model_timeout_s, limits.first_token_s, limits.idle_s) == (3, 2, 1)
