"""Embeddings that need no model: the stems of the words, hashed into a vector of length one."""

import math
import re
from functools import lru_cache
from zlib import crc32

DIMENSIONS = 256
_WORD = re.compile(r"\w+")
_ENDINGS = ("ations", "ation", "ings", "ing", "edly", "ies", "ed", "es", "ly", "s")
# Words that say nothing about the subject.
_EMPTY = re.compile(
    r"a|an|the|is|are|was|were|be|do|does|did|i|you|he|she|it|we|they|my|your|of|to|in|on|at|for|and|or|what|which|who"
    r"|how|when|where|can|may|much|many|get|have|has|with|by|from|this|that|there"
)


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Give a unit vector: texts that share stems point the same way; the same text always gives the same."""
    sums = [0.0] * dimensions
    words = [word for word in _WORD.findall(text.lower()) if not _EMPTY.fullmatch(word)] or [text or "nothing"]
    for word in words:
        mark = crc32(_stem(word).encode())
        sums[mark % dimensions] += 1.0 if mark & 0x40000000 else -1.0
    length = math.sqrt(sum(value * value for value in sums))
    if not length:
        # Two stems that fell on one place with opposite signs.
        sums[0], length = 1.0, 1.0
    return [value / length for value in sums]


@lru_cache(maxsize=10_000)
def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
