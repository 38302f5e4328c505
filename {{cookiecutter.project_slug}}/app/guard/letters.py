"""Letters as people see them: hidden ones out, and those that only look like others folded into these."""

import re
import unicodedata

# Joiners between letters of Arabic and Indic scripts, and between emoji, are spelling; elsewhere they are hidden.
_JOINED = "\u0590-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u17ff"
_PICTURES = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
# Zero-width, bidirectional, filler and tag characters carry text that people do not see.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
    f"|(?<![{_JOINED}{_PICTURES}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}{_PICTURES}])"
    # One selector chooses the form of a sign; several in a row are a cipher.
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MARKS = re.compile("[\u0300-\u036f\u0489\u1dc0-\u1dff\u20d0-\u20f0]+")
_SPACES = re.compile(r"[^\S\n]+")

# Letters of their own that Unicode does not take apart, and what typographers make of quotes and dashes.
_PLAIN = str.maketrans("łøđıħŧœæ’‘ʼ“”„‟«»‐‑‒–—−", 'lodihtoa\'\'\'""""""------', "")
# What each letter is taken for: Cyrillic, Greek, Armenian, Cherokee, and the small capitals and letters of phonetics.
_TWINS = {
    "a": "аαɑаᴀꭺ", "b": "ьвƅвʙβ", "c": "сϲᴄçꮯ", "d": "ԁɗᴅժ", "e": "еєεҽᴇꬲ", "f": "ғſϝꜰ", "g": "ɡԍɢց", "h": "һнհʜ",
    "i": "іιɩɪꙇ", "j": "јϳᴊʝ", "k": "кκᴋҝ", "l": "ӏⅼʟɭ", "m": "мᴍϻ", "n": "пηɴոռ", "o": "оοσᴏօഠ", "p": "рρᴘքᑭ",
    "q": "ԛգզ", "r": "гʀᴦɾя", "s": "ѕꜱʂ", "t": "тτᴛ", "u": "υцᴜսʊ", "v": "ѵνᴠ", "w": "ԝωшᴡա", "x": "хχ×", "y": "уγүʏყ",
    "z": "ᴢʐʑ",
}  # fmt: skip
_LOOKALIKES = {ord(twin): letter for letter, twins in _TWINS.items() for twin in twins}
_ANY_LOOKALIKE = re.compile(f"[{''.join(map(chr, _LOOKALIKES))}]")


def visible(text: str) -> str:
    """Give the text in composed form without what people do not see."""
    if text.isascii():
        return _CONTROL.sub("", text).strip()
    return _CONTROL.sub("", _HIDDEN.sub("", unicodedata.normalize("NFC", text))).strip()


def smuggled(text: str) -> str:
    """Give what hidden characters spell: tags stand for ASCII, selectors for bytes; "" where they spell nothing."""
    if text.isascii():
        return ""
    tags = "".join(chr(ord(mark) - 0xE0000) for found in _TAGS.findall(text) for mark in found)
    octets = bytes(_octet(ord(mark)) for found in _SELECTORS.findall(text) for mark in found)
    return f"{tags} {octets.decode('utf-8', 'ignore')}".strip()


def _octet(code: int) -> int:
    return code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16


def folded(text: str) -> str:
    """Give visible text in small plain letters: one width, no accents, one kind of quote and dash, single spaces."""
    if text.isascii():
        return _SPACES.sub(" ", text.lower())
    apart = unicodedata.normalize("NFKD", text.casefold())
    whole = unicodedata.normalize("NFC", _MARKS.sub("", apart)).casefold()
    return _SPACES.sub(" ", whole.translate(_PLAIN))


def latinised(text: str) -> str:
    """Give folded text with look-alikes as the Latin letters that they imitate; "" where there are none."""
    return text.translate(_LOOKALIKES) if not text.isascii() and _ANY_LOOKALIKE.search(text) else ""


def unreadable(text: str) -> int:
    """Count characters that are no text: controls, replacements of what could not be decoded, unassigned, private."""
    if text.isascii():
        return len(_CONTROL.findall(text))
    return sum(mark == "\ufffd" or unicodedata.category(mark) in ("Cc", "Cn", "Co", "Cs") for mark in text) - sum(
        map(text.count, "\t\n\r")
    )
