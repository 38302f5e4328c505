"""People who do not exist, and the OpenID Connect issuer that vouches for them: production takes no other tokens."""

import time

from joserfc import jwt
from joserfc.jwk import RSAKey

AUDIENCE = "benchmark"
GROUPS = ("sales",)


class Issuer:
    """Signs tokens with a key of its own; whoever serves `keys` at `url` is believed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = RSAKey.generate_key(2048, {"kid": "benchmark", "use": "sig", "alg": "RS256"})

    @property
    def keys(self) -> dict[str, object]:
        """Give the public half, as an issuer publishes it."""
        return {"keys": [self._key.as_dict(private=False)]}

    def token(self, number: int, *, hours: float = 12) -> str:
        """Give the token of one person."""
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": f"person.{number}",
            "name": f"Person {number}",
            "groups": list(GROUPS),
            "unit": "Sales",
            "exp": int(time.time() + hours * 3600),
        }
        return jwt.encode({"alg": "RS256", "kid": "benchmark"}, claims, self._key)
