"""What settings must not say: every fault with its cure, so that a start refuses all of them at once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from app.settings import Settings

# What the template's question gives when nobody answers it.
PLACEHOLDER = "@example.com"
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
SECRET_CHARS = 32
FEWEST_DIFFERENT = 12
_TELLTALE = ("changeme", "change-me", "change_me", "replace", "placeholder", "example", "secret-key", "insecure")
_ENCRYPTED = ("require", "verify-ca", "verify-full")
_NEW_SECRET = "`openssl rand -hex 32` makes one"  # noqa: S105 - words
TLS_OF_DATABASE = "add ?sslmode=verify-full&sslrootcert=<file of the CA>"
NEW_KEY = "`app seal new-key` makes one"


def faults(settings: "Settings") -> list[str]:
    """List every fault of the settings, each with its name and the cure; production refuses more."""
    found = [*_addresses(settings), *_secret(settings), *_data_keys(settings), *_directory(settings.directory)]
    found += [*_origins(settings), *_issuer(settings), *_flags(settings.flags_source)]
    if settings.is_production:
        found += [*_identity(settings), *_openness(settings), *_plain(settings), *_owners(settings)]
        found += _provider(settings)
    return found


def _addresses(settings: "Settings") -> Iterator[str]:
    for name, value in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        if not value:
            yield f"{name} is not set; start the service with `make up`, or set it to the address of your own"


def _secret(settings: "Settings") -> Iterator[str]:
    for name, secret in zip(("APP_SECRET_KEY", "APP_FORMER_SECRET_KEY"), settings.secret_keys, strict=False):
        if len(secret) < SECRET_CHARS:
            yield f"{name} is missing or shorter than {SECRET_CHARS} characters; `make setup` writes one into .env"
        elif settings.is_production and _is_made_up(secret):
            yield f"{name} is a placeholder or too regular; {_NEW_SECRET}, kept in your secret store"


def _is_made_up(secret: str) -> bool:
    return len(set(secret)) < FEWEST_DIFFERENT or any(word in secret.lower() for word in _TELLTALE)


def _data_keys(settings: "Settings") -> Iterator[str]:
    given = [key.strip() for key in settings.data_key_list.get_secret_value().split(",") if key.strip()]
    if settings.is_production and not given:
        yield f"APP_DATA_KEYS is not set: without it words of persons would lie in the database as said; {NEW_KEY}"
    try:
        keys = settings.data_keys
    except ValueError:
        yield f"APP_DATA_KEYS holds something that is no key of 32 bytes in base64; {NEW_KEY}"
        return
    if len(set(keys)) < len(keys):
        yield "APP_DATA_KEYS names the same key twice; leave one of them out"
    if any(key in settings.secret_keys for key in given):
        yield f"APP_DATA_KEYS holds APP_SECRET_KEY: who signs cookies could read the data; {NEW_KEY}"
    elif settings.is_production and any(len(set(key)) < FEWEST_DIFFERENT for key in keys):
        yield f"APP_DATA_KEYS holds a placeholder, or a key that is too regular; {NEW_KEY}"


def _directory(where: str) -> Iterator[str]:
    if "://" in where and not is_safe(where):
        scheme = where.partition("://")[0]
        yield f"APP_DIRECTORY begins with {scheme}://; write a file's path, or an address with https://"


def _flags(where: str) -> Iterator[str]:
    parts = urlsplit(where)
    if where and (parts.scheme not in ("flagd", "http", "https") or not parts.hostname):
        yield f"APP_FLAGS_SOURCE is {where!r}; write flagd://host:port or the https:// address of an OFREP server"
    elif parts.username or parts.password:
        yield "APP_FLAGS_SOURCE holds a password, which pages would show; put the server's token into APP_FLAGS_TOKEN"


def _origins(settings: "Settings") -> Iterator[str]:
    for origin in settings.origins:
        parts = urlsplit(origin)
        if "*" in origin or f"{parts.scheme}://{parts.netloc}" != origin or parts.scheme not in ("http", "https"):
            yield f"APP_CORS_ORIGINS holds {origin!r}; list each origin as https://app.example.com, without a path"
        elif settings.is_production and parts.scheme == "http":
            yield f"APP_CORS_ORIGINS holds {origin}, which anyone on the way can speak for; write https://"
    for host in settings.hosts:
        if any(sign in host for sign in "*/:"):
            yield f"APP_ALLOWED_HOSTS holds {host!r}; list host names, without port and without *"


def _identity(settings: "Settings") -> Iterator[str]:
    if not (settings.oidc_issuer and settings.oidc_audience):
        yield "APP_OIDC_ISSUER and APP_OIDC_AUDIENCE are needed in production: development identities are refused"


def _issuer(settings: "Settings") -> Iterator[str]:
    if settings.oidc_issuer and not is_safe(settings.oidc_issuer):
        yield f"APP_OIDC_ISSUER is {settings.oidc_issuer}; keys read over plain HTTP can be anybody's: write https://"
    if settings.oidc_issuer and not settings.oidc_audience:
        yield "APP_OIDC_AUDIENCE is not set: tokens made for any other service of your company would be accepted"
    if settings.oidc_client_id and not settings.oidc_issuer:
        yield "APP_OIDC_CLIENT_ID is set without APP_OIDC_ISSUER; set the issuer, or take the client id away"
    if settings.oidc_client_id and "openid" not in settings.oidc_scopes.split():
        yield "APP_OIDC_SCOPES lacks `openid`, without which the issuer tells nobody's name"


def _openness(settings: "Settings") -> Iterator[str]:
    if settings.log_level.upper() not in ("INFO", "WARNING", "ERROR", "CRITICAL"):
        yield f"APP_LOG_LEVEL is {settings.log_level}: what libraries say at that level quotes people; set it to INFO"
    if urlsplit(settings.public_url).scheme != "https":
        yield (
            f"APP_PUBLIC_URL is {settings.public_url}: cookies would travel over plain HTTP; set it to the https://"
            " address by which people reach the service"
        )
    if not settings.hosts:
        yield "APP_ALLOWED_HOSTS is not set and APP_PUBLIC_URL names no host; list the host names of the service"
    if any(proxy.strip() in ("*", "0.0.0.0/0", "::/0") for proxy in settings.trusted_proxies.split(",")):
        yield (
            "APP_TRUSTED_PROXIES names everybody: anyone could write the address by which they are limited; name your"
            " load balancer's addresses"
        )


def _plain(settings: "Settings") -> Iterator[str]:
    for name, url, cure in _dependencies(settings):
        if fault := plain_fault(url, cure=cure, plain_hosts=settings.plain_hosts):
            yield f"{name} {fault}"


def plain_fault(url: str, *, cure: str, plain_hosts: str) -> str:
    """Say what is wrong with a dependency's address that asks for no TLS; "" where all is well, or that is meant."""
    host = urlsplit(url).hostname or ""
    # Without a host: a socket of this machine.
    if not host or host in {each.strip() for each in plain_hosts.split(",")} | LOCAL_HOSTS or is_encrypted(url):
        return ""
    return f"reaches {host} without TLS; {cure}, or name the host in APP_PLAIN_HOSTS if that is meant"


