"""Every setting, from the environment, `.env` and config/; read once by the start files and wiring, by nobody else."""

import os
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import CannotStart

ROOT = Path(__file__).parents[1]
# What the template's question gives when nobody answers it.
PLACEHOLDER = "@example.com"
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
Provider = Literal["none", "openai", "anthropic", "openai_compatible"]


class Settings(BaseSettings):
    """The settings in force; docs/reference/settings.md lists each with its default."""

    model_config = SettingsConfigDict(
        env_prefix="APP_", env_file=(ROOT / ".env",), extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    environment: Literal["development", "production"] = Field("development", description="production refuses shortcuts")
    secret_key: SecretStr = Field(SecretStr(""), description="signs development identities and console cookies")
    host: str = Field("127.0.0.1", description="address the API listens on")
    port: int = Field(8000, description="port the API listens on")
    public_url: str = Field("http://127.0.0.1:8000", description="how people reach the service")
    paused: bool = Field(False, description="break-glass: pauses the AI without database or Redis")
    local_dir: Path = Field(ROOT / ".local", description="where the embedded engines of development keep their data")
    usecases_dir: Path = Field(ROOT / "usecases", description="the folder of use cases")
    config_dir: Path = Field(ROOT / "config", description="the folder of configuration files")
    max_body_bytes: int = Field(10_000_000, gt=0, description="largest request body or upload, in bytes")
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
    directory: str = Field(
        "", description="JSON of the company's groups and their members: a file, or an https address; empty: none"
    )
    directory_token: SecretStr = Field(SecretStr(""), description="bearer token that the directory's address asks for")
    directory_every_s: float = Field(300.0, ge=1, description="how often the directory is read")
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


def load() -> Settings:
    """Read the settings and refuse what cannot work, everything at once.

    In development the addresses of the engines that `make up` started fill in for absent URLs.
    """
    settings = Settings()
    if not settings.is_production:
        settings = _with_engines(settings)
    faults = list(_faults(settings))
    if faults:
        raise CannotStart("\n".join(f"- {fault}" for fault in faults))
    return settings


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


def _faults(settings: Settings) -> list[str]:
    faults = [
        f"{name} is not set; start the service with `make up`, or set it to the address of your own"
        for name, value in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url))
        if not value
    ]
    if len(settings.secret_key.get_secret_value()) < 32:
        faults.append("APP_SECRET_KEY is missing or shorter than 32 characters; `make setup` writes one into .env")
    if settings.is_production and not (settings.oidc_issuer and settings.oidc_audience):
        faults.append(
            "APP_OIDC_ISSUER and APP_OIDC_AUDIENCE are needed in production: development identities are refused"
        )
    faults.extend(_directory_faults(settings.directory))
    faults.extend(_provider_faults(settings))
    faults.extend(_owner_faults(settings))
    return faults


def _directory_faults(where: str) -> list[str]:
    parts = urlsplit(where)
    if "://" in where and parts.scheme != "https" and parts.hostname not in LOCAL_HOSTS:
        return [f"APP_DIRECTORY begins with {parts.scheme}://; write a file's path, or an address with https://"]
    return []


def _owner_faults(settings: Settings) -> list[str]:
    if not settings.is_production:
        return []
    owners = settings.service.get("owners", {})
    return [
        f"config/service.toml, owners.{role} is {owners.get(role, '')!r}; name a person who answers"
        for role in ("workflow", "prompt", "cost", "on_call")
        if not owners.get(role) or PLACEHOLDER in owners[role]
    ]


def _provider_faults(settings: Settings) -> list[str]:
    needed = {
        "none": (),
        "openai": (("OPENAI_API_KEY", settings.openai_api_key.get_secret_value()),),
        "anthropic": (("ANTHROPIC_API_KEY", settings.anthropic_api_key.get_secret_value()),),
        "openai_compatible": (
            ("OPENAI_COMPATIBLE_BASE_URL", settings.openai_compatible_base_url),
            ("APP_OPENAI_COMPATIBLE_MODEL", settings.openai_compatible_model),
        ),
    }[settings.model_provider]
    if settings.is_production:
        return [
            f"{name} is needed for APP_MODEL_PROVIDER={settings.model_provider}" for name, value in needed if not value
        ]
    return []
