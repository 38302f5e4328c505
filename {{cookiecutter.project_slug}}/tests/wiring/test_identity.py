"""Who may come in, by the settings: an issuer, a client of it, or development identities, which production refuses."""

import os
from typing import Any

import pytest

from app import refusals
from app.control.development import DevelopmentIssuer
from app.control.oidc import OidcIssuer
from app.control.people import People
from app.control.roles import Roles
from app.errors import CannotStart
from app.main import api
from app.settings import Settings, load
from app.store.db import Database
from app.wiring import identity
from tests.conftest import make_settings

pytestmark = pytest.mark.proves("INT-2")
ISSUER = {"oidc_issuer": "https://id.example.org", "oidc_audience": "the-service"}
NOWHERE = ("postgresql://localhost/none", "redis://localhost:1")


def settings_of(**changes: Any) -> Settings:
    return make_settings(*NOWHERE, **changes)


async def built(settings: Settings) -> Any:
    database = Database(settings.database_url)
    people = People(Roles.read({}), database, has_directory=bool(settings.directory))
    made = identity.authenticator(settings, people, database)
    await made.issuer.close()
    return made


async def test_without_an_issuer_people_are_those_of_development() -> None:
    made = await built(settings_of())
    assert isinstance(made.issuer, DevelopmentIssuer) and made.flow is None and made.sign_ins is None and made.keys


async def test_an_issuer_alone_takes_tokens_and_a_client_lets_pages_sign_in() -> None:
    alone, signing = await built(settings_of(**ISSUER)), await built(settings_of(**ISSUER, oidc_client_id="console"))
    assert isinstance(alone.issuer, OidcIssuer) and alone.flow is None
    assert signing.flow is not None and signing.sign_ins is not None and alone.keys and signing.keys


def faults(**changes: Any) -> list[str]:
    return [fault for fault in refusals.faults(settings_of(**changes)) if "OIDC" in fault]


@pytest.mark.parametrize("issuer", ["https://id.example.org", "http://127.0.0.1:8080/realm", "http://localhost:1"])
def test_an_issuer_under_tls_or_on_this_machine_is_taken(issuer: str) -> None:
    assert faults(**{**ISSUER, "oidc_issuer": issuer}) == []


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"oidc_issuer": "http://id.example.org"}, "write https://"),
        ({"oidc_issuer": "http://localhost.example.org"}, "write https://"),
        ({"oidc_issuer": "id.example.org"}, "write https://"),
        ({"oidc_audience": ""}, "APP_OIDC_AUDIENCE"),
        ({"oidc_issuer": "", "oidc_client_id": "console"}, "APP_OIDC_CLIENT_ID is set without"),
        ({"oidc_client_id": "console", "oidc_scopes": "profile"}, "lacks `openid`"),
    ],
)
def test_an_issuer_that_cannot_be_trusted_is_refused(environment: str, changes: dict[str, str], said: str) -> None:
    assert any(said in fault for fault in faults(**{**ISSUER, **changes, "environment": environment}))


def test_no_process_starts_in_production_with_development_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("APP_", "DATABASE", "REDIS")):
            monkeypatch.delenv(name)
    given = {"APP_ENVIRONMENT": "production", "DATABASE_URL": NOWHERE[0], "REDIS_URL": NOWHERE[1]}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    with pytest.raises(SystemExit, match="development identities are refused"):
        api()
    with pytest.raises(CannotStart, match="development identities are refused"):
        load()
