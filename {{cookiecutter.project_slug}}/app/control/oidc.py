"""Bearer tokens of an OpenID Connect issuer: signature, issuer, audience and time, by keys that it publishes."""

import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jws import JWSRegistry

from app.control.discovery import Provider, Published, SigningKey
from app.errors import Unauthenticated

# Nothing else is taken, whatever a token says of itself; each with the kind of key that it needs.
ALGORITHMS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
# How far the clocks of issuer and service may be apart.
LEEWAY_S = 30
# Tokens whose claims are remembered; some hundred bytes each.
MOST_KNOWN = 10_000
MOST_CHARS = 50_000
# Issuers add header parameters of their own; what is marked as critical and unknown is refused all the same.
_SIGNED = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
# Some send the whole chain of a certificate along.
_SIGNED.max_header_length = 8192


class OidcIssuer:
    """Verifies the tokens of an issuer that are meant for this service."""

    def __init__(self, issuer: str, audience: str, *, timeout_s: float = 3) -> None:
        self.provider, self._audience = Provider(issuer, timeout_s=timeout_s), audience
        # By a digest of the token: what these keys have verified already.
        self._known: dict[bytes, dict[str, Any]] = {}
        self._known_by: Mapping[str, SigningKey] = {}

    async def claims(self, token: str) -> dict[str, Any]:
        """Verify a token. Raises Unauthenticated, and DependencyDown while no keys were ever read.

        A signature is checked once by each set of keys: it takes as long as several other steps of a turn.
        """
        published = await self.provider.published()
        if published.keys is not self._known_by:
            self._known, self._known_by = {}, published.keys
        digest = sha256(token.encode()).digest()
        if (known := self._known.get(digest)) and known["exp"] > time.time():
            return dict(known)
        claims = await verified(self.provider, token, audience=self._audience)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        if self.provider.keys is self._known_by:
            self._known[digest] = claims
        return dict(claims)

    async def close(self) -> None:
        """Close the connections."""
        await self.provider.close()


async def verified(provider: Provider, token: str, *, audience: str) -> dict[str, Any]:
    """Verify a token of the provider for this audience; keys that do not fit are fetched again.

    Raises Unauthenticated, DependencyDown.
    """
    if len(token) > MOST_CHARS:
        raise Unauthenticated("The bearer token is too long.")
    published = await provider.published()
    try:
        return _by(published, token, audience)
    except _UnknownKey as unknown:
        newer = await provider.newer(published, kid=unknown.kid)
    except _WrongSignature:
        if not provider.is_due(published):
            raise
        newer = await provider.newer(published)
    return _by(newer, token, audience)


class _UnknownKey(Unauthenticated):
    """The token is signed by a key that we have not seen; perhaps it is new."""

    def __init__(self, kid: str) -> None:
        super().__init__("The bearer token is not valid: the issuer publishes no such key.")
        self.kid = kid


class _WrongSignature(Unauthenticated):
    """The key of that name did not sign the token; perhaps there is another under it by now."""


def _by(published: Published, token: str, audience: str) -> dict[str, Any]:
    def key(signed: Any) -> SigningKey:
        return _key(published.keys, signed.headers())

    return checked(token, key, registry=_SIGNED, issuer=published.issuer, audience=audience)


def _key(keys: Mapping[str, SigningKey], headers: Mapping[str, Any]) -> SigningKey:
    kind = ALGORITHMS.get(headers.get("alg", ""))
    if kind is None:
        raise Unauthenticated(f"The bearer token is not valid: it must be signed with one of {', '.join(ALGORITHMS)}.")
    kid = headers.get("kid")
    if kid is None and len(keys) == 1:
        kid = next(iter(keys))
    if not isinstance(kid, str):
        raise Unauthenticated("The bearer token is not valid: it does not name the key that signed it.")
    if kid not in keys:
        raise _UnknownKey(kid)
    if keys[kid].key_type != kind or keys[kid].get("alg", headers["alg"]) != headers["alg"]:
        raise _WrongSignature("The bearer token is not valid: its algorithm is not that of the key.")
    return keys[kid]


def checked(token: str, key: Any, *, registry: JWSRegistry, issuer: str, audience: str) -> dict[str, Any]:
    """Verify a token by a key and the algorithms of the registry. Raises Unauthenticated, and quotes no token."""
    try:
        claims = jwt.decode(token, key, registry=registry).claims
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(claims)
    except BadSignatureError as error:
        raise _WrongSignature("The bearer token is not valid: BadSignatureError.") from error
    except (JoseError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Unauthenticated(f"The bearer token is not valid: {type(error).__name__}.") from error
    return dict(claims)
