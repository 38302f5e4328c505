"""How sure an answer of a model is, 0 to 1: the share of its words that stand in what it cites, or its own field."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.turn import Passage
from app.llm.citations import MARKER
from app.llm.prompts import Prompt
from app.llm.words import stems

# The field of an output schema in which a model says itself how sure it is.
FIELD = "confidence"
_NUMBER = re.compile(r"\d+")


def measures(prompt: Prompt) -> bool:
    """Say whether an answer to this prompt brings a confidence: it cites passages, or declares the field."""
    return prompt.is_grounded if prompt.output_schema is None else _declares(prompt.output_schema)


def of(prompt: Prompt, passages: Sequence[Passage], *, text: str, data: Mapping[str, Any] | None) -> float | None:
    """Give the confidence of an answer to this prompt; None where it brings none."""
    if not measures(prompt):
        return None
    return of_text(text, passages) if data is None else float(data[FIELD])


def of_text(text: str, passages: Sequence[Passage]) -> float:
    """Give the share of the answer's words that stand in the passages which are cited behind them.

    Words behind which nothing is cited count as not found, and so do all before a citation whose passages lack a
    figure among them.
    """
    said = found = start = 0
    cited: set[int] = set()
    held: list[str] = []
    for match in MARKER.finditer(text):
        words, start = stems(text[start : match.start()]), match.end()
        if words:
            found += _found(held, cited, passages)
            held, cited = words, set()
        said += len(words)
        cited |= {int(number) for number in _NUMBER.findall(match[1])}
    found += _found(held, cited, passages)
    said += len(stems(text[start:]))
    return round(found / said, 2) if said else 0.0


def _found(words: Sequence[str], cited: set[int], passages: Sequence[Passage]) -> int:
    known = {_plain(word) for number in cited if 1 <= number <= len(passages) for word in _words(passages[number - 1])}
    there = [_plain(word) in known for word in words]
    if any(any(map(str.isdigit, word)) and not is_there for word, is_there in zip(words, there, strict=True)):
        return 0
    return sum(there)


def _words(passage: Passage) -> list[str]:
    if passage.suspicious:  # no model was shown it
        return []
    return stems(f"{passage.title}\n{passage.heading}\n{passage.effective_on or ''}\n{passage.text}")


def _plain(word: str) -> str:
    # 1,000 is 1000.
    return word.replace(",", "")


def _declares(schema: Mapping[str, Any]) -> bool:
    field = schema.get("properties", {}).get(FIELD, {})
    is_share = field.get("type") == "number" and field.get("minimum", -1) >= 0 and field.get("maximum", 2) <= 1
    return is_share and FIELD in schema.get("required", ())
