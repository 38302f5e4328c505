"""Who asks: bearer tokens of the company's OpenID Connect issuer or, in development only, of our own."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from app.control.people import People
from app.domain.identity import Principal
from app.errors import DependencyDown, Forbidden, Unauthenticated

log = structlog.get_logger(__name__)
DEVELOPMENT_ISSUER = "development"
# The cookie of our pages; it holds the bearer token.
COOKIE = "identity"
SAFE = {"GET", "HEAD", "OPTIONS"}
KEYS_FRESH_S = 300
KEYS_RETRY_S = 60
LEEWAY_S = 30
# Tokens whose claims are remembered; some hundred bytes each.
MOST_KNOWN = 10_000


def refuse_foreign(method: str, *, origin: str | None, host: str | None) -> None:
    """Refuse a change that another site's page sends with our cookie (CSRF). Raises Forbidden."""
    if method not in SAFE and (origin is None or urlsplit(origin).netloc != host):
        raise Forbidden("Changes by cookie are taken from this site's own pages only.")


@dataclass(frozen=True, slots=True)
class Person:
    """A development identity of config/people.toml."""

    id: str
    name: str
    groups: tuple[str, ...]
    unit: str = ""


class DevelopmentIssuer:
    """Signs tokens for the people of config/people.toml; wiring builds none in production."""

    def __init__(self, secret: str, people: Mapping[str, Any]) -> None:
        self._key = OctKey.import_key(secret)
        self.people = {
            key: Person(key, person["name"], tuple(person["groups"]), person.get("unit", ""))
            for key, person in people.items()
        }

    def token(self, person_id: str, *, hours: float = 12) -> str:
        """Give a signed token for one of the people. Raises Unauthenticated for anybody else."""
        person = self.people.get(person_id)
        if person is None:
            raise Unauthenticated(
                f"There is no development identity {person_id!r}; there are: {', '.join(self.people)}."
            )
        claims = {
            "iss": DEVELOPMENT_ISSUER,
            "aud": DEVELOPMENT_ISSUER,
            "sub": person.id,
            "name": person.name,
            "groups": list(person.groups),
            "unit": person.unit,
            "exp": int(time.time() + hours * 3600),
        }
        return jwt.encode({"alg": "HS256"}, claims, self._key)

    async def claims(self, token: str) -> dict[str, Any]:
        """Verify a token of ours."""
        return _verified(token, self._key, algorithms=["HS256"], issuer=DEVELOPMENT_ISSUER, audience=DEVELOPMENT_ISSUER)


class OidcIssuer:
    """Verifies tokens of an OpenID Connect issuer; its keys are cached, and served stale while it is away."""

    def __init__(self, issuer: str, audience: str, *, timeout_s: float = 3) -> None:
        self._issuer, self._audience = issuer.rstrip("/"), audience
        self._http = httpx2.AsyncClient(timeout=timeout_s)
        self._keys: KeySet | None = None
        # By a digest of the token: what the present keys have verified already.
        self._known: dict[bytes, dict[str, Any]] = {}
        self._fetched_at = self._tried_at = 0.0
        self._lock = asyncio.Lock()

    async def claims(self, token: str) -> dict[str, Any]:
        """Verify a token; keys that do not fit are fetched again, at most once a minute.

        A signature is checked once by each set of keys: it takes as long as several other steps of a turn.
        """
        keys = await self._current(max_age_s=KEYS_FRESH_S)
        digest = sha256(token.encode()).digest()
        if (known := self._known.get(digest)) and known["exp"] > time.time():
            return dict(known)
        claims = await self._checked(token, keys)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[digest] = claims
        return dict(claims)

    async def _checked(self, token: str, keys: KeySet) -> dict[str, Any]:
        try:
            return self._verify(token, keys)
        except Unauthenticated:
            newer = await self._current(max_age_s=KEYS_RETRY_S)
            if newer is keys:
                raise
            return self._verify(token, newer)

    def _verify(self, token: str, keys: KeySet) -> dict[str, Any]:
        return _verified(token, keys, algorithms=["RS256", "ES256"], issuer=self._issuer, audience=self._audience)

    async def _current(self, *, max_age_s: float) -> KeySet:
        async with self._lock:
            now = time.monotonic()
            if self._keys is None or (now - self._fetched_at > max_age_s and now - self._tried_at > KEYS_RETRY_S):
                self._tried_at = now
                await self._fetch()
            if self._keys is None:
                raise DependencyDown("The identity provider does not answer; try again in a moment.", retry_after_s=5)
            return self._keys

    async def _fetch(self) -> None:
        try:
            found = (await self._http.get(f"{self._issuer}/.well-known/openid-configuration")).raise_for_status().json()
            keys = (await self._http.get(found["jwks_uri"])).raise_for_status().json()
            self._keys, self._fetched_at, self._known = KeySet.import_key_set(keys), time.monotonic(), {}
        except (httpx2.HTTPError, KeyError, ValueError, JoseError) as error:
            log.warning("oidc.keys", error=type(error).__name__, stale=self._keys is not None)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _verified(token: str, key: Any, *, algorithms: list[str], issuer: str, audience: str) -> dict[str, Any]:
    try:
        claims = jwt.decode(token, key, algorithms=algorithms).claims
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(claims)
    except (JoseError, ValueError) as error:
        raise Unauthenticated(f"The bearer token is not valid: {type(error).__name__}.") from error
    return dict(claims)


class Authenticator:
    """From a bearer token to the person behind it."""

    def __init__(self, issuer: DevelopmentIssuer | OidcIssuer, people: People) -> None:
        self.issuer, self._people = issuer, people

    async def principal(self, token: str) -> Principal:
        """Verify the token and look up what the person is granted now. Raises Unauthenticated, DependencyDown."""
        claims = await self.issuer.claims(token)
        groups = claims.get("groups", [])
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise Unauthenticated("The bearer token's `groups` claim is not a list of names.")
        user_id, name, unit = str(claims["sub"]), str(claims.get("name", "")), str(claims.get("unit", ""))
        if any("\x00" in said for said in (user_id, name, unit, *groups)):
            # The database holds no such text, so nothing of the kind was ever granted.
            raise Unauthenticated("The bearer token holds the character U+0000.")
        return await self._people.principal(user_id, name=name, groups=tuple(groups), unit=unit)
