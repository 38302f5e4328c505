"""Our instructions in disguise: spaced out, run together, in other signs, backwards, in base64 or hexadecimal."""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from functools import lru_cache

# So many letters and digits of ours in a row, whatever stands between them: about twelve words; measured in ADR 32.
LEAK_CHARS = 60
# From so many on a stream waits until it is clear what they become.
HELD_CHARS = 24
_PIECE = 24
_STEP = LEAK_CHARS - _PIECE
_GAPS = re.compile(r"[\W_]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[ :]?){40,}")


def squeezed(text: str) -> str:
    """Give the letters and digits alone, small."""
    return _GAPS.sub("", text).lower()


def repeats(text: str, secret: str) -> bool:
    """Say whether a text that must stay inside stands in this one, `LEAK_CHARS` of its letters in a row."""
    ours = _known(secret)
    if len(ours) < LEAK_CHARS:
        return False
    plain = squeezed(text)
    return any(_runs(part, ours) for part in (plain, plain[::-1], *map(squeezed, _decoded(text))))


def run_at_end(text: str, secret: str) -> int:
    """Give how many of the last letters and digits of this text stand in the secret in a row; 0 for fewer than 24.

    Backwards counts as well.
    """
    ours, last = _known(secret), squeezed(text[-3 * HELD_CHARS :])[-HELD_CHARS:]
    if len(last) < HELD_CHARS or not (last in ours or last[::-1] in ours):
        return 0
    plain, length = squeezed(text[-4 * LEAK_CHARS :]), HELD_CHARS
    while length < len(plain) and (plain[-length - 1 :] in ours or plain[-length - 1 :][::-1] in ours):
        length += 1
    return length


def _runs(plain: str, ours: str) -> bool:
    # A run of 60 holds a whole piece of 24 that begins at one of these places; only then it is worth measuring.
    return any(
        plain[place : place + _PIECE] in ours and _length(plain, place, ours) >= LEAK_CHARS
        for place in range(0, len(plain) - _PIECE + 1, _STEP)
    )


def _length(plain: str, place: int, ours: str) -> int:
    start, end = place, place + _PIECE
    while start > 0 and plain[start - 1 : end] in ours:
        start -= 1
    while end < len(plain) and plain[start : end + 1] in ours:
        end += 1
    return end - start


def _decoded(text: str) -> Iterator[str]:
    # Encoders break their lines; so may the model.
    joined = re.sub(r"(?<=[A-Za-z0-9+/_-]{20})\r?\n(?=[A-Za-z0-9+/_=-])", "", text)
    for found in _BASE64.findall(joined):
        for cut in range(4):
            code = found.rstrip("=")[cut:].replace("-", "+").replace("_", "/")
            try:
                yield b64decode(code[: len(code) // 4 * 4]).decode("utf-8", "ignore")
            except NotBase64:
                continue
    for found in _HEX.findall(text):
        yield bytes.fromhex(re.sub(r"[ :]", "", found)).decode("utf-8", "ignore")


@lru_cache(maxsize=256)
def _known(secret: str) -> str:
    return squeezed(secret)
