"""Bytes to text: what the file declares, what its bytes prove, and last what its letters make likely."""

import codecs
import re

from charset_normalizer import from_bytes

from app.errors import Unreadable

# The four-byte marks first: the one of UTF-32 begins with the one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_DECLARED = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{2,30})|<\?xml[^>]{0,99}encoding=["']([\w.:-]{2,30})""", re.I
)
_FAMILIES = ["cp1251", "cp1253", "cp1255", "cp1256", "koi8_r", "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"]
# From this share of letters beyond ASCII on, the script is not Latin.
_FOREIGN = 0.3
_SAMPLE_BYTES = 20_000
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def decode(content: bytes, *, declared: str = "") -> str:
    """Decode text of any usual encoding; `declared` is a name that came with it. Raises Unreadable for binary content.

    Without a mark or a declaration: UTF-8 when it is valid, then by the look of the letters, else Windows-1252.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), "") or _wide(content)
    if marked:
        return content.decode(marked, errors="replace")
    if len(_BINARY.findall(content[:_SAMPLE_BYTES])) > len(content[:_SAMPLE_BYTES]) / 50 or b"\x00" in content:
        raise Unreadable("The file holds binary data, not text.", reason="malformed")
    return _valid(content, "utf-8") or _valid(content, declared or _declared(content)) or _likely(content)


def _wide(content: bytes) -> str:
    """Recognise UTF-16 without its mark by the zeros that Latin letters leave at every other place."""
    sample = content[:_SAMPLE_BYTES]
    evens, odds = sample[::2].count(0), sample[1::2].count(0)
    if len(content) % 2 or max(evens, odds) < len(sample) * 0.3 or min(evens, odds) > len(sample) * 0.01:
        return ""
    return "utf-16-le" if odds > evens else "utf-16-be"


def _declared(content: bytes) -> str:
    match = _DECLARED.search(content[:4096])
    return (match.group(1) or match.group(2)).decode() if match else ""


def _valid(content: bytes, name: str) -> str:
    try:
        # Browsers read what calls itself Latin-1 as Windows-1252, and so do those who wrote it.
        return content.decode("cp1252" if name.lower() in ("iso-8859-1", "latin1", "latin-1", "us-ascii") else name)
    except (LookupError, ValueError):
        return ""


def _likely(content: bytes) -> str:
    sample = content[:_SAMPLE_BYTES]
    letters = sum(byte > 0x7F or chr(byte).isalpha() for byte in sample)
    if sum(byte > 0x7F for byte in sample) > _FOREIGN * letters:
        best = from_bytes(sample, cp_isolation=_FAMILIES, enable_fallback=False).best()
        if best:
            return content.decode(best.encoding, errors="replace")
    return content.decode("cp1252", errors="replace")
