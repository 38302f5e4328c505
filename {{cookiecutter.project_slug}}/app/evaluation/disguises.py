"""How attackers write what a screen must not see; the sets keep the plain words, so that people can read them."""

import html
import random
from base64 import b32encode, b64encode
from collections.abc import Callable
from urllib.parse import quote

from app.guard.decoding import MORSE

_LEET = str.maketrans("aeiost", "431057")
_CYRILLIC = str.maketrans("aceiopsxy", "\u0430\u0441\u0435\u0456\u043e\u0440\u0455\u0445\u0443")
_GREEK = str.maketrans("aikonprtuv", "\u03b1\u03b9\u03ba\u03bf\u03b7\u03c1\u0433\u03c4\u03c5\u03bd")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MORSE = {letter: sign for sign, letter in MORSE.items()}


def disguised(text: str, how: str) -> str:
    """Write a text in one of the disguises. Raises KeyError for an unknown one."""
    return DISGUISES[how](text)


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _moved(text: str, by: int) -> str:
    alphabet = _LETTERS[by:] + _LETTERS[:by]
    return text.translate(str.maketrans(_LETTERS + _LETTERS.upper(), alphabet + alphabet.upper()))


def _each(text: str, change: Callable[[int], int]) -> str:
    return "".join(chr(change(ord(mark))) if "!" <= mark <= "~" else mark for mark in text)


def _bold(text: str) -> str:
    # The sans-serif letters of mathematics begin at U+1D5BA (small) and U+1D5A0 (capital).
    small, capital = 0x1D5BA - ord("a"), 0x1D5A0 - ord("A")
    return "".join(
        chr(ord(mark) + (small if mark.islower() else capital)) if mark.isascii() and mark.isalpha() else mark
        for mark in text
    )


def _selectors(text: str) -> str:
    return "".join(chr(0xFE00 + octet if octet < 16 else 0xE0100 + octet - 16) for octet in text.encode())


def _accents(text: str) -> str:
    chance = random.Random(len(text))  # noqa: S311 - for the looks
    return "".join(f"{mark}{chr(chance.randint(0x300, 0x315))}" if mark.isalpha() else mark for mark in text)


DISGUISES: dict[str, Callable[[str], str]] = {
    "base64": _base64,
    "base64_twice": lambda text: _base64(_base64(text)),
    "base32": lambda text: b32encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "percent": lambda text: "".join(f"%{octet:02X}" for octet in text.encode()) if text.isascii() else quote(text),
    "entities": lambda text: "".join(f"&#{ord(mark)};" for mark in text) if text.isascii() else html.escape(text),
    "escapes": lambda text: "".join(f"\\u{ord(mark):04x}" for mark in text),
    "rot13": lambda text: _moved(text, 13),
    "caesar": lambda text: _moved(text, 7),
    "reversed": lambda text: text[::-1],
    "leet": lambda text: text.translate(_LEET),
    "spaced": " ".join,
    "dotted": lambda text: " ".join(".".join(word) for word in text.split()),
    "zero_width": "\u200b".join,
    "tags": lambda text: _each(text, lambda code: code + 0xE0000).replace(" ", "\U000e0020"),
    "selectors": _selectors,
    "full_width": lambda text: _each(text, lambda code: code + 0xFEE0),
    "cyrillic": lambda text: text.translate(_CYRILLIC),
    "greek": lambda text: text.translate(_GREEK),
    "bold": _bold,
    "accents": _accents,
    "morse": lambda text: " / ".join(
        " ".join(_MORSE[mark] for mark in word if mark in _MORSE) for word in text.lower().split()
    ),
    "binary": lambda text: " ".join(f"{octet:08b}" for octet in text.encode()),
    "decimal": lambda text: " ".join(str(octet) for octet in text.encode()),
}
