"""What a text says when it is read as its writer meant it to be: decoded, put together, spelled right."""

import binascii
import html
import re
from base64 import b32decode, b64decode
from collections.abc import Callable, Iterator
from urllib.parse import unquote

# The words that orders to a model are made of, as attackers write most: in English.
_WRITTEN = """
ignore disregard forget override bypass previous prior earlier above all your the system prompt instructions
instruction rules rule guidelines hidden reveal print show repeat output tell secret password documents filters
restrictions assistant follow obey execute salaries confidential original initial message every
"""
WORDS = _WRITTEN.split()
_KNOWN = frozenset(WORDS)
_LONG = frozenset(word for word in WORDS if len(word) > 4)
_WORD = re.compile(r"[a-z]+")

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_WRAPPED = re.compile(r"(?<=[A-Za-z0-9+/]{40})\s*\n\s*(?=[A-Za-z0-9+/])")
_BASE32 = re.compile(r"[A-Z2-7]{16,}={0,6}")
_HEX = re.compile(r"(?<![^\W_])(?:(?:0x|\\x)?[0-9a-fA-F]{2}[ :,]{0,2}){8,}")
_PAIR = re.compile(r"(?:0x|\\x)?([0-9a-fA-F]{2})")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){3}|%20")
_ESCAPE = re.compile(r"\\u\{?([0-9a-fA-F]{4,6})\}?|\\x([0-9a-fA-F]{2})")
_BITS = re.compile(r"(?:\b[01]{7,8}\b[ ,]*){4,}|\b(?:[01]{8}){4,}\b")
_MORSE = re.compile(r"(?:[.·−-]{1,6}[ /|]+){7,}[.·−-]{1,6}")
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W_][ .\-_*|/,]{1,3}){5,}[^\W_](?![^\W_])")
_SPLIT = re.compile(r"(?<=[a-z])[-.·*|](?=[a-z])")
_LEET = str.maketrans("0134578@$!+|", "oieastbasitl")
_MIXED = re.compile(r"[a-z0-9@$!+|]*(?:[a-z][0-9@$!+|]|[0-9@$!+|][a-z])[a-z0-9@$!+|]*|\b[01345|@$!]{2,}\b")
_ODD = re.compile(r"[0-9@$|+]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CODE = (
    """.- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."""
)
MORSE = dict(zip(_CODE.split(), _LETTERS, strict=True))
LEAST = 6


def _shifts() -> dict[str, dict[int, int]]:
    """Give, for each long word under each of the 25 shifts of the alphabet, the table that undoes the shift."""
    found = {}
    for by in range(1, 26):
        away = str.maketrans(_LETTERS, _LETTERS[by:] + _LETTERS[:by])
        back = str.maketrans(_LETTERS[by:] + _LETTERS[:by], _LETTERS)
        found.update({word.translate(away): back for word in _LONG})
    mirror = str.maketrans(_LETTERS, _LETTERS[::-1])
    found.update({word.translate(mirror): mirror for word in _LONG})
    return {word: table for word, table in found.items() if word not in _KNOWN}


_SHIFTED = _shifts()
_REVERSED = frozenset(word[::-1] for word in _LONG)
_JUMBLED = {(word[0], word[-1], "".join(sorted(word[1:-1]))): word for word in _LONG}
_SHAPES = frozenset((word[0], word[-1], len(word)) for word in _LONG)
_SEGMENT = re.compile("|".join(sorted(WORDS, key=len, reverse=True)))


def decoded(text: str) -> Iterator[str]:
    """Give what each encoded part of visible text holds; parts that hold no text give nothing."""
    yield from _in_letters(text)
    if "%" in text and _PERCENT.search(text):
        yield unquote(text, errors="ignore")
    if "&" in text and (plain := html.unescape(text)) != text:
        yield plain
    if "\\" in text and _ESCAPE.search(text):
        yield _ESCAPE.sub(lambda each: _char(each[1] or each[2]), text)
    if "01" in text:
        for found in _BITS.findall(text):
            yield from _readable(_bits(found))
    if ".-" in text or "-." in text or "·" in text:
        yield from map(_morse, _MORSE.findall(text))


