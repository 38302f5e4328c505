"""What may not leave: our own instructions, and placeholders of somebody else's data."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from app.domain.turn import Citation, Draft, Finding, Passage
from app.guard.pii import PLACEHOLDER

# So many words in a row are no coincidence.
LEAK_WORDS = 12
# Marks of emphasis are no part of a word, the underscore included.
WORD = re.compile(r"[^\W_]+")
LEAKED = Finding("leak", "the answer repeats the instructions")


class Echo:
    """Listens to words, one after another, for a run of those that must stay inside."""

    def __init__(self, secret: str) -> None:
        self._places = _places(secret)
        self._runs: dict[int, int] = {}

    def add(self, word: str) -> int:
        """Take the next word; give how many of the last words stand in the secret in this order."""
        places = self._places.get(word.lower(), ())
        self._runs = {place: self._runs.get(place - 1, 0) + 1 for place in places}
        return max(self._runs.values(), default=0)


@lru_cache(maxsize=256)
def _places(secret: str) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for place, word in enumerate(WORD.findall(secret)):
        found.setdefault(word.lower(), []).append(place)
    return {word: tuple(places) for word, places in found.items()}


def leaks(text: str, secret: str) -> bool:
    """Say whether the text repeats `LEAK_WORDS` words in a row of a text that must stay inside."""
    echo = Echo(secret)
    return any(echo.add(word) >= LEAK_WORDS for word in WORD.findall(text))


def strange(text: str, masks: Mapping[str, str]) -> Finding | None:
    """Give what is wrong with a text that holds placeholders nobody gave out."""
    unknown = set(PLACEHOLDER.findall(text)) - set(masks)
    return Finding("placeholder", f"{len(unknown)} placeholders that were never given out") if unknown else None


def texts(value: Any) -> Iterator[str]:
    """Give every text in structured data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


def findings(
    draft: Draft, *, passages: tuple[Passage, ...], masks: Mapping[str, str], instructions: str
) -> tuple[Finding, ...]:
    """Check a draft before anybody sees it: empty, leaking, citing what was not found, or inventing placeholders."""
    found = []
    said = "\n".join((draft.text, *texts(draft.data)))
    if not draft.text.strip() and draft.data is None:
        found.append(Finding("empty", "the answer holds no text"))
    if leaks(said, instructions):
        found.append(LEAKED)
    if unknown := strange(said, masks):
        found.append(unknown)
    if stray := [citation.marker for citation in draft.citations if not _stands(citation, passages)]:
        found.append(Finding("citation", f"markers {stray} point to nothing that was found"))
    return tuple(found)


def _stands(citation: Citation, passages: tuple[Passage, ...]) -> bool:
    return any(citation.document_id == passage.document_id for passage in passages)
