"""The doctor sees what is wrong with a deployment, and says what to do about it."""

import json

import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner

from app.cli.doctor import exit_code, register
from app.store.standing import DatabaseStanding, RedisStanding
from app.wiring import doctor
from app.wiring.doctor import Finding
from tests.conftest import make_settings


def by_check(found: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in found}


def test_a_sound_service_gets_no_fault(settings):
    found = doctor.examine(settings)
    assert [finding for finding in found if finding.verdict in ("fault", "unknown")] == []
    known = by_check(found)
    assert known["database"].verdict == known["pgvector"].verdict == known["migrations"].verdict == "ok"
    assert known["redis eviction"].detail == "noeviction" and known["clock"].verdict == "ok"
    assert exit_code(found) == 0


def test_engines_that_are_away_are_unknown_and_not_at_fault():
    settings = make_settings("postgresql://x@127.0.0.1:1/none", "redis://127.0.0.1:1")
    found = by_check(doctor.examine(settings))
    assert found["database"].verdict == found["redis"].verdict == "unknown"
    assert "DATABASE_URL" in found["database"].cure and exit_code(list(found.values())) == 2


@pytest.mark.parametrize(
    ("seen", "check", "words"),
    [
        ({"is_super": True, "login": "postgres"}, "database rights", "a superuser"),
        ({"role_fault": "app_service may change what is append-only"}, "database rights", "append-only"),
        ({"behind": ("platform_0014",)}, "database rights", "platform_0014"),
        ({"is_owner": True, "login": "app_owner"}, "database login", "owns the tables"),
        ({"vector": ""}, "pgvector", "vector"),
        ({"skew_s": -9.0}, "clock", "-9.0 s"),
    ],
)
def test_what_is_wrong_with_the_database_is_told_with_a_cure(settings, monkeypatch, seen, check, words):
    standing = DatabaseStanding(**{"login": "app", "vector": "0.8.1", **seen})
    monkeypatch.setattr(doctor.standing, "database", lambda url: standing)
    finding = by_check(doctor.examine(settings))[check]
    assert finding.verdict in ("fault", "warning") and words in finding.detail and finding.cure


@pytest.mark.parametrize(("environment", "verdict"), [("development", "warning"), ("production", "fault")])
def test_a_redis_that_evicts_is_told_and_in_production_a_fault(database_url, monkeypatch, environment, verdict):
    monkeypatch.setattr(doctor.standing, "broker", lambda url: RedisStanding(version="7.4", evicts="allkeys-lru"))
    settings = make_settings(database_url, "redis://x", environment=environment)
    finding = by_check(doctor.examine(settings))["redis eviction"]
    assert finding.verdict == verdict and "noeviction" in finding.cure


@pytest.mark.parametrize(
    ("url", "is_encrypted", "verdict"),
    [
        ("postgresql://a@db/app?sslmode=verify-full", True, "ok"),
        ("postgresql://a@db/app?sslmode=require", True, "warning"),
        ("postgresql://a@db/app", False, "warning"),
        ("postgresql://a@127.0.0.1/app", False, "ok"),
        ("postgresql:///app?host=/run/x", False, "ok"),
        ("rediss://:x@redis:6379/0", True, "ok"),
        ("rediss://:x@redis:6379/0?ssl_cert_reqs=none", True, "warning"),
    ],
)
def test_encryption_is_judged_by_whether_the_certificate_is_looked_at(url, is_encrypted, verdict):
    assert doctor._encryption("x", url, is_encrypted).verdict == verdict


@pytest.mark.parametrize(("keys", "verdict"), [(["good"], "ok"), (["other"], "fault")])
def test_a_vendors_key_is_tried(database_url, redis_url, vendor, keys, verdict):
    more = {"model_provider": "openai", "openai_api_key": "good", "openai_base_url": f"{vendor.url}/v1"}
    vendor.state.keys = frozenset(keys)
    try:
        finding = by_check(doctor.examine(make_settings(database_url, redis_url, **more)))["key of openai"]
    finally:
        vendor.state.keys = frozenset()
    assert finding.verdict == verdict


def test_a_vendor_that_cannot_be_reached_is_unknown(database_url, redis_url):
    more = {"model_provider": "openai", "openai_api_key": "good", "openai_base_url": "http://127.0.0.1:1/v1"}
    found = by_check(doctor.examine(make_settings(database_url, redis_url, **more)))
    assert found["key of openai"].verdict == "unknown"


def test_a_full_disk_is_a_warning(settings, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1e8}))
    assert by_check(doctor.examine(settings))["disk"].verdict == "warning"


@pytest.fixture
def command(settings, monkeypatch):
    """Run the command over these settings."""

    def run(*words: str, **changes: object):
        given = settings.model_copy(update=changes)
        monkeypatch.setattr("app.cli.doctor.read", lambda: given)
        app = typer.Typer()
        app.callback()(lambda: None)
        register(app)
        return CliRunner().invoke(app, ["doctor", *words])

    return run


def test_the_command_says_it_for_people_and_for_machines(command):
    shown = command()
    assert shown.exit_code == 0 and "migrations" in shown.output
    told = command("--json", redis_url="redis://127.0.0.1:1")
    assert told.exit_code == 2
    assert {"check", "verdict", "detail", "cure"} == set(json.loads(told.output)[0])
    assert command(secret_key=SecretStr("short")).exit_code == 1
