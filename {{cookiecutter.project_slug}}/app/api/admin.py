"""The operator's hand: switches, reviews, costs; each by its own permission."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.reviews import DecisionIn, ReviewOut
from app.api.shapes import FlagOut, FlipIn
from app.domain.identity import Permission, Principal
from app.store import costs as costs_
from app.store import flags
from app.store.costs import By
from app.work.forecast import Forecast

router = APIRouter(prefix="/v1/admin", tags=["admin"])
Flipper = Annotated[Principal, Depends(needs(Permission.FLIP_SWITCHES))]
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


@router.get("/reviews", response_model=list[ReviewOut], responses=declared(403))
async def list_reviews(service: Here, who: Reviewer, status: Literal["open", "approved", "rejected"] = "open") -> Any:
    """List the drafts that wait for a person, or those decided, with what became of their actions; the oldest first."""
    return await service.reviews.waiting(who, status=status)


@router.post("/reviews/{review_id}", response_model=ReviewOut, responses=declared(403, 404, 409))
async def decide(review_id: UUID, body: DecisionIn, service: Here, who: Reviewer) -> Any:
    """Approve a draft, perhaps edited, or reject it; nobody decides on what they asked for.

    What a tool would do runs after the approval, once, as a job; a use that failed or may have been done comes back.
    """
    edited = {"text": body.text, "data": body.data, "arguments": body.arguments}
    return await service.reviews.decide(who, review_id, approve=body.approve, because=body.reason, edited=edited)


@router.get("/costs", response_model=list[dict[str, Any]], responses=declared(403))
async def costs(
    service: Here, _: Accountant, by: By = "usecase", hours: Annotated[int, Query(ge=1, le=24 * 366)] = 24
) -> Any:
    """Add up the last hours by use case, unit, user or model: turns, failures, latency, tokens and US dollars.

    Calls without a known price are counted as `unpriced` and are in no sum.
    """
    async with service.database.work() as work:
        return await costs_.sums(work, by=by, since=datetime.now(UTC) - timedelta(hours=hours))


@router.get("/forecast", response_model=Forecast, responses=declared(403))
async def forecast(service: Here, _: Accountant) -> Any:
    """Forecast what a month costs at the expected, peak, 5x and 10x volume, by use case and in total."""
    return await service.forecaster.make()
