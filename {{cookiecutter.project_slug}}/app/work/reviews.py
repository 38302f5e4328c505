"""The reviewers' part: see what waits, decide with a reason."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain.identity import Permission, Principal
from app.errors import BadInput, Forbidden
from app.store import reviews
from app.store.db import Database


@dataclass(frozen=True, slots=True)
class Reviews:
    """Answers that wait for a person."""

    database: Database

    async def waiting(self, who: Principal, *, status: str = "open") -> list[dict[str, Any]]:
        """List what waits, the oldest first. Raises Forbidden."""
        self._may(who)
        async with self.database.work() as work:
            return await reviews.listed(work, status=status)

    async def decide(
        self, who: Principal, review_id: UUID, *, approve: bool, because: str, edited: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Approve, perhaps with another `text` or `data`, or reject; the reason is kept. Raises Forbidden, BadInput."""
        self._may(who)
        if not because.strip():
            raise BadInput(
                "Say why: the reason is kept with the decision.", errors=[{"field": "reason", "wrong": "empty"}]
            )
        edited = edited or {}
        async with self.database.work() as work:
            return await reviews.decide(
                work,
                review_id,
                by=who.user_id,
                approve=approve,
                because=because.strip(),
                final=edited.get("text"),
                final_data=edited.get("data"),
            )

    def _may(self, who: Principal) -> None:
        if not who.may(Permission.DECIDE_REVIEWS):
            raise Forbidden("Deciding on reviews needs the permission reviews.decide.")
