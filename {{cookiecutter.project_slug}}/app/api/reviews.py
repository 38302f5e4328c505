"""Reviews: what waits for a person, who has it, what they decide; and what an asker complains about."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.deps import Asker, Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal
from app.domain.review import Kind, Urgency
from app.store.reviews import Narrow

router = APIRouter(prefix="/v1", tags=["reviews"])
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
Assigner = Annotated[Principal, Depends(needs(Permission.ASSIGN_REVIEWS))]
Because = Annotated[Text, Field(min_length=1, max_length=1000)]
Status = Literal["open", "approved", "rejected"]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DecisionIn(_In):
    """A reviewer's decision; `text`, `data` and, by the place of an action, `arguments` replace the draft's.

    `note` is told to the person who asked, `capture` makes the approved answer a case of the evaluation, and `seen` is
    the `digest` of what was shown: 409 where it was changed since. What tools would do is not approved without it: 422.
    """

    approve: bool
    reason: Because
    text: Annotated[Text, Field(max_length=20_000)] | None = None
    data: dict[str, Any] | None = None
    arguments: dict[int, dict[str, Any]] = Field({}, max_length=20)
    note: Annotated[Text, Field(max_length=1000)] = ""
    capture: bool = False
    seen: Annotated[Text, Field(max_length=64)] = ""


class AssignIn(_In):
    """Who is to decide (null: anybody), how urgent it is, until when; what is left out stays."""

    assigned_to: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    priority: Urgency | None = None
    due_at: AwareDatetime | None = None
    reason: Because


class ReopenIn(_In):
    """Why a decision is taken back."""

    reason: Because


class ComplaintIn(_In):
    """What is wrong with the answer."""

    text: Annotated[Text, Field(min_length=1, max_length=4000)]


class ComplaintOut(BaseModel):
    """The review that a complaint became, and until when somebody has to decide on it."""

    review_id: UUID
    status: str
    due_at: datetime


class ActionOut(BaseModel):
    """A use of a tool with effects; `status` is waits, approved, running, ran, failed, unknown or rejected."""

    ordinal: int
    tool: str
    proposed: dict[str, Any]
    arguments: dict[str, Any]
    status: str
    result: str
    error: str
    started_at: datetime | None
    finished_at: datetime | None


class ReviewOut(BaseModel):
    """A draft before, or after, a person's decision; `withheld`: it stands on documents that you may not read.

    `final` of one that is open is what a reviewer wrote. `authors` wrote in it, and `put_forward_by` would approve it:
    none of them may.
    """

    id: UUID
    turn_id: UUID
    usecase: str
    kind: Kind
    asker: str
    question: str
    draft: str
    data: dict[str, Any] | None
    why: str
    complaint: str | None
    status: str
    priority: int
    created_at: datetime
    due_at: datetime
    overdue: bool = False
    assigned_to: str | None
    taken_by: str | None
    taken_until: datetime | None
    authors: list[str]
    put_forward_by: str | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    note: str | None
    final: str | None
    final_data: dict[str, Any] | None
    actions: list[ActionOut]
    job_id: UUID | None
    withheld: bool = False
    digest: str = Field("", description="of what a decision is about; send it as `seen`")


class PassageOut(BaseModel):
    """A passage behind the draft; `text` is null where it is not there any more."""

    chunk_id: int
    document_id: UUID
    title: str
    heading: str
    page: int | None
    score: float
    text: str | None


class FindingOut(BaseModel):
    """What a check objected to."""

    check: str
    detail: str


class EvidenceOut(BaseModel):
    """How the draft came about; `unseen` counts the passages of documents that are gone."""

    outcome: str
    rung: str
    model: str
    revision: str
    confidence: float | None
    passages: list[PassageOut]
    findings: list[FindingOut]
    unseen: int


class DeedOut(BaseModel):
    """Something that was done about a review."""

    at: datetime
    actor: str
    action: str
    reason: str


class ReviewPageOut(ReviewOut):
    """A review with all that a reviewer looks at; `hindrance` says why you cannot decide on it."""

    evidence: EvidenceOut | None
    history: list[DeedOut]
    hindrance: str


class Wanted(_In):
    """Which reviews: of a kind, of a use case, in your hands (`mine`), overdue."""

    status: Status = "open"
    kind: Kind | Literal[""] = ""
    usecase: Annotated[Text, Field(max_length=100)] = ""
    mine: bool = False
    overdue: bool = False
    limit: Annotated[int, Field(ge=1, le=500)] = 200


@router.get("/admin/reviews", response_model=list[ReviewOut], responses=declared(403))
async def list_reviews(service: Here, who: Reviewer, wanted: Annotated[Wanted, Query()]) -> Any:
    """List what waits for a person, the most urgent first; or what was decided, the newest first."""
    narrow = Narrow(wanted.kind, wanted.usecase, who.user_id if wanted.mine else "", wanted.overdue)
    return await service.reviews.waiting(who, status=wanted.status, narrow=narrow, limit=wanted.limit)


@router.get("/admin/reviews/{review_id}", response_model=ReviewPageOut, responses=declared(403, 404))
async def read_review(review_id: UUID, service: Here, who: Reviewer) -> Any:
    """Give a review with its passages, what checks found, and what was done so far."""
    return await service.reviews.one(who, review_id)


@router.post("/admin/reviews/{review_id}", response_model=ReviewOut, responses=declared(403, 404, 409))
async def decide(review_id: UUID, body: DecisionIn, service: Here, who: Reviewer) -> Any:
    """Approve a draft, perhaps edited, or reject it; nobody decides on what they asked for, and no program at all.

    What a tool would do runs after the approval, once, as a job; a use that failed or may have been done comes back.
    Where the contract asks for a second person, and where you change arguments, it stays open, put forward by you.
    """
    edited = body.model_dump(include={"text", "data", "arguments", "note", "capture", "seen"})
    return await service.reviews.decide(who, review_id, approve=body.approve, because=body.reason, edited=edited)


@router.post("/admin/reviews/{review_id}/take", response_model=ReviewOut, responses=declared(403, 404, 409))
async def take(review_id: UUID, service: Here, who: Reviewer) -> Any:
    """Have a review for yourself for some minutes; again is longer."""
    return await service.review_desk.take(who, review_id)


@router.delete("/admin/reviews/{review_id}/take", response_model=ReviewOut, responses=declared(403, 404, 409))
async def release(review_id: UUID, service: Here, who: Reviewer) -> Any:
    """Give back a review that you have taken."""
    return await service.review_desk.release(who, review_id)


@router.post("/admin/reviews/{review_id}/assign", status_code=204, responses=declared(403, 404, 409))
async def assign(review_id: UUID, body: AssignIn, service: Here, who: Assigner) -> None:
    """Say who is to decide on a review, how urgent it is, and until when; sent again as it was, it is undone."""
    changed = body.model_dump(exclude_unset=True, exclude={"reason"})
    await service.review_desk.assign(who, review_id, changed, because=body.reason)


@router.post("/admin/reviews/{review_id}/reopen", response_model=ReviewOut, responses=declared(403, 404, 409))
async def reopen(review_id: UUID, body: ReopenIn, service: Here, who: Reviewer) -> Any:
    """Take a decision back; what a tool has done is not taken back."""
    return await service.reviews.reopen(who, review_id, because=body.reason)


@router.post("/turns/{turn_id}/complaint", status_code=201, response_model=ComplaintOut, responses=declared(404, 409))
async def complain(turn_id: UUID, body: ComplaintIn, service: Here, who: Asker) -> Any:
    """Complain about the answer to a question of yours; a person looks at it. Until then, again replaces it."""
    return await service.review_desk.complain(who, turn_id, body.text)
