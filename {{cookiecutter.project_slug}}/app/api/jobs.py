"""Queued work: accept, follow, cancel."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import StreamingResponse

from app.api.deps import Asker, Here, Named, needs
from app.api.problems import declared
from app.api.ratelimit import Visiting
from app.api.shapes import JobAccepted, JobIn, JobOut, JobWithItems
from app.api.streams import EVENT_STREAM, HEADERS, PING_S, frame
from app.api.turns import Key, promise
from app.domain.identity import Permission, Principal
from app.domain.job import Job
from app.store import jobs, quoting
from app.store.db import Work
from app.wiring.service import Service

router = APIRouter(prefix="/v1", tags=["jobs"])
LOOK_S = 0.25
Submitter = Annotated[Principal, Depends(needs(Permission.SUBMIT_JOBS))]


@router.post(
    "/usecases/{name}/jobs", status_code=202, response_model=JobAccepted, responses=declared(403, 404, 409, 429)
)
async def submit(
    usecase: Named, body: JobIn, service: Here, who: Submitter, visit: Visiting, response: Response, key: Key = None
) -> JobAccepted:
    """Queue one turn per item; the job is stored before you read this, and done once whatever fails."""
    await service.limiting.queue(who, usecase, visit)
    items = [item.model_dump() for item in body.items]
    job_id = await service.jobs.submit_turns(who, usecase.name, items, promise=promise(key, "job", usecase.name, items))
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return JobAccepted(job_id=job_id)


@router.get("/jobs", response_model=list[JobOut], responses=declared())
async def list_jobs(service: Here, who: Asker) -> Any:
    """List your jobs, the newest first."""
    async with service.database.work() as work:
        return [asdict(job) for job in await jobs.listed(work, user_id=who.user_id)]


@router.get("/jobs/{job_id}", response_model=JobWithItems, responses=declared(404))
async def read_job(job_id: UUID, service: Here, who: Asker) -> Any:
    """Say where a job of yours stands, with the items that are finished."""
    async with service.database.work(claims=who.claims) as work:
        job = await jobs.get(work, job_id, user_id=who.user_id)
        return {**asdict(job), "items": await _readable(work, who, await jobs.items(work, job_id))}


async def _readable(work: Work, who: Principal, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Withhold the answers that stand on documents which this person may not read now."""
    hidden = await quoting.withheld(work, {item["turn_id"] for item in items if item["turn_id"]}, claims=who.claims)
    nothing = {"answer": quoting.WITHHELD, "data": None}
    return [{**item, **nothing} if item["turn_id"] in hidden else item for item in items]


@router.delete("/jobs/{job_id}", response_model=JobOut, responses=declared(404, 409))
async def cancel_job(job_id: UUID, service: Here, who: Asker) -> Any:
    """Cancel a job of yours: at once while it waits, after the items at hand once it runs."""
    async with service.database.work() as work:
        return asdict(await jobs.cancel(work, job_id, user_id=who.user_id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}, **declared(404)},
)
async def follow(
    job_id: UUID,
    service: Here,
    who: Asker,
    after: Annotated[int, Header(alias="Last-Event-ID", ge=0, le=2**62)] = 0,
) -> StreamingResponse:
    """Stream the job's events from the start, or after the last one you saw, until the job is over."""
    async with service.database.work() as work:
        job = await jobs.get(work, job_id, user_id=who.user_id)
    return StreamingResponse(_events(service, job, after), media_type=EVENT_STREAM, headers=HEADERS)


async def _events(service: Service, job: Job, after: int) -> AsyncIterator[bytes]:
    quiet_s = 0.0
    while True:
        async with service.database.work() as work:
            over = (await jobs.get(work, job.id, user_id=None)).status.is_over
            news = await jobs.events_after(work, job.id, after)
        for number, event, data in news:
            after, quiet_s = number, 0.0
            yield frame(event, data, number=number)
        if over:
            return
        quiet_s += LOOK_S
        if quiet_s >= PING_S:
            quiet_s = 0.0
            yield b": ping\n\n"
        await asyncio.sleep(LOOK_S)
