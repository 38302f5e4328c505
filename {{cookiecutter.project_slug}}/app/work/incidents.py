"""Incidents for those who look into them: the reviewers."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain.identity import Permission, Principal
from app.domain.review import ensure_person
from app.errors import Forbidden
from app.store import incidents
from app.store.db import Database


@dataclass(frozen=True, slots=True)
class Incidents:
    """What was stopped, and what came of it."""

    database: Database

    async def listed(
        self, who: Principal, *, status: str = "open", kind: str = "", offset: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """List the newest of a status (empty: any) and kind (empty: any). Raises Forbidden."""
        _needs(who)
        async with self.database.work() as work:
            return await incidents.listed(work, status=status, kind=kind, offset=offset, limit=limit)

    async def close(self, who: Principal, incident_id: UUID, *, because: str) -> dict[str, Any]:
        """Close one; the reason is kept. Raises Forbidden, BadInput, NotFound, Conflict.

        Nobody closes what became of their own question, and no program closes anything.
        """
        _needs(who)
        ensure_person(who)
        async with self.database.work() as work:
            return await incidents.close(work, incident_id, by=who.user_id, because=because)

    async def reopen(self, who: Principal, incident_id: UUID, *, because: str) -> dict[str, Any]:
        """Take a closing back. Raises Forbidden, BadInput, NotFound, Conflict."""
        _needs(who)
        async with self.database.work() as work:
            return await incidents.reopen(work, incident_id, by=who.user_id, because=because)


def _needs(who: Principal) -> None:
    if not who.may(Permission.DECIDE_REVIEWS):
        raise Forbidden("Looking into incidents needs the permission reviews.decide.")
