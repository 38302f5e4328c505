"""A start in production refuses everything unsafe at once: settings, contracts and the database it would work on."""

import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import psycopg
import pytest
from sqlalchemy.engine import make_url

from app.domain.access import Access
from app.domain.source import Bucket, Query
from app.errors import CannotStart
from app.settings import ROOT
from app.store import standing
from app.wiring import refusing

SAMPLES = ROOT / "tests" / "samples"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Configuration files whose owners are people."""
    folder = copytree(ROOT / "config", tmp_path / "config")
    owners = "\n".join(f'{role} = "{role}@tidewater.test"' for role in ("workflow", "prompt", "cost", "on_call"))
    about = '[service]\nname = "x"\nslug = "x"\ndescription = "x"\ntemplate_version = "0"\n'
    (folder / "service.toml").write_text(f"{about}[owners]\n{owners}\n")
    return folder


@pytest.fixture
def login(engines, database_url):
    """Make a login that is neither superuser nor owner, with or without the service's roles."""
    made = []

    def make(*, roles="app_service, app_ingest", kind="NOSUPERUSER") -> str:
        name = f"login_{len(made)}_{os.getpid()}"
        made.append(name)
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute(f"CREATE ROLE {name} LOGIN {kind} NOINHERIT {f'IN ROLE {roles}' if roles else ''}")
        return make_url(database_url).set(username=name).render_as_string(hide_password=False)

    yield make
    with psycopg.connect(database_url, autocommit=True) as owner:
        for name in made:
            owner.execute(f"DROP ROLE {name}")


def environ(config: Path, **changes: str) -> dict[str, str]:
    """Give the environment of a production that may start, but for the changes."""
    safe = {
        "APP_ENVIRONMENT": "production",
        "APP_SECRET_KEY": "9f1c2b7ad4e8630591bc7f2e4d6a8035",
        "APP_DATA_KEYS": b64encode(bytes(range(32))).decode(),
        "APP_PUBLIC_URL": "https://ai.tidewater.test",
        "APP_OIDC_ISSUER": "https://login.tidewater.test",
        "APP_OIDC_AUDIENCE": "ai",
        "APP_USECASES_DIR": str(SAMPLES),
        "APP_CONFIG_DIR": str(config),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1",
    }
    around = {name: value for name, value in os.environ.items() if not name.startswith(("APP_", "OTEL_", "PG"))}
    return {**around, **safe, **changes}


@pytest.fixture
def start(config: Path, monkeypatch: pytest.MonkeyPatch):
    """Read the settings of a start; `.env` stays out of it."""

    def run(**changes: str) -> list[str]:
        for name in [name for name in os.environ if name.startswith(("APP_", "OTEL_"))]:
            monkeypatch.delenv(name)
        for name, value in environ(config, **changes).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setitem(__import__("app.settings").settings.Settings.model_config, "env_file", None)
        try:
            refusing.settings_to_start_with()
        except CannotStart as error:
            return error.detail.splitlines()
        return []

    return run


def test_a_safe_production_starts_and_does_not_wait_for_a_database_that_is_away(start):
    assert start() == []


def test_a_login_that_rights_do_not_bind_is_refused_and_one_of_its_own_is_not(start, login, database_url):
    assert start(DATABASE_URL=login()) == []
    superuser = start(DATABASE_URL=login(kind="SUPERUSER"))
    assert len(superuser) == 1 and "a superuser" in superuser[0] and "CREATE ROLE app_login" in superuser[0]
    above = start(DATABASE_URL=login(kind="BYPASSRLS"))
    assert len(above) == 1 and "above row-level security" in above[0]
    stranger = start(DATABASE_URL=login(roles=""))
    assert len(stranger) == 1 and "cannot act as app_service" in stranger[0] and "app migrate" in stranger[0]


def test_a_database_without_its_migrations_is_refused_and_they_are_named(start, empty_database_url, login):
    url = make_url(login()).set(database=make_url(empty_database_url).database)
    (line,) = start(DATABASE_URL=url.render_as_string(hide_password=False))
    assert "platform_00" in line and "app migrate" in line


def test_a_role_that_may_rewrite_the_ledger_is_seen(database_copy):
    assert standing.database(database_copy).role_fault == ""
    with psycopg.connect(database_copy) as owner:
        owner.execute("GRANT UPDATE ON turns TO app_service")
    assert "append-only" in standing.database(database_copy).role_fault


def test_settings_contracts_prompts_and_models_are_told_together(start, tmp_path):
    broken = tmp_path / "usecases"
    (broken / "plain").mkdir(parents=True)
    (broken / "plain" / "contract.toml").write_text('title = "Plain"\n')
    found = "\n".join(start(APP_USECASES_DIR=str(broken), APP_LOG_LEVEL="DEBUG", APP_DATA_KEYS=""))
    for words in ("APP_LOG_LEVEL", "APP_DATA_KEYS", "contract.toml: owners", "contract.toml: cost"):
        assert words in found


def test_an_owner_of_a_contract_that_nobody_is_is_refused():
    (line,) = refusing.owner_faults("plain", {"workflow": "ada@tidewater.test", "cost": "cost@example.com"})
    assert "usecases/plain/contract.toml, owners.cost" in line and "name a person" in line


def test_a_source_that_is_read_without_tls_is_refused(monkeypatch):
    everybody, plain = Access(readers=("everyone",)), "postgresql://reader@wiki.example.com/wiki"
    monkeypatch.setenv("WIKI_URL", plain)
    monkeypatch.setenv("TLS_URL", f"{plain}?sslmode=verify-full")
    given = [
        Bucket("files", bucket="b", rights="tags", endpoint_url="http://s3.example.com"),
        Bucket("safe", bucket="b", rights="tags", endpoint_url="https://s3.example.com"),
        Bucket("usual", bucket="b", rights="tags"),
        Query("wiki", url_env="WIKI_URL", sql="", rights=everybody),
        Query("encrypted", url_env="TLS_URL", sql="", rights=everybody),
    ]
    allowed = SimpleNamespace(plain_hosts="s3.example.com")
    files, wiki = refusing.plain_sources(given, SimpleNamespace(plain_hosts=""))
    assert files.startswith("files reaches s3.example.com without TLS; write https://")
    assert wiki.startswith("wiki reaches wiki.example.com without TLS; add ?sslmode=verify-full")
    assert [line.split()[0] for line in refusing.plain_sources(given, allowed)] == ["wiki"]


@pytest.mark.proves("SEC-7")
@pytest.mark.parametrize("words", [("app", "serve"), pytest.param(("app.worker", "turns"), marks=pytest.mark.slow)])
def test_the_process_itself_refuses_and_lists_every_fault(words, config):
    unsafe = {"APP_SECRET_KEY": "short", "APP_DATA_KEYS": "", "APP_PUBLIC_URL": "http://x", "REDIS_URL": "redis://r"}
    module, command = words
    done = subprocess.run(
        [sys.executable, "-m", module, command],
        env=environ(config, **unsafe, APP_OIDC_ISSUER="", APP_CORS_ORIGINS="*"),
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    named = ("APP_SECRET_KEY", "APP_DATA_KEYS", "APP_PUBLIC_URL", "REDIS_URL", "APP_OIDC_ISSUER", "APP_CORS_ORIGINS")
    assert [name for name in named if name not in done.stderr] == []
    assert "Traceback" not in done.stderr
