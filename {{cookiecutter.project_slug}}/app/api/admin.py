"""The operator's hand: switches, reviews, audit, costs; each by its own permission."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import AuditOut, DecisionIn, FlagOut, FlipIn, ReviewOut
from app.domain.identity import Permission, Principal
from app.store import flags, ledger

router = APIRouter(prefix="/v1/admin", tags=["admin"])
Flipper = Annotated[Principal, Depends(needs(Permission.FLIP_SWITCHES))]
Auditor = Annotated[Principal, Depends(needs(Permission.READ_AUDIT))]
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
Accountant = Annotated[Principal, Depends(needs(Permission.READ_COSTS))]


@router.get("/flags", response_model=list[FlagOut], responses=declared(403))
async def list_flags(service: Here, _: Flipper) -> Any:
    """List every flag as it stands."""
    async with service.database.work() as work:
        return await flags.every(work)


@router.post("/flags", status_code=204, responses=declared(403))
async def flip(body: FlipIn, service: Here, who: Flipper) -> None:
    """Turn the AI, or one use case, off or on again; the reason is kept in the audit."""
    await service.flags.flip(body.subject, enabled=body.enabled, by=who.user_id, because=body.reason)


@router.get("/audit", response_model=list[AuditOut], responses=declared(403))
async def audit(service: Here, _: Auditor) -> Any:
    """List what operators did, the newest first."""
    async with service.database.work() as work:
        return await flags.history(work)


@router.get("/reviews", response_model=list[ReviewOut], responses=declared(403))
async def list_reviews(service: Here, who: Reviewer) -> Any:
    """List the drafts that wait for a person, the oldest first."""
    return await service.reviews.waiting(who)


@router.post("/reviews/{review_id}", response_model=ReviewOut, responses=declared(403, 404, 409))
async def decide(review_id: UUID, body: DecisionIn, service: Here, who: Reviewer) -> Any:
    """Approve a draft, perhaps edited, or reject it; nobody decides on what they asked for."""
    edited = {"text": body.text, "data": body.data}
    return await service.reviews.decide(who, review_id, approve=body.approve, because=body.reason, edited=edited)


@router.get("/costs", response_model=list[dict[str, Any]], responses=declared(403))
async def costs(service: Here, _: Accountant) -> Any:
    """Give turns, failures, latency and US dollars per use case over the last 24 hours."""
    async with service.database.work() as work:
        return await ledger.totals(work)
