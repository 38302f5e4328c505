"""What every suggestion must satisfy before a person sees it."""

from app.sdk import Check, Draft, Finding, Turn
from usecases.ticket_triage.labels import CATEGORIES, URGENCIES

ALLOWED = {"category": CATEGORIES, "urgency": URGENCIES}
LONGEST_REPLY_CHARS = 1200


def labels_are_known(turn: Turn, draft: Draft) -> Finding | None:
    """Category and urgency are ones that the support team works with."""
    data = draft.data or {}
    wrong = [name for name, allowed in ALLOWED.items() if data.get(name) not in allowed]
    return Finding("labels_are_known", f"unknown value for {', '.join(wrong)}") if wrong else None


def reply_is_usable(turn: Turn, draft: Draft) -> Finding | None:
    """There is a reply of sensible length."""
    length = len(str((draft.data or {}).get("reply_draft", "")).strip())
    if 0 < length <= LONGEST_REPLY_CHARS:
        return None
    return Finding("reply_is_usable", f"{length} characters, allowed 1 to {LONGEST_REPLY_CHARS}")


CHECKS: list[Check] = [labels_are_known, reply_is_usable]
