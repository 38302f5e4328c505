"""Documents before those who may read them: found, given other readers and deleted by whoever sent them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from app.domain.access import Access, may_read, parse
from app.domain.identity import Permission, Principal
from app.errors import BadInput, Conflict, Forbidden
from app.store import audit, documents, holds, shelf
from app.store.db import Database
from app.store.documents import Document
from app.store.jobs import Order
from app.store.shelf import Count, Wanted
from app.work.jobs import Jobs

# What the audit calls a change of readers, and a removal; and what it says where the API was given no reason.
SHARED, DELETED = "document.shared", "document.deleted"
UNSAID = "over HTTP; no reason was given"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Looks with the rights of who looks; `levels` are the classifications, the lowest first."""

    database: Database
    jobs: Jobs
    levels: Sequence[str]

    async def found(
        self, who: Principal, wanted: Wanted, *, limit: int, offset: int = 0
    ) -> tuple[Sequence[Document], Sequence[Count]]:
        """List documents that this person may read, by title, and count all of them by source."""
        async with self.database.work(claims=who.claims) as work:
            rows = await shelf.found(work, wanted, claims=who.claims, limit=limit, offset=offset)
            return rows, await shelf.counts(work, claims=who.claims)

    async def mine(self, who: Principal, document_id: UUID) -> Document:
        """Give a document that this person sent and may change. Raises NotFound, Conflict, Forbidden."""
        async with self.database.work(claims=who.claims) as work:
            document = await documents.get(work, document_id, claims=who.claims)
        if not document.facts.owner:
            raise Conflict(f"This document follows its source {document.facts.source!r}; change it there.")
        if document.facts.owner != who.user_id:
            raise Forbidden("Only the person who sent a document may change it.")
        if not who.may_use(document.facts.usecase):
            raise Forbidden(f"This API key is not for {document.facts.usecase!r}.")
        return document

    def granted(self, who: Principal, given: Mapping[str, Any]) -> Access:
        """Refuse rights that the sender does not hold: nobody can push text before people outside their groups.

        Raises BadInput.
        """
        access, claims = parse(given, levels=self.levels), who.claims
        if foreign := sorted(set(access.readers) - set(claims.names)):
            raise BadInput(f"You may share with {', '.join(claims.names)}; not with {', '.join(foreign)}.")
        if foreign := sorted(set(access.regions) - set(claims.regions)):
            yours = ", ".join(claims.regions) or "none"
            raise BadInput(f"Your regions are: {yours}; you cannot send a document for {', '.join(foreign)}.")
        if not may_read(access, claims, self.levels):
            raise BadInput("You could not read it yourself: you are denied, or not cleared for its classification.")
        return access

    async def share(self, who: Principal, document_id: UUID, given: Mapping[str, Any], *, because: str) -> UUID:
        """Give a document other readers, by a job whose id comes back; it holds for every search once that is done.

        Raises Forbidden, NotFound, Conflict, BadInput for rights that one does not hold, and without a reason.
        """
        if not who.may(Permission.WRITE_DOCUMENTS):
            raise Forbidden(f"This needs the permission {Permission.WRITE_DOCUMENTS.value}.")
        if not because.strip():
            said = "Say why: the reason is kept in the audit."
            raise BadInput(said, errors=[{"field": "reason", "wrong": "empty"}])
        document = await self.mine(who, document_id)
        access = self.granted(who, given)
        order = {"document_id": str(document_id), "access": asdict(access)}
        async with self.database.work() as work:
            # Names of groups and people, as roles.toml has them; the document's own words stay out of the audit.
            await audit.note(work, actor=who.user_id, action=SHARED, subject=str(document_id),
                             reason=because.strip(), before=asdict(document.facts.access),
                             after=asdict(access))  # fmt: skip
        return await self.jobs.submit(Order("access", document.facts.usecase, who.user_id, who.token_groups, order))

    async def delete(self, who: Principal, document_id: UUID, *, because: str) -> UUID:
        """Delete a document of one's own, by a job whose id comes back. Raises NotFound, Forbidden, Conflict."""
        document = await self.mine(who, document_id)
        usecase, at = document.facts.usecase, document.updated_at
        async with self.database.work() as work:
            await holds.refuse_one(work, who.user_id, usecase, span=(at, at))
            await audit.note(work, actor=who.user_id, action=DELETED, subject=str(document_id), reason=because.strip(),
                             before=asdict(document.facts.access))  # fmt: skip
        order = {"document_id": str(document_id)}
        return await self.jobs.submit(Order("delete", usecase, who.user_id, who.token_groups, order))
