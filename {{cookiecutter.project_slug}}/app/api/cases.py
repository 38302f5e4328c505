"""Captured cases over HTTP: what people said the right answer is, and whether the evaluation learns from it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal
from app.store.captured import Kind, Status

router = APIRouter(prefix="/v1/admin/cases", tags=["admin"])
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
Name = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


class CaseOut(BaseModel):
    """A captured case, masked; `withheld`: its answer stands on documents that you may not read."""

    id: UUID
    turn_id: UUID
    usecase: str
    kind: Kind
    asker: str
    proposed_by: str
    question: str
    answer: str
    expected: str
    expected_data: dict[str, Any] | None
    remark: str
    status: Status
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    written_at: datetime | None
    edited_by: str | None
    withheld: bool


class DecideIn(BaseModel):
    """What becomes of a case; `proposed` takes a decision back.

    `expected` or `data` replaces what was proposed, and waits for somebody else to accept it.
    """

    model_config = ConfigDict(extra="forbid")

    status: Status
    reason: Annotated[Text, Field(min_length=1, max_length=1000)]
    expected: Annotated[Text, Field(max_length=8000)] = ""
    data: dict[str, Any] | None = None


class DecidedOut(BaseModel):
    """How a case stands after a decision."""

    id: UUID
    turn_id: UUID
    usecase: str
    status: Status
    expected: str
    expected_data: dict[str, Any] | None


@router.get("", response_model=list[CaseOut], responses=declared(403))
async def cases(
    service: Here,
    who: Reviewer,
    usecase: Name = "",
    status: Literal["proposed", "accepted", "rejected", ""] = "proposed",
) -> Any:
    """List what corrections, complaints and reviews proposed, the newest first."""
    return await service.trying.captures.listed(who, usecase=usecase or None, status=status or None)


@router.post("/{case_id}", response_model=DecidedOut, responses=declared(400, 403, 404, 409))
async def decide(case_id: UUID, body: DecideIn, service: Here, who: Reviewer) -> Any:
    """Accept a case, reject it, or take the decision back; the reason is kept with it and in the audit.

    Accepted with another right answer it stays `proposed`: somebody else, who did not write that, accepts it.
    """
    expected = body.data if body.data is not None else body.expected or None
    return await service.trying.captures.decide(
        who, case_id, status=body.status, because=body.reason, expected=expected
    )