def _in_letters(text: str) -> Iterator[str]:
    """Give what stands in base64, base32 and hexadecimal."""
    for found in _BASE64.findall(_WRAPPED.sub("", text) if "\n" in text else text):
        yield from _readable(_base64(found))
    for found in _BASE32.findall(text):
        plain = found.rstrip("=")
        yield from _readable(_octets(b32decode, plain + "=" * (-len(plain) % 8)))
    for found in _HEX.findall(text):
        yield from _readable(_octets(bytes.fromhex, "".join(_PAIR.findall(found))))


def respelled(text: str) -> Iterator[str]:
    """Give folded text as it reads with its letters put together, put right, or turned back."""
    if _SPACED.search(text):
        yield _SPACED.sub(lambda each: _together(each.group()), text)
    if len(_SPLIT.findall(text)) > 2:
        yield _SPLIT.sub("", text)
    if _ODD.search(text) and len(mixed := _MIXED.findall(text)) > 1 and any(map(str.isalpha, "".join(mixed))):
        yield _MIXED.sub(lambda each: _unleet(each.group()), text)
    words = _WORD.findall(text)
    seen = set(words)
    if not _REVERSED.isdisjoint(seen):
        yield text[::-1]
    if turned := _SHIFTED.keys() & seen:
        for table in {id(_SHIFTED[word]): _SHIFTED[word] for word in turned}.values():
            yield text.translate(table)
    if any((word[0], word[-1], len(word)) in _SHAPES and word not in _KNOWN for word in seen):
        right = _WORD.sub(lambda each: _right(each.group()), text)
        if right != text:
            yield right


def _base64(found: str) -> bytes:
    plain = found.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    return _octets(b64decode, plain + "=" * (-len(plain) % 4))


def _octets(decode: Callable[[str], bytes], found: str) -> bytes:
    try:
        return decode(found)
    except (ValueError, binascii.Error):
        return b""


def _readable(octets: bytes) -> Iterator[str]:
    """Give bytes as text where nearly all of it is letters and spaces: chance makes other things."""
    try:
        text = octets.decode("utf-16-le" if octets[1:2] == b"\0" else "utf-8")
    except UnicodeDecodeError:
        return
    if len(text) >= LEAST and sum(mark.isalpha() or mark.isspace() for mark in text) >= 0.6 * len(text):
        yield text


def _char(code: str) -> str:
    number = int(code, 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def _bits(found: str) -> bytes:
    groups = re.findall(r"[01]+", found)
    if len(groups) == 1:
        groups = re.findall(r"[01]{8}", found)
    return bytes(int(group, 2) for group in groups if len(group) in (7, 8))


def _morse(found: str) -> str:
    signs = found.replace("·", ".").replace("−", "-")
    words = re.split(r"\s*[/|]+\s*|\s{2,}", signs)
    return " ".join("".join(MORSE.get(sign, "") for sign in word.split()) for word in words)


def _together(spaced: str) -> str:
    """Join letters that stand apart; where two or more separators stand, a word ends."""
    words = re.split(r"[ .\-_*|/,]{2,}", spaced)
    joined = ["".join(mark for mark in word if mark.isalnum()) for word in words]
    if len(joined) == 1:
        joined = _SEGMENT.sub(lambda each: f" {each.group()} ", joined[0]).split()
    return f" {' '.join(joined)} "


def _unleet(word: str) -> str:
    plain = word.translate(_LEET)
    if plain in _KNOWN:
        return plain
    other = word.replace("1", "l").translate(_LEET)
    return other if other in _KNOWN else plain


def _right(word: str) -> str:
    if word in _KNOWN or len(word) < 5:
        return word
    return _JUMBLED.get((word[0], word[-1], "".join(sorted(word[1:-1]))), word)
