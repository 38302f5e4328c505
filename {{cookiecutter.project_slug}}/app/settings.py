"""Every setting, from the environment, `.env` and config/; read once by the start files and wiring, by nobody else."""

import hmac
import os
import tomllib
from base64 import b64decode
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app import refusals
from app.errors import CannotStart

ROOT = Path(__file__).parents[1]
DATA_KEY_BYTES = 32
Provider = Literal["none", "openai", "anthropic", "openai_compatible"]


class Settings(BaseSettings):
    """The settings in force; docs/reference/settings.md lists each with its default."""

    model_config = SettingsConfigDict(
        env_prefix="APP_", env_file=(ROOT / ".env",), extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    environment: Literal["development", "production"] = Field("development", description="production refuses shortcuts")
    secret_key: SecretStr = Field(SecretStr(""), description="signs development identities and console cookies")
    former_secret_key: SecretStr = Field(
        SecretStr(""), description="the secret key before this one: what it signed stays valid while it is set"
    )
    data_key_list: SecretStr = Field(
        SecretStr(""),
        validation_alias="APP_DATA_KEYS",
        description="key-encryption keys of sealed fields, separated by commas: the first seals, all open",
    )
    host: str = Field("127.0.0.1", description="address the API listens on")
    port: int = Field(8000, description="port the API listens on")
    public_url: str = Field("http://127.0.0.1:8000", description="how people reach the service")
    cors_origins: str = Field(
        "", description="origins whose pages may call the API, separated by commas; empty: none but the service's own"
    )
    allowed_hosts: str = Field(
        "", description="host names by which the service may be asked; empty: in production that of the public URL"
    )
    webhooks_internal: bool = Field(
        False, description="receivers of events may stand inside your network, and be reached without TLS"
    )
    plain_hosts: str = Field(
        "", description="hosts that production may reach without TLS, separated by commas; empty: this machine alone"
    )
    trusted_proxies: str = Field(
        "", description="networks whose X-Forwarded-For is believed, separated by commas; empty: nobody's"
    )
    paused: bool = Field(False, description="break-glass: pauses the AI without database or Redis")
    paused_file: str = Field("", description="break-glass: a file that pauses the AI for as long as it is there")
    flags_source: str = Field(
        "", description="where flags live: empty: our own table; else flagd://host:port, or an OFREP server's address"
    )
    flags_token: SecretStr = Field(SecretStr(""), description="bearer token that the OFREP server asks for, if any")
    local_dir: Path = Field(ROOT / ".local", description="where the embedded engines of development keep their data")
    usecases_dir: Path = Field(ROOT / "usecases", description="the folder of use cases")
    config_dir: Path = Field(ROOT / "config", description="the folder of configuration files")
    max_body_bytes: int = Field(10_000_000, gt=0, description="largest request body or upload, in bytes")
    max_json_bytes: int = Field(1_000_000, gt=0, description="largest body of any other request, in bytes")
    pool_size: int = Field(10, gt=0, description="database connections kept by a process; twice as many at a peak")
    turns_at_once: int = Field(100, gt=0, description="turns under way in one API process; more are told to come back")
    flags_poll_s: float = Field(1.0, gt=0, description="how often each process reads the flags behind the broadcast")
    reading_memory_mb: int = Field(1024, ge=256, description="most memory for reading one document, in megabytes")
    reading_cpu_s: float = Field(60.0, gt=0, description="most processor time for reading one document")
    reading_wall_s: float = Field(120.0, gt=0, description="longest time for reading one document, waiting included")
    reading_children: int = Field(2, gt=0, description="documents that one process reads at the same time")
    job_lease_s: float = Field(6.0, gt=0, description="a worker silent for so long is taken for dead")

    model_provider: Provider = Field("none", description="whose models stand on the ladder; none: no key needed")
    openai_compatible_model: str = Field("", description="model name that an OpenAI-compatible endpoint serves")
    model_timeout_s: float = Field(
        20.0, gt=0, description="longest wait for one model call, within the turn's deadline"
    )
    model_first_token_s: float = Field(10.0, gt=0, description="longest wait for the first token of a streamed answer")
    model_idle_s: float = Field(10.0, gt=0, description="longest silence in the middle of a streamed answer")

    oidc_issuer: str = Field("", description="OpenID Connect issuer whose bearer tokens are accepted")
    oidc_audience: str = Field("", description="audience that those tokens must name")
    oidc_groups_claim: str = Field(
        "groups", description="claim that names a person's groups, or the way to it, such as `realm_access.roles`"
    )
    oidc_client_id: str = Field("", description="this service at that issuer; with it, people sign in on the pages")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="its secret; empty: a public client, PKCE alone")
    oidc_scopes: str = Field("openid profile", description="what the pages' sign-in asks the issuer for")
    directory: str = Field(
        "", description="JSON of the company's groups and their members: a file, or an https address; empty: none"
    )
    directory_token: SecretStr = Field(SecretStr(""), description="bearer token that the directory's address asks for")
    directory_every_s: float = Field(300.0, ge=1, description="how often the directory is read")
    privacy_engine: Literal["patterns", "presidio"] = Field(
        "patterns", description="what finds personal data; presidio needs the extra `privacy`, and adds to the patterns"
    )
    privacy_model: str = Field(
        "", description="model that finds names with presidio: spacy:<package> or gliner:<folder>; empty: none"
    )
    trace_share: float = Field(1.0, ge=0, le=1, description="share of traces that are kept")
    log_level: str = Field("INFO", description="lowest level that is logged")

    database_url: str = Field("", validation_alias="DATABASE_URL", description="PostgreSQL of the application")
    database_owner_url: str = Field(
        "", validation_alias="DATABASE_OWNER_URL", description="the same, as owner: migrations"
    )
    redis_url: str = Field("", validation_alias="REDIS_URL", description="Redis: queue, broadcast, limits, cache")
    openai_api_key: SecretStr = Field(SecretStr(""), validation_alias="OPENAI_API_KEY", description="key of OpenAI")
    openai_base_url: str = Field("", validation_alias="OPENAI_BASE_URL", description="another address for OpenAI's API")
    anthropic_api_key: SecretStr = Field(
        SecretStr(""), validation_alias="ANTHROPIC_API_KEY", description="key of Anthropic"
    )
    anthropic_base_url: str = Field(
        "", validation_alias="ANTHROPIC_BASE_URL", description="another address for Anthropic's API"
    )
    openai_compatible_api_key: SecretStr = Field(
        SecretStr(""), validation_alias="OPENAI_COMPATIBLE_API_KEY", description="key of the compatible endpoint"
    )
    openai_compatible_base_url: str = Field(
        "", validation_alias="OPENAI_COMPATIBLE_BASE_URL", description="address of the compatible endpoint"
    )
    rerank_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="RERANK_API_KEY",
        description="key of the reranker of config/models.toml, if any",
    )
    rerank_base_url: str = Field(
        "", validation_alias="RERANK_BASE_URL", description="address of the reranker, up to /rerank"
    )
    otlp_endpoint: str = Field(
        "", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", description="OpenTelemetry collector; empty: no export"
    )

    @property
    def is_production(self) -> bool:
        """Say whether shortcuts for development are refused."""
        return self.environment == "production"

    @property
    def owner_url(self) -> str:
        """Give the URL that migrations use."""
        return self.database_owner_url or self.database_url

    @property
    def origins(self) -> tuple[str, ...]:
        """Give the origins whose pages may call the API."""
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())

    @property
    def hosts(self) -> tuple[str, ...]:
        """Give the host names by which the service may be asked; nothing is any."""
        given = tuple(host.strip() for host in self.allowed_hosts.split(",") if host.strip())
        known = urlsplit(self.public_url).hostname if self.is_production else None
        return given or ((known,) if known else ())

    @property
    def secret_keys(self) -> list[str]:
        """Give the secret keys: the first signs, all verify."""
        current, former = self.secret_key.get_secret_value(), self.former_secret_key.get_secret_value()
        return [current, former] if former else [current]

    @cached_property
    def data_keys(self) -> tuple[bytes, ...]:
        """Give the key-encryption keys, the first wraps; in development, also those derived from APP_SECRET_KEY.

        Raises ValueError for a key that is none.
        """
        given = [key.strip() for key in self.data_key_list.get_secret_value().split(",") if key.strip()]
        derived = [] if self.is_production else [_derived(secret) for secret in self.secret_keys if secret]
        return (*(_decoded(key) for key in given), *derived)

    @cached_property
    def service(self) -> dict[str, Any]:
        """Read config/service.toml: the service's name, and its owners."""
        return self.config("service")

    def config(self, name: str) -> dict[str, Any]:
        """Read config/<name>.toml; an absent or broken file stops the start with its name and the fault."""
        path = self.config_dir / f"{name}.toml"
        try:
            return tomllib.loads(path.read_text())
        except FileNotFoundError as error:
            raise CannotStart(f"{path} is missing; restore it from the template or from git") from error
        except tomllib.TOMLDecodeError as error:
            raise CannotStart(f"{path} is not valid TOML: {error}") from error


