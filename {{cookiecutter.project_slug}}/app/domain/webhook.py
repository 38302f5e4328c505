"""How events leave: signed as the specification Standard Webhooks says (1.0.0), and sent again on a schedule."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from secrets import token_bytes

PREFIX = "whsec_"
SECRET_BYTES = 32
# Seconds between two tries; after the last one it is a dead letter.
WAITS_S = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000)
MOST_TRIES = len(WAITS_S) + 1
# So much each wait is longer or shorter, so that what failed together does not come together again.
JITTER = 0.2
# What waits for so long is a dead letter, however few tries it had: its receiver was away all the time.
MOST_AGE_S = 3 * 86_400
# While a receiver takes nothing, one batch is tried at these intervals.
HOLD_S, MOST_HOLD_S = 5.0, 300.0


def new_secret() -> str:
    """Make a secret, as both sides keep it."""
    return PREFIX + b64encode(token_bytes(SECRET_BYTES)).decode()


def signature(secrets: Sequence[str], *, id: str, at_s: int, body: bytes) -> str:
    """Give the header `webhook-signature`: one HMAC-SHA256 for each secret that is in force, over id, time and body."""
    signed = f"{id}.{at_s}.".encode() + body
    keys = [b64decode(secret.removeprefix(PREFIX)) for secret in secrets]
    return " ".join("v1," + b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)


def wait_s(tries: int, *, chance: float) -> float | None:
    """Give the seconds until the next try after so many; None when that was the last. `chance` is from 0 to 1."""
    if tries >= MOST_TRIES:
        return None
    return WAITS_S[tries - 1] * (1 + JITTER * (2 * chance - 1))


def hold_s(failures: int, *, chance: float) -> float:
    """Give the seconds for which a receiver is left alone that has taken nothing so many times."""
    return min(MOST_HOLD_S, HOLD_S * 2.0 ** min(failures - 1, 20)) * (1 + JITTER * (2 * chance - 1))
