"""From `[n]` in an answer to the passages it stands on."""

import re
from collections.abc import Sequence

from app.domain.turn import Citation, Passage
from app.llm.sentences import Sentence, of_passage
from app.llm.words import stems

MARKER = re.compile(r"\[(\d+(?:\s*,\s*\d+)*)\]")
QUOTE_CHARS = 400


def cite(text: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Give one citation per passage that the text names, in order of appearance; unknown numbers give none.

    The quote is the sentence of the passage that shares most with the sentence that cites it.
    """
    found: dict[int, Citation] = {}
    start = 0
    for match in MARKER.finditer(text):
        claim, start = text[start : match.start()], match.end()
        for number in (int(part) for part in match[1].split(",")):
            if 1 <= number <= len(passages) and number not in found:
                passage = passages[number - 1]
                found[number] = citation(number, passage, quote=_closest(claim, passage))
    return tuple(found.values())


def citation(number: int, passage: Passage, *, quote: str) -> Citation:
    """Point to a passage."""
    return Citation(
        marker=number,
        document_id=passage.document_id,
        title=passage.title,
        uri=passage.uri,
        quote=quote[:QUOTE_CHARS],
        heading=passage.heading,
        page=passage.page,
        anchor=passage.anchor,
    )


def _closest(claim: str, passage: Passage) -> str:
    wanted = set(stems(claim))
    sentences: list[Sentence] = of_passage(passage)
    best = max(sentences, key=lambda sentence: len(wanted & set(sentence.stems)), default=None)
    return best.source if best else passage.text
