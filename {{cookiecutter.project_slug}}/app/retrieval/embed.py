"""Vectors for texts; the lexical embedder needs no model, no download and no knowledge of other texts."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import log, sqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.turn import Tape
from app.retrieval.words import stem, words

DIMENSIONS = 384
Vectors = NDArray[np.float32]

# More texts than this, and the arithmetic leaves the event loop.
_INLINE = 4
# What the letter groups of a word weigh together, against the word itself.
_GRAMS_WEIGHT = 0.6


class Embedder(Protocol):
    """Turns texts into vectors of `dimensions` numbers and length 1; another `name` means another space."""

    @property
    def name(self) -> str:
        """Name the space: vectors of different names cannot be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Give the length of its vectors; 0 as long as nobody has seen one."""
        ...

    @property
    def is_own(self) -> bool:
        """Say whether no text leaves us."""
        ...

    async def embed(self, texts: Sequence[str], *, tape: Tape | None = None, query: bool = False) -> Vectors:
        """Give one row per text, of questions (`query`) or passages; calls go onto the tape. Raises NoVector."""
        ...


@dataclass(frozen=True, slots=True)
class Sought:
    """A question as a vector of the space that is searched; without one, `because` says why there are only words."""

    space: str
    vector: Vectors | None
    because: str = ""


class LexicalEmbedder:
    """Hashes stems and groups of four letters into signed buckets: near means "shares words", not "means the same"."""

    name = "lexical-1"
    dimensions = DIMENSIONS
    is_own = True

    async def embed(self, texts: Sequence[str], *, tape: Tape | None = None, query: bool = False) -> Vectors:
        """Give one row per text; a text without words gets a row of zeros."""
        if len(texts) <= _INLINE:
            return _embed(texts)
        return await asyncio.to_thread(_embed, texts)

    async def question(self, text: str, *, outside: str = "", tape: Tape | None = None) -> Sought:
        """Give a question's vector, where no other space is searched."""
        return Sought(self.name, _embed([text])[0])


def _embed(texts: Sequence[str]) -> Vectors:
    rows = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word, times in Counter(words(text)).items():
            places, weights = _features(word)
            np.add.at(row, places, weights * np.float32(1 + log(times)))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows


@lru_cache(maxsize=50_000)
def _features(word: str) -> tuple[NDArray[np.intp], Vectors]:
    framed = f"^{word}$"
    grams = [framed[start : start + 4] for start in range(max(1, len(framed) - 3))]
    features = [(f"w:{stem(word)}", 1.0), *((f"g:{gram}", _GRAMS_WEIGHT / sqrt(len(grams))) for gram in grams)]
    hashes = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") for name, _ in features]
    places = np.array([number % DIMENSIONS for number in hashes], dtype=np.intp)
    signs = np.array([1.0 if number >> 63 else -1.0 for number in hashes], dtype=np.float32)
    return places, signs * np.array([weight for _, weight in features], dtype=np.float32)
