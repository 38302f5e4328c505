"""Pages about the audit and about incidents: search, see whether anybody tampered, close an incident with a reason."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.console.changes import Undo, latest
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.domain.incident import KINDS
from app.store.audit import Wanted

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Auditor = Annotated[Principal, Depends(needs(Permission.READ_AUDIT))]
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
Word = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
Changed = Annotated[str, Query(pattern=r"^[0-9a-f-]{0,36}$")]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
PER_PAGE = 50


class AuditSearch(BaseModel):
    """Which entries to show; empty is any, and `before` is where a page begins."""

    model_config = ConfigDict(extra="forbid")

    actor: Word = ""
    action: Word = ""
    subject: Word = ""
    since: date | None = None
    until: date | None = None
    before: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None

    @field_validator("since", "until", "before", mode="before")
    @classmethod
    def _none_given(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def wanted(self) -> Wanted:
        """Give it as the audit is asked: days begin at midnight, UTC."""
        named = {"actor": self.actor.strip(), "action": self.action.strip(), "subject": self.subject.strip()}
        return Wanted(**named, since=_midnight(self.since), until=_midnight(self.until), before=self.before)

    @property
    def is_narrow(self) -> bool:
        """Say whether it leaves anything out."""
        return bool(self.actor or self.action or self.subject or self.since or self.until or self.before)


class Closing(BaseModel):
    """What came of an incident, or why it is open again."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""


@router.get("/console/audit")
async def audit(request: Request, service: Here, who: Auditor, asked: Annotated[AuditSearch, Query()]) -> Response:
    """Show who did what, when and why, with what stood before and after, and what verification found."""
    rows = await service.auditing.found(who, asked.wanted, limit=PER_PAGE)
    shown: dict[str, Any] = {"rows": rows, "asked": asked, "standing": await service.auditing.standing(who)}
    return page(request, "audit.html", who, **shown, older=rows[-1]["seq"] if len(rows) == PER_PAGE else None)


@router.get("/console/incidents")
async def incidents(
    request: Request,
    service: Here,
    who: Reviewer,
    status: Literal["open", "closed"] = "open",
    changed: Changed = "",
    offset: Offset = 0,
) -> Response:
    """Show what was stopped before it left, or before it came in."""
    rows = await service.incidents.listed(who, status=status, offset=offset, limit=PER_PAGE + 1)
    way_back = "close" if status == "open" else "reopen"
    undo = Undo(
        f"/console/incidents/{changed}/{way_back}", label="Open it again" if way_back == "reopen" else "Close it"
    )
    change = await latest(service, changed, family="incident.", told=_status, undo=undo, name="The incident")
    pages = {
        "newest": f"?status={status}" if offset else "",
        "older": f"?status={status}&offset={offset + PER_PAGE}" if len(rows) > PER_PAGE else "",
    }
    shown = {"rows": rows[:PER_PAGE], "status": status, "kinds": KINDS, "change": change}
    return page(request, "incidents.html", who, **shown, **pages)


@router.post("/console/incidents/{incident_id}/close")
async def close(incident_id: UUID, service: Here, who: Reviewer, form: Annotated[Closing, Form()]) -> RedirectResponse:
    """Close an incident; the reason is kept with it and in the audit."""
    await service.incidents.close(who, incident_id, because=form.reason)
    return RedirectResponse(f"/console/incidents?status=closed&changed={incident_id}", status_code=303)


@router.post("/console/incidents/{incident_id}/reopen")
async def reopen(incident_id: UUID, service: Here, who: Reviewer, form: Annotated[Closing, Form()]) -> RedirectResponse:
    """Open a closed incident again; the reason is kept in the audit."""
    await service.incidents.reopen(who, incident_id, because=form.reason)
    return RedirectResponse(f"/console/incidents?changed={incident_id}", status_code=303)


def _status(standing: dict[str, Any]) -> str:
    return str(standing["status"])


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
