"""Rollouts: where each stands, what its arms come to, and the moves. Each move asks for a reason and is audited."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal
from app.wiring.service import Service
from app.work.rollout_guard import Asked, Standing
from app.work.rollouts import Because, found

router = APIRouter(prefix="/v1/admin/rollouts", tags=["admin"])
Manager = Annotated[Principal, Depends(needs(Permission.MANAGE_ROLLOUTS))]


class MoveIn(BaseModel):
    """What is to happen, and why; `candidate` and `step` belong to start, `anyway` to advance, `version` to undo."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["start", "advance", "halt", "back", "undo"]
    candidate: Annotated[Text, Field(max_length=40, description="empty: the use case itself opens")] = ""
    step: Annotated[Text, Field(max_length=20, description="as in beta, percent:10; empty: the first")] = ""
    anyway: Annotated[bool, Field(description="advance, although the guard has seen fewer turns than it wants")] = False
    version: Annotated[int, Field(ge=0, le=2**31 - 1, description="of the change that is undone")] = 0
    reason: Annotated[Text, Field(min_length=1, max_length=500, description="why; kept in the audit")]


class ArmOut(BaseModel):
    """What the turns of an arm come to since the step began."""

    arm: str
    turns: int
    rated: int
    sums: dict[str, float]
    cost_usd: float
    p95_ms: float


class BoundsOut(BaseModel):
    """An average, and the bounds between which the true one lies at every look."""

    mean: float
    low: float
    high: float


class JudgedOut(BaseModel):
    """One metric: the watched arm, what it is compared with, and the most that it may be, all in parts of `scale`."""

    metric: str
    current: BoundsOut
    candidate: BoundsOut
    limit: float
    turns: int
    scale: float
    is_breach: bool


class RolloutOut(BaseModel):
    """A rollout as it stands; `step` is the stage with its per cent, `good` where a breach leads back to."""

    usecase: str
    candidate: str
    step: str
    good: str
    passed: list[str]
    halted: str
    by_contract: bool
    version: int
    candidates: list[str]
    since: datetime | None
    by: str
    reason: str
    watched: ArmOut | None
    current: ArmOut | None
    judged: list[JudgedOut]


@router.get("", response_model=list[RolloutOut], responses=declared(403))
async def list_rollouts(service: Here, _: Manager) -> Any:
    """List where the rollout of each use case stands."""
    return [await _shown(service, name) for name in service.usecases]


@router.get("/{usecase}", response_model=RolloutOut, responses=declared(403, 404))
async def show_rollout(usecase: str, service: Here, _: Manager) -> Any:
    """Show one rollout, with what the guard sees."""
    return await _shown(service, found(service.usecases, usecase).name)


@router.post("/{usecase}", response_model=RolloutOut, responses=declared(403, 404, 409))
async def move_rollout(usecase: str, body: MoveIn, service: Here, who: Manager) -> Any:
    """Start a rollout, or move it; it holds in every process within a second or two."""
    case = found(service.usecases, usecase)
    asked = Asked(body.action, body.candidate, body.step, body.version, body.anyway)
    await service.rolling.guard.do(case, asked, Because(who.user_id, body.reason))
    return await _shown(service, usecase)


async def _shown(service: Service, name: str) -> Mapping[str, Any]:
    case = service.usecases[name]
    return told(await service.rolling.guard.standing(case), [each.name for each in case.contract.candidates])


def told(standing: Standing, candidates: list[str]) -> dict[str, Any]:
    """Give a standing as JSON has it."""
    plan = standing.plan
    return {
        "usecase": standing.usecase,
        "candidate": plan.candidate,
        "step": plan.step,
        "good": plan.good,
        "passed": list(plan.passed),
        "halted": plan.halted,
        "by_contract": plan.by_contract,
        "version": standing.version,
        "candidates": candidates,
        "since": standing.since,
        "by": standing.by,
        "reason": standing.reason,
        "watched": asdict(standing.candidate) if standing.candidate else None,
        "current": asdict(standing.current) if standing.current else None,
        "judged": [{**asdict(each), "is_breach": each.is_breach} for each in standing.judged],
    }
