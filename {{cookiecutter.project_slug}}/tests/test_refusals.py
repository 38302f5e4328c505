"""Every unsafe setting is refused with its name and a cure; a safe one is not."""

from base64 import b64encode

import pytest

from app import refusals
from app.settings import ROOT, Settings

KEY = b64encode(bytes(range(32))).decode()
OTHER = b64encode(bytes(range(100, 132))).decode()
SECRET = "9f1c2b7ad4e8630591bc7f2e4d6a8035"
OWNERS = {role: f"{role}@tidewater.test" for role in ("workflow", "prompt", "cost", "on_call")}
SAFE = {
    "environment": "production",
    "secret_key": SECRET,
    "APP_DATA_KEYS": f"{KEY},{OTHER}",
    "public_url": "https://ai.tidewater.test",
    "oidc_issuer": "https://login.tidewater.test",
    "oidc_audience": "ai",
    "DATABASE_URL": "postgresql://app@db.tidewater.test/app?sslmode=verify-full",
    "REDIS_URL": "rediss://:word@redis.tidewater.test:6379/0",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.tidewater.test",
}


def told(changes=(), *, owners=OWNERS):
    """Give what is refused of safe settings with these changes."""
    settings = Settings(_env_file=None, **{**SAFE, **dict(changes)})
    settings.__dict__["service"] = {"owners": owners}
    return refusals.faults(settings)


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch):
    for name in list(Settings.model_fields):
        monkeypatch.delenv(f"APP_{name.upper()}", raising=False)


def test_safe_settings_are_not_refused():
    assert told() == []


