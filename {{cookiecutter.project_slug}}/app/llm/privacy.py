"""Whether a turn may go to a model of others, and whether a model of one's own reads it as it is."""

from app.domain.masking import LOOKALIKE, Masks
from app.domain.turn import Turn

PRIVATE = "it may not be given to a third party"


def private(turn: Turn, *, is_own: bool) -> str:
    """Say why the turn may not go to this model; "" where it may."""
    masks = turn.masks
    if is_own or not isinstance(masks, Masks):
        return ""
    if not masks.rules.third_parties:
        return f"{PRIVATE}: the contract says so (privacy.third_parties)"
    if kinds := masks.refused:
        return f"{PRIVATE}: it holds {', '.join(sorted(kinds))}"
    return ""


def is_open_to(turn: Turn, *, is_own: bool) -> bool:
    """Say whether this model is sent the personal data itself.

    Not where a text holds what looks like a placeholder: in such company nobody could tell the two apart.
    """
    masks = turn.masks
    if not (is_own and isinstance(masks, Masks) and masks.rules.own_unmasked):
        return False
    return not any(name.startswith(f"<{LOOKALIKE}_") for name in masks)
