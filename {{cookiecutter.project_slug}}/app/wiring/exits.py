"""What no answer may hold: the policy of config/output.toml, and the secrets that this very process was given."""

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from app.guard.disclosed import LEAST_SECRET
from app.guard.exits import Exits
from app.guard.unsafe import Policy
from app.settings import Settings


def exits(settings: Settings) -> Exits:
    """Read the policy and gather the secrets. Raises CannotStart with every fault of the policy."""
    written = settings.config("output") if (settings.config_dir / "output.toml").exists() else {}
    secrets = {value for value in _secrets(settings) if len(value) >= LEAST_SECRET}
    return Exits(Policy.parse(written), tuple(sorted(secrets)))


def _secrets(settings: Settings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            # Lists of keys are written with commas, and each may stand beside its name.
            yield value.get_secret_value()
            for part in value.get_secret_value().split(","):
                yield part.strip()
                yield part.rpartition(":")[2].strip()
    for url in (settings.database_url, settings.redis_url):
        if url and (password := urlsplit(url).password):
            yield unquote(password)
            yield url
