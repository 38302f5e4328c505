"""Whether two answers to one question say the same: the same fields, or the same figures, documents and words."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain.turn import Turn

# From so much overlap on, two texts with the same figures count as saying the same.
SAME = 0.5
# Texts of a structured answer that are longer are compared like answers, shorter ones letter by letter.
WORDS_OF_A_LABEL = 3
_MARKER = re.compile(r"\[\d+(?:\s*,\s*\d+)*\]")
_FIGURE = re.compile(r"\d+(?:[.,:/-]\d+)*")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Said:
    """What was answered, as it is compared: the outcome's family, text or fields, and the documents it cites."""

    family: str
    text: str
    data: Mapping[str, Any] | None = None
    cited: frozenset[UUID] = frozenset()

    @property
    def is_answer(self) -> bool:
        """Say whether there is something to compare: an answer, or a draft that waits for a person."""
        return self.family in ("answered", "escalated") and bool(self.text or self.data)


def said_in(turn: Turn) -> Said:
    """Give what was answered in a turn: its draft, where it has one."""
    family, draft = turn.outcome.family if turn.outcome else "", turn.draft
    if draft is None:
        return Said(family, turn.answer)
    return Said(family, draft.text, draft.data, frozenset(each.document_id for each in draft.citations))


def answer_ms(turn: Turn) -> float:
    """Give how long the step `answer` took, in milliseconds: the part that a candidate changes."""
    return sum(step.ms for step in turn.tape.steps if step.step == "answer")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether two answers say the same, and the share of their words that they have in common, 0 to 1."""

    agrees: bool
    overlap: float


def agreement(one: Said, other: Said) -> Agreement:
    """Compare two answers; where neither is one, they agree when both ended in the same family."""
    if not (one.is_answer and other.is_answer):
        same = one.is_answer == other.is_answer and one.family == other.family
        return Agreement(same, 1.0 if same else 0.0)
    if one.data is not None and other.data is not None:
        return _fields(one.data, other.data)
    overlap = likeness(one.text, other.text)
    apart = bool(one.cited and other.cited) and not one.cited & other.cited
    return Agreement(overlap >= SAME and figures(one.text) == figures(other.text) and not apart, overlap)


def likeness(one: str, other: str) -> float:
    """Give the harmonic mean of both shares of common words (F1), markers of citations left out."""
    first, second = _words(one), _words(other)
    if not first or not second:
        return 1.0 if first == second else 0.0
    common = (first & second).total()
    return 2 * common / (first.total() + second.total())


def figures(text: str) -> frozenset[str]:
    """Give the numbers, amounts and dates in a text."""
    return frozenset(_FIGURE.findall(_MARKER.sub(" ", text)))


def holds(answer: str, expected: str) -> bool:
    """Say whether an answer has every figure of the expected one, and at least half of its words."""
    wanted, there = _words(expected), _words(answer)
    if not wanted:
        return True
    return figures(expected) <= figures(answer) and (wanted & there).total() >= SAME * wanted.total()


def _fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> Agreement:
    names = sorted({*one, *other})
    shares = [_alike(one.get(name), other.get(name)) for name in names]
    overlap = sum(shares) / len(shares) if shares else 1.0
    return Agreement(all(share >= SAME for share in shares), overlap)


def _alike(one: Any, other: Any) -> float:
    is_text = isinstance(one, str) and isinstance(other, str)
    if is_text and min(len(_WORD.findall(one)), len(_WORD.findall(other))) > WORDS_OF_A_LABEL:
        return likeness(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return _fields(one, other).overlap
    if _is_list(one) and _is_list(other):
        return 1.0 if list(one) == list(other) else 0.0
    return 1.0 if one == other else 0.0


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(_MARKER.sub(" ", text).casefold()))