def _dependencies(settings: "Settings") -> list[tuple[str, str, str]]:
    https = "write https://"
    return [
        ("DATABASE_URL", settings.database_url, TLS_OF_DATABASE),
        ("DATABASE_OWNER_URL", settings.database_owner_url, TLS_OF_DATABASE),
        ("REDIS_URL", settings.redis_url, "write rediss://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", settings.otlp_endpoint, https),
        ("OPENAI_BASE_URL", settings.openai_base_url, https),
        ("ANTHROPIC_BASE_URL", settings.anthropic_base_url, https),
        ("OPENAI_COMPATIBLE_BASE_URL", settings.openai_compatible_base_url, https),
        ("RERANK_BASE_URL", settings.rerank_base_url, https),
        ("APP_FLAGS_SOURCE", settings.flags_source, https),
    ]


def is_safe(url: object) -> bool:
    """Say whether an address is under TLS, or on this machine."""
    if not isinstance(url, str):
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL_HOSTS)


def is_encrypted(url: str) -> bool:
    """Say whether a dependency's URL asks for TLS."""
    parts = urlsplit(url)
    if parts.scheme.startswith("postgres"):
        return parse_qs(parts.query).get("sslmode", [""])[-1] in _ENCRYPTED
    return parts.scheme in ("https", "rediss")


def _owners(settings: "Settings") -> Iterator[str]:
    owners = settings.service.get("owners", {})
    for role in ("workflow", "prompt", "cost", "on_call"):
        if not owners.get(role) or PLACEHOLDER in owners[role]:
            yield f"config/service.toml, owners.{role} is {owners.get(role, '')!r}; name a person who answers"


def _provider(settings: "Settings") -> Iterator[str]:
    needed = {
        "none": (),
        "openai": (("OPENAI_API_KEY", settings.openai_api_key.get_secret_value()),),
        "anthropic": (("ANTHROPIC_API_KEY", settings.anthropic_api_key.get_secret_value()),),
        "openai_compatible": (
            ("OPENAI_COMPATIBLE_BASE_URL", settings.openai_compatible_base_url),
            ("APP_OPENAI_COMPATIBLE_MODEL", settings.openai_compatible_model),
        ),
    }[settings.model_provider]
    for name, value in needed:
        if not value:
            yield f"{name} is needed for APP_MODEL_PROVIDER={settings.model_provider}"
