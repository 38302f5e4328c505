"""A token that stands in the system prompt and nowhere else: an answer that holds it gives the instructions away."""

import hashlib
import hmac
import re
from base64 import b64encode
from datetime import date
from functools import lru_cache

from app.domain.turn import Finding

EXPOSED = Finding("canary", "the answer holds the token of the instructions")
# 64 bits: nobody guesses it, and no text holds it by chance.
CHARS = 16
_BETWEEN = re.compile(r"[\W_]+")


@lru_cache(maxsize=8)
def canary_of(secret_key: str, day: date) -> str:
    """Give the token of a day (UTC): the same in all processes, so that vendors can keep the prompt that holds it."""
    return hmac.new(secret_key.encode(), f"canary {day}".encode(), hashlib.sha256).hexdigest()[:CHARS]


def exposes(text: str, canary: str) -> bool:
    """Say whether a text holds the token: as it is, spaced out, backwards, or inside hex or base64."""
    if not canary:
        return False
    if canary in text:
        return True
    if len(text) < CHARS:
        return False
    bare = _BETWEEN.sub("", text).lower()
    if canary in bare or canary[::-1] in bare or canary.encode().hex() in bare:
        return True
    return any(part in text for part in _in_base64(canary))


def held(text: str, end: int, canary: str) -> int:
    """Give the place before which a growing text may be shown: what may become the token waits."""
    for length in range(min(len(canary), end) - 1, 0, -1):
        if text.startswith(canary[:length], end - length):
            return end - length
    return end


@lru_cache(maxsize=8)
def _in_base64(canary: str) -> tuple[str, ...]:
    """Give what base64 makes of the token at each of the three places that it may begin at, without the edges."""
    return tuple(b64encode(b" " * place + canary.encode()).decode().rstrip("=")[4:-2] for place in range(3))
