"""Incidents over HTTP: what was stopped before it left, for those who decide on reviews."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal

router = APIRouter(prefix="/v1/admin/incidents", tags=["admin"])
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
Kind = Literal["", "canary", "injection", "leak", "others_data", "overlong", "placeholder", "secret", "unsafe"]


class IncidentOut(BaseModel):
    """Something that must not leave, or come in, and did not; the turn tells the story."""

    id: UUID
    at: datetime
    kind: str
    turn_id: UUID
    usecase: str
    user_id: str
    channel: str
    detail: str
    status: str
    closed_by: str | None
    closed_at: datetime | None
    note: str | None


class CloseIn(BaseModel):
    """What came of it."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Text, Field(min_length=1, max_length=1000)]


@router.get("", response_model=list[IncidentOut], responses=declared(403))
async def incidents(
    service: Here, who: Reviewer, status: Literal["open", "closed", ""] = "open", kind: Kind = ""
) -> Any:
    """List the newest 100 incidents, the newest first."""
    return await service.incidents.listed(who, status=status, kind=kind)


@router.post("/{incident_id}/close", response_model=IncidentOut, responses=declared(403, 404, 409))
async def close(incident_id: UUID, body: CloseIn, service: Here, who: Reviewer) -> Any:
    """Close an incident; the reason is kept with it and in the audit."""
    return await service.incidents.close(who, incident_id, because=body.reason)
