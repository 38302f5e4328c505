"""Identities for development: tokens that we sign ourselves, for the people of config/people.toml."""

import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry

from app.control.claims import Person
from app.control.oidc import checked
from app.errors import Unauthenticated, quoted

DEVELOPMENT_ISSUER = "development"
_SIGNED = JWSRegistry(algorithms=["HS256"])


class DevelopmentIssuer:
    """Signs tokens for the people of config/people.toml; wiring builds none in production."""

    def __init__(self, secret: str, people: Mapping[str, Any], *, former: str = "") -> None:
        self._key = OctKey.import_key(secret)
        # Verifies and signs no more: for as long as a change of the secret takes to reach everybody.
        self._former = OctKey.import_key(former) if former else None
        self.people = {
            key: Person(key, person["name"], tuple(person["groups"]), person.get("unit", ""))
            for key, person in people.items()
        }

    def token(self, person_id: str, *, hours: float = 12) -> str:
        """Give a signed token for one of the people. Raises Unauthenticated for anybody else."""
        person = self.people.get(person_id)
        if person is None:
            raise Unauthenticated(
                f"There is no development identity {quoted(person_id)}; there are: {', '.join(self.people)}."
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
        ours = DEVELOPMENT_ISSUER
        try:
            return checked(token, self._key, registry=_SIGNED, issuer=ours, audience=ours)
        except Unauthenticated:
            if self._former is None:
                raise
        return checked(token, self._former, registry=_SIGNED, issuer=ours, audience=ours)

    async def close(self) -> None:
        """Let go of nothing: there is no connection."""
