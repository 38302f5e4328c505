"""What an OpenID Connect issuer publishes of itself: its addresses and its keys, fetched, kept, and fetched again."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from app.errors import DependencyDown
from app.refusals import is_safe
from app.store.background import ended

log = structlog.get_logger(__name__)
WELL_KNOWN = "/.well-known/openid-configuration"
KEYS_FRESH_S = 300.0
KEYS_RETRY_S = 60.0
# While the issuer is away its keys are good for a day: nobody who took one of them back could have told us.
KEYS_STALE_S = 86_400.0
# After a first fetch that failed; before it nothing can be served anyway.
FIRST_AGAIN_S = 1.0
# Keys that we do not know make us ask at once, this many times, and then once in so many seconds.
UNKNOWN_AT_ONCE, UNKNOWN_EVERY_S = 5, 10.0
LEAST_RSA_BITS = 2048
_ENDPOINTS = ("jwks_uri", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint")

SigningKey = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class Published:
    """One reading: the document, and the keys that sign, by their ids; the same `keys` object while they are the same.

    `at` is the monotonic time of the reading.
    """

    issuer: str
    document: Mapping[str, Any]
    keys: Mapping[str, SigningKey]
    raw: Any
    at: float

    def endpoint(self, name: str) -> str:
        """Give an address of the issuer, or nothing where it has none."""
        return str(self.document.get(name) or "")


class Provider:
    """Keeps what the issuer publishes at hand: old keys serve while new ones are fetched, and while it is away."""

    def __init__(self, issuer: str, *, timeout_s: float = 3) -> None:
        self.issuer = issuer
        self.http = httpx2.AsyncClient(timeout=timeout_s)
        self._published: Published | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._tried_at = float("-inf")
        self._unknown_left, self._unknown_at = float(UNKNOWN_AT_ONCE), time.monotonic()

    async def published(self) -> Published:
        """Give what is known; only the very first asker waits for the issuer. Raises DependencyDown."""
        known, now = self._published, time.monotonic()
        if known is None:
            if self._fetching or now - self._tried_at > FIRST_AGAIN_S:
                await self._fetched()
        elif now - known.at > KEYS_FRESH_S and now - self._tried_at > KEYS_RETRY_S:
            self._begin()
        known = self._published
        if known is None or time.monotonic() - known.at > KEYS_STALE_S:
            raise DependencyDown("The identity provider does not answer; try again in a moment.", retry_after_s=5)
        return known

    async def newer(self, than: Published, *, kid: str | None = None) -> Published:
        """Give what is published now, for a token that does not fit; asks the issuer, if it was not asked too often.

        With `kid`, a key of this name is looked for; without, the keys may be others under the same names.
        """
        for _ in range(2):
            if self._published is not than and (kid is None or kid in self.keys):
                break
            # A fetch that is under way may have been begun before the key was published.
            is_own = self._fetching is None
            if is_own and not self._may_ask():
                break
            await self._fetched()
            if is_own:
                break
        return self._published or than

    @property
    def keys(self) -> Mapping[str, SigningKey]:
        """Give the keys as they were read last; none before the first time."""
        return self._published.keys if self._published else {}

    def is_due(self, known: Published) -> bool:
        """Say whether keys under known names are worth another look."""
        return time.monotonic() - max(known.at, self._tried_at) > KEYS_RETRY_S

    def _may_ask(self) -> bool:
        now = time.monotonic()
        gained = (now - self._unknown_at) / UNKNOWN_EVERY_S
        self._unknown_left, self._unknown_at = min(UNKNOWN_AT_ONCE, self._unknown_left + gained), now
        if self._unknown_left < 1:
            return False
        self._unknown_left -= 1
        return True

    async def _fetched(self) -> None:
        await asyncio.shield(self._begin())

    def _begin(self) -> "asyncio.Task[None]":
        if self._fetching is None:
            self._tried_at = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._is_done)
        return self._fetching

    def _is_done(self, _: "asyncio.Task[None]") -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        known = self._published
        try:
            document = await self._read(self.issuer.rstrip("/") + WELL_KNOWN)
            issuer = _checked(document, self.issuer)
            raw = await self._read(document["jwks_uri"])
            keys = known.keys if known and known.raw == raw else signing_keys(raw)
            self._published = Published(issuer, document, keys, raw, time.monotonic())
        except (httpx2.HTTPError, KeyError, TypeError, ValueError) as error:
            # Not the error's own words where they quote an address.
            why = str(error) if type(error) is ValueError else type(error).__name__
            log.warning("oidc.unread", issuer=self.issuer, error=why, stale=known is not None)

    async def _read(self, url: str) -> Any:
        return (await self.http.get(url, headers={"Accept": "application/json"})).raise_for_status().json()

    async def close(self) -> None:
        """Close the connections."""
        if self._fetching:
            await ended(self._fetching)
        await self.http.aclose()


def _checked(document: Any, issuer: str) -> str:
    """Give the issuer as it spells itself; a document of somebody else's, or one that leads out of TLS, is refused."""
    said = document.get("issuer") if isinstance(document, dict) else None
    if not isinstance(said, str) or said.rstrip("/") != issuer.rstrip("/"):
        raise ValueError(f"the document at {WELL_KNOWN} is of another issuer; APP_OIDC_ISSUER must be its `issuer`")
    for name in _ENDPOINTS:
        if (url := document.get(name)) is not None and not is_safe(url):
            raise ValueError(f"`{name}` is no https address")
    return said


def signing_keys(raw: Any) -> dict[str, SigningKey]:
    """Give the keys that can verify, by id; others (to encrypt with, of unknown kinds, weak ones) are passed over.

    Raises ValueError when none is left.
    """
    keys: dict[str, SigningKey] = {}
    for entry in raw["keys"]:
        # A symmetric key that is published is everybody's.
        if entry.get("use", "sig") != "sig" or entry.get("kty") not in ("RSA", "EC") or _is_weak(entry):
            continue
        try:
            key = JWKRegistry.import_key({name: part for name, part in entry.items() if name in _PUBLIC})
        except (JoseError, LookupError, ValueError, TypeError):
            continue
        if isinstance(key, RSAKey | ECKey):
            keys[str(entry.get("kid") or "")] = key
    if not keys:
        raise ValueError("none of the published keys can verify a signature")
    return keys


def _is_weak(entry: Mapping[str, Any]) -> bool:
    # Six bits a letter.
    return entry["kty"] == "RSA" and len(str(entry.get("n", ""))) * 6 < LEAST_RSA_BITS


_PUBLIC = {"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"}
