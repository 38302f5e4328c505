"""Who is kept out: list, set, lift. Each change asks for a reason and stands in the audit."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.control.restrictions import MOST_MINUTES
from app.domain.identity import Permission, Principal
from app.store import restrictions as table

router = APIRouter(prefix="/v1/admin/restrictions", tags=["admin"])
Guard = Annotated[Principal, Depends(needs(Permission.RESTRICT))]
Reason = Annotated[Text, Field(min_length=1, max_length=500, description="why; kept in the audit")]


class RestrictionIn(BaseModel):
    """Whom to keep from what; without `minutes` until somebody lifts it."""

    model_config = ConfigDict(extra="forbid")

    subject: Annotated[Text, Field(max_length=300, examples=["user:sam.reyes", "key:4f1c", "address:203.0.113.7"])]
    what: Annotated[Literal["ask", "everything"], Field(description="asking and uploading alone, or every request")]
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] | None = None
    reason: Reason


class LiftIn(BaseModel):
    """Why a restriction ends early."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class RestrictionOut(BaseModel):
    """A restriction as it stands; `cause` is an operator, or a sudden rise of spending."""

    id: UUID
    subject: str
    what: str
    cause: str
    reason: str
    set_by: str
    created_at: datetime
    until: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None


@router.get("", response_model=list[RestrictionOut], responses=declared(403))
async def list_restrictions(service: Here, _: Guard, ended: bool = False) -> Any:
    """List who is kept out now, or with `ended` the newest hundred whether or not they still hold."""
    async with service.database.work() as work:
        found = await (table.latest(work) if ended else table.standing(work))
    return [asdict(one) for one in found]


@router.post("", status_code=201, response_model=RestrictionOut, responses=declared(403))
async def restrict(body: RestrictionIn, service: Here, who: Guard) -> Any:
    """Keep a person, a key, an address or a network out; it holds in every process within a second or two."""
    restrictions = service.limiting.restrictions
    made = await restrictions.restrict(
        body.subject, what=body.what, minutes=body.minutes, by=who.user_id, because=body.reason
    )
    return asdict(made)


@router.post("/{restriction_id}/lift", status_code=204, responses=declared(403, 404))
async def lift(restriction_id: UUID, body: LiftIn, service: Here, who: Guard) -> None:
    """End a restriction now."""
    await service.limiting.restrictions.lift(restriction_id, by=who.user_id, because=body.reason)
