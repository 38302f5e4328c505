"""Pages about queued work: found and filtered, one job with what happened to it, and the dead letters.

Cancelling, putting back and running again ask for a reason, and each is undone by another of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.console.changes import Change, Undo, latest
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.domain.job import JobKind, JobStatus
from app.store.job_search import Wanted
from app.wiring.service import Service
from app.work.dead_letters import INSTEAD

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Opener = Annotated[Principal, Depends(needs(Permission.OPEN_CONSOLE))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=200, strip_whitespace=True)]
PER_PAGE, DAYS = 50, 7
OPEN = ("queued", "running", "cancelling")
What = Literal["cancel", "put_back", "replay"]
UNDONE: Mapping[str, tuple[What, str]] = {
    "cancelled": ("put_back", "Put it back in the queue"),
    "cancelling": ("put_back", "Let it go on"),
    "queued": ("cancel", "Cancel it"),
    "running": ("cancel", "Cancel it"),
}


class JobFilter(BaseModel):
    """Which jobs to show; "" is any, "open" stands for all that are not over, `before` is where a page begins."""

    status: Literal["", "open", "dead", "queued", "running", "cancelling", "succeeded", "failed", "cancelled"] = ""
    kind: JobKind | Literal[""] = ""
    usecase: Words = ""
    person: Words = ""
    before: AwareDatetime | None = None
    changed: Words = ""

    @field_validator("before", mode="before")
    @classmethod
    def _none_given(cls, value: object) -> object:
        return None if value == "" else value

    def address(self, **changes: object) -> str:
        """Give the address of the page with these changes."""
        kept = {**self.model_dump(exclude_defaults=True, exclude={"changed"}), **changes}
        return "?" + urlencode({name: value for name, value in kept.items() if value is not None})

    @property
    def wanted(self) -> Wanted:
        """Give it as the queue is asked."""
        statuses = OPEN if self.status == "open" else (self.status,) if self.status else ()
        return Wanted(statuses=statuses, kind=self.kind, usecase=self.usecase, person=self.person, before=self.before)


class JobChange(BaseModel):
    """What is to become of a job, and why."""

    model_config = ConfigDict(extra="forbid")

    job_id: UUID
    what: What
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


@router.get("/console/jobs")
async def jobs(request: Request, service: Here, who: Opener, asked: Annotated[JobFilter, Query()]) -> Response:
    """Show queued work, the newest first; or the dead letters, to whoever may run them again."""
    shown: dict[str, Any] = {"dead": [], "rows": []}
    if asked.status == "dead" and who.may(Permission.REPLAY_JOBS):
        shown["dead"] = await service.dead_letters.listed(who, before=asked.before, limit=PER_PAGE)
        times = [letter.finished_at for letter in shown["dead"] if letter.finished_at]
    else:
        shown["rows"] = await service.lookback.desk.found(who, asked.wanted, limit=PER_PAGE)
        times = [row["created_at"] for row in shown["rows"]]
    return page(request, "jobs.html", who, **shown, **await _around(service, who, asked, times))


async def _around(service: Service, who: Principal, asked: JobFilter, times: list[Any]) -> dict[str, Any]:
    return {
        "asked": asked,
        "counts": await service.lookback.desk.counts(days=DAYS),
        "days": DAYS,
        "statuses": [status.value for status in JobStatus],
        "kinds": get_args(JobKind),
        "usecases": list(service.usecases),
        "change": await _changed(service, who, asked.changed),
        "newest": asked.address(before=None) if asked.before else "",
        "older": asked.address(before=times[-1].isoformat()) if len(times) == PER_PAGE else "",
    }


@router.get("/console/jobs/{job_id}")
async def job(request: Request, job_id: UUID, service: Here, who: Opener) -> Response:
    """Show one job: where it stands, what happened to it, and its items without what they say."""
    told = await service.lookback.desk.told(who, job_id)
    may_change = told["job"].user_id == who.user_id or who.may(Permission.REPLAY_JOBS)
    cannot = INSTEAD.get(told["job"].kind, "")
    return page(request, "job.html", who, **told, may_change=may_change, cannot=cannot)


@router.post("/console/jobs")
async def change(service: Here, who: Opener, form: Annotated[JobChange, Form()]) -> RedirectResponse:
    """Cancel a job, put a cancelled one back, or run a dead letter again."""
    if form.what == "cancel":
        await service.lookback.desk.cancel(who, form.job_id, because=form.reason)
    elif form.what == "put_back":
        await service.lookback.desk.put_back(who, form.job_id, because=form.reason)
    else:
        await service.dead_letters.replay(who, form.job_id, because=form.reason)
    return RedirectResponse("/console/jobs?" + urlencode({"changed": str(form.job_id)}), status_code=303)


async def _changed(service: Service, who: Principal, job_id: str) -> Change | None:
    """Tell of the change that this person has just made; others' stand in the audit, for those who may read it."""
    found = await latest(service, job_id, family="job.", told=_status, name=f"Job {job_id[:8]}")
    if found is None or found.actor != who.user_id:
        return None
    if found.after not in UNDONE:
        return found
    what, label = UNDONE[found.after]
    return replace(found, undo=Undo("/console/jobs", {"job_id": job_id, "what": what}, label))


def _status(told: Mapping[str, Any] | None) -> str:
    return str((told or {}).get("status", ""))
