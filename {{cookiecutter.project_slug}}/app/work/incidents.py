"""Incidents for those who look into them: the reviewers."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain.identity import Principal
from app.domain.review import ensure_reviewer
from app.store import incidents
from app.store.db import Database
from app.work.behind import Behind


@dataclass(frozen=True, slots=True)
class Incidents:
    """What was stopped, and what came of it; `behind` tells who may have asked."""

    database: Database
    behind: Behind

    async def listed(
        self, who: Principal, *, status: str = "open", kind: str = "", offset: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        """List the newest of a status (empty: any) and kind (empty: any). Raises Forbidden."""
        ensure_reviewer(who, program=True)
        async with self.database.work() as work:
            return await incidents.listed(work, status=status, kind=kind, offset=offset, limit=limit)

    async def close(self, who: Principal, incident_id: UUID, *, because: str) -> dict[str, Any]:
        """Close one; the reason is kept. Raises Forbidden, BadInput, NotFound, Conflict.

        Nobody closes what became of their own question, and no program closes anything.
        """
        ensure_reviewer(who)
        async with self.database.work() as work:
            row = await incidents.get(work, incident_id)
            await self.behind.ensure_other(work, who.user_id, row["user_id"])
            return await incidents.close(work, incident_id, by=who.user_id, because=because)

    async def reopen(self, who: Principal, incident_id: UUID, *, because: str) -> dict[str, Any]:
        """Take a closing back. Raises Forbidden, BadInput, NotFound, Conflict."""
        ensure_reviewer(who, program=True)
        async with self.database.work() as work:
            return await incidents.reopen(work, incident_id, by=who.user_id, because=because)
