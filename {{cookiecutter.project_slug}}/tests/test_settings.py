"""Settings: unsafe ones are refused, all at once, each with its cure."""

import pytest

from app.errors import CannotStart
from app.settings import ROOT, load

GOOD = {"DATABASE_URL": "postgresql://x/y", "REDIS_URL": "redis://x", "APP_SECRET_KEY": "k" * 32}


@pytest.fixture
def environ(monkeypatch, tmp_path):
    """Set the environment to exactly this; `.env` and running engines stay out of it."""

    def set_(values):
        for name in (*GOOD, "APP_ENVIRONMENT", "APP_OIDC_ISSUER", "APP_OIDC_AUDIENCE", "APP_MODEL_PROVIDER"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"APP_LOCAL_DIR": str(tmp_path), **values}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(__import__("app.settings").settings.Settings.model_config, "env_file", None)

    return set_


def test_everything_that_is_missing_is_told_at_once(environ):
    environ({})
    with pytest.raises(CannotStart) as refused:
        load()
    assert all(
        word in refused.value.detail
        for word in ("DATABASE_URL", "REDIS_URL", "APP_SECRET_KEY", "make up", "make setup")
    )


def test_engines_of_make_up_fill_in_for_absent_addresses(environ, tmp_path):
    environ({"APP_SECRET_KEY": "k" * 32})
    (tmp_path / "engines.env").write_text("DATABASE_URL=postgresql://a/b\nREDIS_URL=redis://c\nAPP_URL=http://d\n")
    settings = load()
    assert (settings.database_url, settings.redis_url, settings.public_url) == (
        "postgresql://a/b",
        "redis://c",
        "http://d",
    )


def test_an_address_that_is_set_wins_over_the_engines(environ, tmp_path):
    environ(GOOD)
    (tmp_path / "engines.env").write_text("DATABASE_URL=postgresql://a/b\nREDIS_URL=redis://c\n")
    assert load().database_url == GOOD["DATABASE_URL"]


def test_production_refuses_development_identities_and_a_provider_without_a_key(environ):
    environ({**GOOD, "APP_ENVIRONMENT": "production", "APP_MODEL_PROVIDER": "openai"})
    with pytest.raises(CannotStart) as refused:
        load()
    assert "APP_OIDC_ISSUER" in refused.value.detail and "OPENAI_API_KEY" in refused.value.detail


def test_production_does_not_use_engines_of_make_up(environ, tmp_path):
    environ({"APP_ENVIRONMENT": "production", "APP_SECRET_KEY": "k" * 32})
    (tmp_path / "engines.env").write_text("DATABASE_URL=postgresql://a/b\nREDIS_URL=redis://c\n")
    with pytest.raises(CannotStart, match="DATABASE_URL"):
        load()


def test_a_broken_configuration_file_is_named(environ, tmp_path):
    environ({**GOOD, "APP_CONFIG_DIR": str(tmp_path)})
    (tmp_path / "roles.toml").write_text("[permissions\n")
    settings = load()
    with pytest.raises(CannotStart, match=r"roles\.toml is not valid TOML"):
        settings.config("roles")
    with pytest.raises(CannotStart, match=r"flags\.toml is missing"):
        settings.config("flags")
    assert (ROOT / "config" / "roles.toml").exists()
