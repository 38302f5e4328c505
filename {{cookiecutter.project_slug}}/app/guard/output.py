"""What may not leave: our own instructions, and placeholders of somebody else's data."""

import re
from collections.abc import Mapping

from app.domain.turn import Citation, Draft, Finding, Passage
from app.guard.pii import PLACEHOLDER

# So many words in a row are no coincidence.
LEAK_WORDS = 12
_WORD = re.compile(r"\w+")


def leaks(text: str, secret: str) -> bool:
    """Say whether the text repeats `LEAK_WORDS` words in a row of a text that must stay inside."""
    inside = [word.lower() for word in _WORD.findall(secret)]
    said = " ".join(word.lower() for word in _WORD.findall(text))
    runs = (" ".join(inside[start : start + LEAK_WORDS]) for start in range(len(inside) - LEAK_WORDS + 1))
    return any(run in said for run in runs)


def findings(
    draft: Draft, *, passages: tuple[Passage, ...], masks: Mapping[str, str], instructions: str
) -> tuple[Finding, ...]:
    """Check a draft before anybody sees it: empty, leaking, citing what was not found, or inventing placeholders."""
    found = []
    if not draft.text.strip() and draft.data is None:
        found.append(Finding("empty", "the answer holds no text"))
    if leaks(draft.text, instructions):
        found.append(Finding("leak", "the answer repeats the instructions"))
    if unknown := set(PLACEHOLDER.findall(draft.text)) - set(masks):
        found.append(Finding("placeholder", f"{len(unknown)} placeholders that were never given out"))
    if stray := [citation.marker for citation in draft.citations if not _stands(citation, passages)]:
        found.append(Finding("citation", f"markers {stray} point to nothing that was found"))
    return tuple(found)


def _stands(citation: Citation, passages: tuple[Passage, ...]) -> bool:
    return any(citation.document_id == passage.document_id for passage in passages)
