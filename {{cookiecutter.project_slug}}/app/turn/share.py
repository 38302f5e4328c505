"""A share of the turns: those that a candidate answers too, those that a person looks at afterwards."""

import hashlib
from uuid import UUID


def is_chosen(turn_id: UUID, *, share: float) -> bool:
    """Say whether a turn belongs to the share; the same turn always does or does not."""
    place = int.from_bytes(hashlib.sha256(turn_id.bytes).digest()[:8], "big") / 2**64
    return place < share
