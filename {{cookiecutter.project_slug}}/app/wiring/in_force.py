"""The settings in force: what each is, and where it came from. Secrets are told by whether they are set."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import DotEnvSettingsSource

from app.settings import ROOT, Settings

DEFAULT, ENVIRONMENT, ENV_FILE, ENGINES, START = "default", "environment", ".env", "engines of development", "start"


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting as it may be shown: its variable, what it says, where that came from, and what it is for."""

    variable: str
    value: str
    source: str
    about: str

    @property
    def is_default(self) -> bool:
        """Say whether nobody has set it."""
        return self.source == DEFAULT


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file of config/: name, size in bytes, and the first digits of its SHA-256, which tell two versions apart."""

    name: str
    size: int
    digest: str


def settings_in_force(settings: Settings) -> list[Shown]:
    """Give every setting, in the order of app/settings.py."""
    # Names come in small letters.
    written = DotEnvSettingsSource(Settings, env_file=ROOT / ".env").env_vars
    return [
        Shown(
            name := variable(key, field),
            _told(getattr(settings, key)),
            _source(settings, key, name, written),
            field.description or "",
        )
        for key, field in Settings.model_fields.items()
    ]


def config_files(settings: Settings) -> list[ConfigFile]:
    """Give the files of config/ as they stand now; the process read them when it started."""
    return [_file(path) for path in sorted(settings.config_dir.glob("*.toml"))]


def variable(key: str, field: FieldInfo) -> str:
    """Give the environment variable of a setting."""
    return str(field.validation_alias) if field.validation_alias else f"APP_{key.upper()}"


def _told(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "set (hidden)" if value.get_secret_value() else "not set"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _without_password(text) if "://" in text else text


def _without_password(text: str) -> str:
    """Hide the password of an address, and of each of several that commas part."""
    return ",".join(_address(part) for part in text.split(","))


def _address(text: str) -> str:
    parts = urlsplit(text)
    if not parts.password and not parts.query:
        return text
    person = f"{parts.username}:hidden@" if parts.password else f"{parts.username}@" if parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    # Options of an address may hold a password, too.
    return urlunsplit((parts.scheme, person + host, parts.path, "hidden" if parts.query else "", ""))


def _source(settings: Settings, key: str, name: str, written: Mapping[str, str | None]) -> str:
    if any(os.environ[given] for given in os.environ if given.upper() == name):
        return ENVIRONMENT
    if written.get(name.lower()):
        return ENV_FILE
    default = Settings.model_fields[key].default
    if getattr(settings, key) == default:
        return DEFAULT
    return ENGINES if key in ("database_url", "redis_url", "public_url") and not settings.is_production else START


def _file(path: Path) -> ConfigFile:
    body = path.read_bytes()
    return ConfigFile(path.name, len(body), sha256(body).hexdigest()[:12])


def changed(shown: Sequence[Shown]) -> int:
    """Count the settings that somebody has set."""
    return sum(not each.is_default for each in shown)
