"""The audit over HTTP: search it, see whether it was tampered with, take it away; each by its own permission."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from app.api.deps import Here, needs
from app.api.problems import declared
from app.domain.identity import Permission, Principal
from app.store.audit import Wanted
from app.store.chain import Verdict

router = APIRouter(prefix="/v1/admin/audit", tags=["admin"])
Auditor = Annotated[Principal, Depends(needs(Permission.READ_AUDIT))]
Exporter = Annotated[Principal, Depends(needs(Permission.EXPORT_AUDIT))]
Word = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
# The chain's places and ids: as far as PostgreSQL's bigint goes.
Place = Annotated[int, Query(ge=1, le=2**63 - 1)]
Written = Annotated[Any, PlainSerializer(str)]


class AuditOut(BaseModel):
    """One entry: who did what, when and why; `seq` is its place in the chain, `hash` covers it and `previous`."""

    id: int
    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    before: Any = None
    after: Any = None
    previous: str
    hash: str


class AuditFilter(BaseModel):
    """Which entries; empty is any. `action` may be a family, as in `review.`; `before` is where a page begins."""

    model_config = ConfigDict(extra="forbid")

    actor: Word = ""
    action: Word = ""
    subject: Word = ""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    before: Place | None = None
    limit: Annotated[int, Query(ge=1, le=1000)] = 100


class VerdictOut(BaseModel):
    """What a verification found: `broken` is empty when all was well, `whole` when it looked at everything."""

    at: datetime | None
    whole: bool
    head: Written = Field(json_schema_extra={"type": "string"})
    entries: int
    turns: int
    ms: float
    broken: str
    broken_seq: int | None


class StandingOut(BaseModel):
    """The chain's newest place now, as `app audit anchor` prints it, and what the verifications found."""

    head: Written = Field(json_schema_extra={"type": "string"})
    latest: VerdictOut | None
    whole: VerdictOut | None


@router.get("", response_model=list[AuditOut], responses=declared(403))
async def entries(service: Here, who: Auditor, wanted: Annotated[AuditFilter, Query()]) -> Any:
    """List what people did, the newest first; the seals of turns only when `action` names them (`turns.sealed`)."""
    asked = Wanted(**wanted.model_dump(exclude={"limit"}))
    return await service.auditing.found(who, asked, limit=wanted.limit)


@router.get("/verification", response_model=StandingOut, responses=declared(403))
async def verification(service: Here, who: Auditor) -> Any:
    """Say whether the latest verifications found the audit, and the turns that it seals, as they were written."""
    standing = await service.auditing.standing(who)
    return {"head": standing.head, "latest": _told(standing.latest), "whole": _told(standing.whole)}


@router.get("/export", response_class=StreamingResponse, responses=declared(403))
async def export(
    service: Here, who: Exporter, reason: Word, since: AwareDatetime | None = None, until: AwareDatetime | None = None
) -> StreamingResponse:
    """Give the entries of a time as lines of JSON with their hashes; the export itself stands in the audit.

    `app audit verify --file` checks what was taken away, without the database.
    """
    lines = await service.auditing.export(who, since=since, until=until, because=reason)
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _told(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    names = ("at", "whole", "head", "entries", "turns", "ms", "broken", "broken_seq")
    return {name: getattr(verdict, name) for name in names}
