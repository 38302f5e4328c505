"""Candidates over HTTP: shadow runs side by side with what people saw, and comparisons on the evaluation's cases."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from app.api.deps import Here, needs
from app.api.problems import declared
from app.domain.identity import Permission, Principal
from app.evaluation.side_by_side import Verdict
from app.evaluation.trials import DAYS

router = APIRouter(prefix="/v1/admin/shadows", tags=["admin"])
Reader = Annotated[Principal, Depends(needs(Permission.READ_ALL_TURNS))]
Name = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


class ShareOut(BaseModel):
    """A share of `of` pairs with its 95 % interval."""

    share: float
    low: float
    high: float
    of: int


class MeasureOut(BaseModel):
    """A figure of what people saw and of the candidate; `ratio` is the candidate's in times of the other."""

    seen: float
    other: float
    ratio: float
    low: float
    high: float
    of: int


class VerdictsOut(BaseModel):
    """What the figures come to; `unknown` where there are too few."""

    quality: Verdict
    latency: Verdict
    cost: Verdict


class SidesOut(BaseModel):
    """Both side by side; `preferred` is the candidate's share of the pairs in which the judge saw a difference."""

    pairs: int
    agreement: ShareOut
    overlap: float
    answered: tuple[int, int]
    preferences: dict[str, int]
    preferred: ShareOut
    latency_ms: MeasureOut
    slow_ms: tuple[float, float]
    cost_usd: MeasureOut
    verdicts: VerdictsOut


class ComparedOut(BaseModel):
    """The latest comparison on the cases of the evaluation."""

    candidate: str
    good: bool
    commit: str
    at: datetime
    report: dict[str, Any]


class TrialOut(BaseModel):
    """Where a candidate stands; money is this month's, of all shadows of the use case."""

    usecase: str
    candidate: str
    is_running: bool
    share: float
    waiting: int
    spent_usd: Decimal
    limit_usd: Decimal
    sides: SidesOut
    comparison: ComparedOut | None


class PairOut(BaseModel):
    """One turn, answered by both; `withheld`: it stands on documents that you may not read."""

    turn_id: UUID
    shadow_id: UUID
    question: str
    seen: str
    other: str
    seen_model: str
    other_model: str
    seen_outcome: str
    shadow_outcome: str
    agrees: bool
    overlap: float
    preference: str | None
    seen_ms: float
    shadow_ms: float
    seen_usd: Decimal | None
    shadow_usd: Decimal | None
    withheld: bool


@router.get("", response_model=list[TrialOut], responses=declared(403))
async def trials(
    service: Here, who: Reader, usecase: Name = "", days: Annotated[int, Query(ge=1, le=730)] = DAYS
) -> Any:
    """Set each candidate beside what people saw in the last days: agreement, preference, latency, cost."""
    found = await service.trying.trials.every(who, usecase=usecase or None, days=days)
    return [trial.as_json() for trial in found]


@router.get("/{usecase}/{candidate}", response_model=list[PairOut], responses=declared(403, 404))
async def pairs(usecase: str, candidate: str, service: Here, who: Reader) -> Any:
    """List the newest turns that both answered, those that differ first."""
    return await service.trying.trials.pairs(who, usecase, candidate)
