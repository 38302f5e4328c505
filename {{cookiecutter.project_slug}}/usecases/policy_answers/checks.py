"""What every answer of this use case must satisfy before anybody reads it."""

import re

from app.sdk import Check, Draft, Finding, Turn

LONGEST_CHARS = 2000
MARKER = re.compile(r"\[(\d+(?:\s*,\s*\d+)*)\]")


def markers_exist(turn: Turn, draft: Draft) -> Finding | None:
    """Every `[n]` names a passage that was found."""
    named = {int(number) for group in MARKER.findall(draft.text) for number in group.split(",")}
    unknown = sorted(number for number in named if not 1 <= number <= len(turn.passages))
    return Finding("markers_exist", f"no passage has the number {unknown}") if unknown else None


def answer_is_cited(turn: Turn, draft: Draft) -> Finding | None:
    """An answer stands on at least one passage."""
    return None if draft.citations else Finding("answer_is_cited", "the answer cites no passage")


def answer_is_short(turn: Turn, draft: Draft) -> Finding | None:
    """An answer longer than a screen is not an answer."""
    if len(draft.text) <= LONGEST_CHARS:
        return None
    return Finding("answer_is_short", f"{len(draft.text)} characters, allowed {LONGEST_CHARS}")


CHECKS: list[Check] = [markers_exist, answer_is_cited, answer_is_short]