def _decoded(key: str) -> bytes:
    raw = b64decode(key, validate=True)
    if len(raw) != DATA_KEY_BYTES:
        raise ValueError(f"a key of {len(raw)} bytes")
    return raw


def _derived(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"key-encryption key of development", "sha256")


def load() -> Settings:
    """Read the settings and refuse what cannot work, everything at once. Raises CannotStart."""
    settings = read()
    if faults := refusals.faults(settings):
        raise CannotStart("\n".join(f"- {fault}" for fault in faults))
    return settings


def read() -> Settings:
    """Read the settings, whatever they say.

    In development the addresses of the engines that `make up` started fill in for absent URLs.
    """
    settings = Settings()
    return settings if settings.is_production else _with_engines(settings)


def _with_engines(settings: Settings) -> Settings:
    path = settings.local_dir / "engines.env"
    lines = path.read_text().splitlines() if path.exists() else []
    known = dict(line.split("=", 1) for line in lines if "=" in line)
    return settings.model_copy(
        update={
            "database_url": settings.database_url or known.get("DATABASE_URL", ""),
            "redis_url": settings.redis_url or known.get("REDIS_URL", ""),
            "public_url": os.environ.get("APP_PUBLIC_URL") or known.get("APP_URL", settings.public_url),
        }
    )
