"""The event that an answer was given: ids and numbers, none of its words."""

from typing import Any

from app.domain.turn import Turn

# Measured or tried, but given to nobody.
UNTOLD = ("evaluation", "shadow")


def nobody(_usecase: str) -> bool:
    """Say that nobody listens."""
    return False


def answer(turn: Turn) -> dict[str, Any] | None:
    """Give the event's data; None for a turn that gave nobody an answer."""
    if turn.outcome is None or turn.outcome.family != "answered" or turn.channel in UNTOLD:
        return None
    return {
        "turn_id": str(turn.id),
        "outcome": turn.outcome.value,
        "channel": turn.channel,
        "user_id": turn.principal.user_id,
        "session_id": turn.session_id,
        "job_id": turn.job_item.job_id if turn.job_item else None,
        "rung": turn.draft.rung if turn.draft else None,
        "model": (turn.draft.model if turn.draft else None) or None,
        "latency_ms": turn.latency_ms,
        "arm": turn.arm or None,
    }
