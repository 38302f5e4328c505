"""Jobs that failed, over HTTP: seen, and put back in the queue."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import JobOut, Text
from app.domain.identity import Permission, Principal

router = APIRouter(prefix="/v1/admin/dead-letters", tags=["admin"])
Replayer = Annotated[Principal, Depends(needs(Permission.REPLAY_JOBS))]


class DeadLetterOut(BaseModel):
    """A job that failed; `given_up`: worker after worker died over it; `cannot` is why it is not run again."""

    id: UUID
    kind: str
    usecase: str
    user_id: str
    error: str
    attempts: int
    total: int
    done: int
    created_at: datetime
    finished_at: datetime | None
    given_up: bool
    cannot: str


class AgainIn(BaseModel):
    """Why it is run again."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Text, Field(min_length=1, max_length=500, description="why; kept in the audit")]


@router.get("", response_model=list[DeadLetterOut], responses=declared(403))
async def list_dead_letters(
    service: Here,
    who: Replayer,
    before: Annotated[AwareDatetime | None, Query(description="where a page begins: the last `finished_at`")] = None,
) -> Any:
    """List the jobs that failed, the newest hundred first."""
    return [asdict(one) for one in await service.dead_letters.listed(who, before=before)]


@router.post("/{job_id}/replay", status_code=202, response_model=JobOut, responses=declared(403, 404, 409))
async def replay_job(job_id: UUID, body: AgainIn, service: Here, who: Replayer) -> Any:
    """Put a failed job back in the queue: what is done of it stays done. Cancelling the job undoes it."""
    return asdict(await service.dead_letters.replay(who, job_id, because=body.reason))
