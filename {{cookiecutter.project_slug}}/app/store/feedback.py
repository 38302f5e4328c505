"""What askers think of answers: thumbs and a correction, one opinion per turn, which they may change or take back."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.errors import NotFound
from app.store import ledger, sealed
from app.store.db import Work


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the asker thinks of a turn's answer; `thumbs` is up or down."""

    thumbs: str
    correction: str


async def give(work: Work, turn_id: UUID, opinion: Opinion, *, user_id: str) -> None:
    """Keep what the asker thinks of the answer; a second opinion replaces the first. Raises NotFound."""
    await ledger.story(work, turn_id, user_id=user_id)
    row = {"turn_id": turn_id, "user_id": user_id, "thumbs": opinion.thumbs, "correction": opinion.correction}
    await work.sql(
        "INSERT INTO feedback (turn_id, user_id, thumbs, correction) VALUES (:turn_id, :user_id, :thumbs, :correction)"
        " ON CONFLICT (turn_id, user_id) DO UPDATE SET thumbs = excluded.thumbs, correction = excluded.correction",
        **sealed.closed(work.seals, "feedback", row),
    )


async def take_back(work: Work, turn_id: UUID, *, user_id: str) -> None:
    """Forget the opinion. Raises NotFound where there is none."""
    gone = await work.sql(
        "DELETE FROM feedback WHERE turn_id = :turn_id AND user_id = :user_id RETURNING turn_id",
        turn_id=turn_id,
        user_id=user_id,
    )
    if gone.first() is None:
        raise NotFound("You have given no opinion of a turn with this id.")


async def given(work: Work, turn_ids: Collection[UUID], *, user_id: str) -> dict[UUID, Opinion]:
    """Give this person's opinions of these turns, as far as they have any."""
    rows = await work.sql(
        "SELECT turn_id, user_id, thumbs, correction FROM feedback"
        " WHERE turn_id = ANY(CAST(:ids AS uuid[])) AND user_id = :user_id",
        ids=list(turn_ids),
        user_id=user_id,
    )
    told: list[dict[str, Any]] = [sealed.opened(work.seals, "feedback", row) for row in rows.mappings()]
    return {row["turn_id"]: Opinion(row["thumbs"], row["correction"]) for row in told}
