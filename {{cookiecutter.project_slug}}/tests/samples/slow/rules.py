"""The ladder needs a rung; the workflow answers before it is reached."""

from app.sdk import Draft, Turn


def answer(turn: Turn) -> Draft | None:
    """Know nothing."""
    return None
