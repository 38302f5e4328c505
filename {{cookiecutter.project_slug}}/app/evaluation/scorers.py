"""Deterministic scorers: each says yes or no about one side of an answer, the same on every run."""

import re
from collections.abc import Callable
from typing import Any

from app.domain.turn import Turn
from app.evaluation.cases import Expect
from app.turn.agreement import holds

Scorer = Callable[[Expect, Turn], bool]


def said(turn: Turn) -> str:
    """Give what was answered, on one line and in small letters: the draft, where a person still decides."""
    text = turn.answer if turn.outcome and turn.outcome.family == "answered" else ""
    return re.sub(r"\s+", " ", text or (turn.draft.text if turn.draft else turn.answer)).lower()


def outcome(expect: Expect, turn: Turn) -> bool:
    """Did the turn end as it should, or at least in the right family?"""
    return turn.outcome is not None and expect.outcome in (turn.outcome.value, turn.outcome.family)


def cites(expect: Expect, turn: Turn) -> bool:
    """Is one of the right documents cited?"""
    cited = {citation.uri for citation in turn.draft.citations} if turn.draft else set()
    return bool(cited & set(expect.cites))


def contains(expect: Expect, turn: Turn) -> bool:
    """Does the answer hold every fact?"""
    answer = said(turn)
    return all(re.sub(r"\s+", " ", fact).lower() in answer for fact in expect.contains)


def absent(expect: Expect, turn: Turn) -> bool:
    """Is nothing said that must not be said?"""
    answer = said(turn)
    return not any(fact.lower() in answer for fact in expect.absent)


def data(expect: Expect, turn: Turn) -> bool:
    """Have the fields of a structured answer the right values?"""
    found: Any = turn.draft.data if turn.draft else None
    return found is not None and all(found.get(name) == value for name, value in expect.data.items())


def says(expect: Expect, turn: Turn) -> bool:
    """Does the answer say what a person said is right, in whatever words?"""
    return holds(said(turn), expect.says)


SCORERS: dict[str, Scorer] = {
    "outcome": outcome,
    "cites": cites,
    "contains": contains,
    "absent": absent,
    "data": data,
    "says": says,
}


def score(expect: Expect, turn: Turn) -> dict[str, bool]:
    """Run the scorers that the case asks for."""
    return {name: scorer(expect, turn) for name, scorer in SCORERS.items() if getattr(expect, name)}
