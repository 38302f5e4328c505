"""What is said without a model."""

from app.sdk import Draft, Outcome, Turn


def answer(turn: Turn) -> Draft | None:
    """Say where to ask."""
    return Draft(text="Ask the helpdesk.", rung="rules", outcome=Outcome.ANSWERED_RULES)