# What is set, and what the refusal must say: the name of the setting, and a word of the cure.
UNSAFE = [
    ({"DATABASE_URL": ""}, "DATABASE_URL is not set", "make up"),
    ({"REDIS_URL": ""}, "REDIS_URL is not set", "make up"),
    ({"secret_key": ""}, "APP_SECRET_KEY is missing", "make setup"),
    ({"secret_key": SECRET[:31]}, "APP_SECRET_KEY is missing or shorter", "make setup"),
    ({"secret_key": "changeme-" + SECRET}, "APP_SECRET_KEY is a placeholder", "openssl rand"),
    ({"secret_key": "ab" * 20}, "APP_SECRET_KEY is a placeholder or too regular", "openssl rand"),
    ({"former_secret_key": "short"}, "APP_FORMER_SECRET_KEY is missing or shorter", "make setup"),
    ({"APP_DATA_KEYS": ""}, "APP_DATA_KEYS is not set", "app seal new-key"),
    ({"APP_DATA_KEYS": "no base64!"}, "APP_DATA_KEYS holds something that is no key", "app seal new-key"),
    ({"APP_DATA_KEYS": KEY[:-4]}, "APP_DATA_KEYS holds something that is no key", "app seal new-key"),
    ({"APP_DATA_KEYS": f"{KEY},{KEY}"}, "APP_DATA_KEYS names the same key twice", "leave one of them out"),
    ({"APP_DATA_KEYS": KEY, "secret_key": KEY}, "APP_DATA_KEYS holds APP_SECRET_KEY", "app seal new-key"),
    ({"APP_DATA_KEYS": b64encode(b"a" * 32).decode()}, "APP_DATA_KEYS holds a placeholder", "app seal new-key"),
    ({"flags_source": "redis://flags:1"}, "APP_FLAGS_SOURCE is", "flagd://host:port"),
    ({"flags_source": "https://user:word@flags.example"}, "APP_FLAGS_SOURCE holds a password", "APP_FLAGS_TOKEN"),
    ({"flags_source": "flagd://flags.tidewater.test:8016"}, "APP_FLAGS_SOURCE reaches", "write https://"),
    ({"oidc_issuer": ""}, "APP_OIDC_ISSUER and APP_OIDC_AUDIENCE are needed", "development identities"),
    ({"oidc_audience": ""}, "APP_OIDC_ISSUER and APP_OIDC_AUDIENCE are needed", "development identities"),
    ({"oidc_issuer": "http://login.tidewater.test"}, "APP_OIDC_ISSUER is http://", "https://"),
    ({"log_level": "DEBUG"}, "APP_LOG_LEVEL is DEBUG", "INFO"),
    ({"public_url": "http://ai.tidewater.test"}, "APP_PUBLIC_URL is http://", "https://"),
    ({"cors_origins": "*"}, "APP_CORS_ORIGINS holds '*'", "list each origin"),
    ({"cors_origins": "https://*.tidewater.test"}, "APP_CORS_ORIGINS holds", "list each origin"),
    ({"cors_origins": "null"}, "APP_CORS_ORIGINS holds 'null'", "list each origin"),
    ({"cors_origins": "https://a.test/page"}, "APP_CORS_ORIGINS holds", "without a path"),
    ({"cors_origins": "http://a.test"}, "APP_CORS_ORIGINS holds http://a.test", "https://"),
    ({"allowed_hosts": "*"}, "APP_ALLOWED_HOSTS holds '*'", "list host names"),
    ({"trusted_proxies": "10.0.0.1, 0.0.0.0/0"}, "APP_TRUSTED_PROXIES names everybody", "load balancer"),
    ({"public_url": "https://"}, "APP_ALLOWED_HOSTS is not set", "list the host names"),
    ({"DATABASE_URL": "postgresql://app@db/app"}, "DATABASE_URL reaches db without TLS", "sslmode=verify-full"),
    ({"DATABASE_URL": "postgresql://app@db/app?sslmode=prefer"}, "DATABASE_URL reaches db without", "sslmode"),
    ({"DATABASE_OWNER_URL": "postgresql://o@db/app"}, "DATABASE_OWNER_URL reaches db without TLS", "sslmode"),
    ({"REDIS_URL": "redis://redis:6379"}, "REDIS_URL reaches redis without TLS", "rediss://"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT reaches otel", "https://"),
    ({"OPENAI_BASE_URL": "http://llm/v1"}, "OPENAI_BASE_URL reaches llm", "APP_PLAIN_HOSTS"),
    ({"ANTHROPIC_BASE_URL": "http://llm"}, "ANTHROPIC_BASE_URL reaches llm", "https://"),
    ({"OPENAI_COMPATIBLE_BASE_URL": "http://llm"}, "OPENAI_COMPATIBLE_BASE_URL reaches llm", "https://"),
    ({"RERANK_BASE_URL": "http://rank"}, "RERANK_BASE_URL reaches rank", "https://"),
    ({"directory": "http://people.test/all"}, "APP_DIRECTORY begins with http://", "https://"),
    ({"model_provider": "openai"}, "OPENAI_API_KEY is needed", "APP_MODEL_PROVIDER=openai"),
    ({"model_provider": "openai_compatible"}, "OPENAI_COMPATIBLE_BASE_URL is needed", "openai_compatible"),
]


@pytest.mark.proves("SEC-7", "SEC-8")
@pytest.mark.parametrize(("changes", "fault", "cure"), UNSAFE, ids=[case[1][:45] for case in UNSAFE])
def test_an_unsafe_setting_is_refused_with_its_name_and_a_cure(changes, fault, cure):
    found = [line for line in told(changes) if fault in line]
    assert len(found) == 1 and cure in found[0]


@pytest.mark.proves("OPS-1")
def test_owners_that_nobody_is_are_refused():
    owners = {"workflow": "ada@tidewater.test", "prompt": "owner@example.com", "on_call": "pager"}
    assert [line.partition(" is")[0] for line in told(owners=owners)] == [
        "config/service.toml, owners.prompt",
        "config/service.toml, owners.cost",
    ]


def test_all_of_them_are_told_at_once():
    alone = {name: value for changes, *_ in UNSAFE for name, value in changes.items() if name != "APP_DATA_KEYS"}
    assert len(told({**alone, "APP_DATA_KEYS": ""}, owners={})) >= 20


@pytest.mark.parametrize(
    "changes",
    [
        {"plain_hosts": "db,redis", "DATABASE_URL": "postgresql://a@db/app", "REDIS_URL": "redis://redis"},
        {"DATABASE_URL": "postgresql:///app?host=/run/postgresql", "REDIS_URL": "redis://127.0.0.1"},
        {"DATABASE_URL": "postgresql://a@db/app?sslmode=require"},
        {"cors_origins": "https://app.tidewater.test", "allowed_hosts": "ai.tidewater.test"},
    ],
)
def test_what_is_meant_or_stays_on_this_machine_is_not_refused(changes):
    assert told(changes) == []


def test_development_is_refused_only_what_cannot_work():
    shortcuts = {**SAFE, "environment": "development", "secret_key": "k" * 32, "APP_DATA_KEYS": "", "oidc_issuer": ""}
    assert told({**shortcuts, "public_url": "http://x", "REDIS_URL": "redis://redis", "log_level": "DEBUG"}) == []
    assert told({**shortcuts, "cors_origins": "*"}) and told({**shortcuts, "APP_DATA_KEYS": "x"})


def test_the_example_of_the_template_is_refused_as_it_stands():
    text = (ROOT / ".env.example").read_text()
    assert "\nAPP_SECRET_KEY=\n" in text and "\n# APP_DATA_KEYS=\n" in text
