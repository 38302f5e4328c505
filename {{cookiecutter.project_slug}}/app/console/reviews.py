"""The pages of reviews: the queue, one review with all that belongs to it, and the forms that decide and hand out."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.console.changes import Change, Undo
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.domain.review import KINDS, Kind, Urgency
from app.domain.usecase import second_person
from app.errors import BadInput
from app.store import audit
from app.store.reviews import Narrow
from app.wiring.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/reviews"
PER_PAGE = 50
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
Assigner = Annotated[Principal, Depends(needs(Permission.ASSIGN_REVIEWS))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Reason = Annotated[Words, Field(max_length=1000)]
# What each kind is called on the pages.
CALLED = {
    "escalation": "no rung could answer",
    "advise": "advice to approve",
    "action": "would change something",
    "confidence": "not sure enough",
    "incident": "stopped before it left",
    "complaint": "complaint",
    "sample": "second look",
}


class Wanted(BaseModel):
    """Which reviews the page shows; `changed` is the one that was just changed."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["open", "approved", "rejected"] = "open"
    kind: Kind | Literal[""] = ""
    mine: bool = False
    overdue: bool = False
    changed: UUID | Literal[""] = ""
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    def address(self, offset: int) -> str:
        """Give the address of another page of the same reviews."""
        kept = self.model_dump(mode="json", exclude_defaults=True, exclude={"changed", "offset"})
        return "?" + urlencode({**kept, **({"offset": offset} if offset else {})})


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Decision(_Form):
    """What a reviewer decides, and why; `data` is JSON, and so are the `arguments` of the actions at `place`."""

    decision: Literal["approve", "reject"]
    text: Annotated[Words, Field(max_length=20_000)] = ""
    data: Annotated[Words, Field(max_length=20_000)] = ""
    place: list[int] = []
    arguments: list[Annotated[Words, Field(max_length=20_000)]] = []
    reason: Reason = ""
    note: Reason = ""
    capture: bool = False
    seen: Annotated[Words, Field(max_length=64)] = ""


class Because(_Form):
    """Why."""

    reason: Reason = ""


class Assignment(_Form):
    """Who is to decide (empty: anybody), how urgent it is, and until when: in hours from now, or at a moment."""

    assigned_to: Annotated[Words, StringConstraints(max_length=200, strip_whitespace=True)] = ""
    priority: Urgency | None = None
    hours: Annotated[float, Field(gt=0, le=8760)] | None = None
    due_at: AwareDatetime | None = None
    reason: Reason = ""

    @field_validator("hours", "priority", "due_at", mode="before")
    @classmethod
    def _as_it_is(cls, value: object) -> object:
        if value == "":
            return None
        return int(value) if isinstance(value, str) and value in ("1", "2", "3", "4", "5") else value


@router.get(PATH)
async def queue(request: Request, service: Here, who: Reviewer, wanted: Annotated[Wanted, Query()]) -> Response:
    """Show what waits for a person, the most urgent first; or what was decided, the newest first."""
    narrow = Narrow(wanted.kind, of=who.user_id if wanted.mine else "", overdue=wanted.overdue)
    found = await service.reviews.waiting(
        who, status=wanted.status, narrow=narrow, limit=PER_PAGE + 1, offset=wanted.offset
    )
    change = await _change(service, str(wanted.changed)) if wanted.changed else None
    shown = {"reviews": found[:PER_PAGE], "wanted": wanted, "change": change, "kinds": KINDS, "called": CALLED}
    pages = {
        "newest": wanted.address(0) if wanted.offset else "",
        "older": wanted.address(wanted.offset + PER_PAGE) if len(found) > PER_PAGE else "",
    }
    return page(request, "reviews.html", who, **shown, **pages, timer=timer, now=datetime.now(UTC))


@router.get(PATH + "/{review_id}")
async def one(request: Request, review_id: UUID, service: Here, who: Reviewer) -> Response:
    """Show one review: question, draft, passages, what checks found, who did what, and the form to decide."""
    review = await service.reviews.one(who, review_id)
    second = second_person(service.usecases.get(review["usecase"]))
    shown = {"review": review, "called": CALLED, "second_person": second}
    return page(request, "review.html", who, **shown, timer=timer, now=datetime.now(UTC))


@router.post(PATH + "/{review_id}")
async def decide(review_id: UUID, service: Here, who: Reviewer, form: Annotated[Decision, Form()]) -> RedirectResponse:
    """Approve a draft, perhaps edited, or reject it."""
    if len(form.place) != len(form.arguments):
        raise BadInput("Each action needs its place and its arguments.")
    written = {place: _data(text) for place, text in zip(form.place, form.arguments, strict=True) if text.strip()}
    edited = {
        "text": form.text.replace("\r\n", "\n").strip() or None,
        "data": _data(form.data),
        "arguments": {place: arguments for place, arguments in written.items() if arguments is not None},
        "note": form.note.replace("\r\n", "\n"),
        "capture": form.capture,
        "seen": form.seen,
    }
    await service.reviews.decide(who, review_id, approve=form.decision == "approve", because=form.reason, edited=edited)
    return _back(review_id)


@router.post(PATH + "/{review_id}/take")
async def take(review_id: UUID, service: Here, who: Reviewer) -> RedirectResponse:
    """Have a review for oneself for some minutes."""
    await service.review_desk.take(who, review_id)
    return RedirectResponse(f"{PATH}/{review_id}", status_code=303)


@router.post(PATH + "/{review_id}/release")
async def release(review_id: UUID, service: Here, who: Reviewer) -> RedirectResponse:
    """Give back what one has taken."""
    await service.review_desk.release(who, review_id)
    return RedirectResponse(f"{PATH}/{review_id}", status_code=303)


@router.post(PATH + "/{review_id}/assign")
async def assign(
    review_id: UUID, service: Here, who: Assigner, form: Annotated[Assignment, Form()]
) -> RedirectResponse:
    """Say who is to decide, how urgent it is, and until when."""
    due_at = datetime.now(UTC) + timedelta(hours=form.hours) if form.hours else form.due_at
    changed: dict[str, Any] = {"assigned_to": form.assigned_to or None, "priority": form.priority, "due_at": due_at}
    await service.review_desk.assign(who, review_id, changed, because=form.reason)
    return _back(review_id)


@router.post(PATH + "/{review_id}/reopen")
async def reopen(review_id: UUID, service: Here, who: Reviewer, form: Annotated[Because, Form()]) -> RedirectResponse:
    """Take a decision back."""
    await service.reviews.reopen(who, review_id, because=form.reason)
    return _back(review_id)


def timer(due_at: datetime, now: datetime) -> str:
    """Say how much time is left to decide, or since when it is over, in days, hours or minutes."""
    minutes = abs(due_at - now) // timedelta(minutes=1)
    days, hours = minutes // 1440, minutes // 60
    told = f"{days} days" if days > 1 else f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
    return f"{told} late" if due_at <= now else f"{told} left"


def _back(review_id: UUID) -> RedirectResponse:
    return RedirectResponse(f"{PATH}?" + urlencode({"changed": str(review_id)}), status_code=303)


async def _change(service: Service, review_id: str) -> Change | None:
    """Give what was done to a review last, with the form that takes it back."""
    async with service.database.work() as work:
        rows = await audit.history(work, subject=review_id, limit=1)
    if not rows:
        return None
    row = rows[0]
    before, after = row["before"] or {}, row["after"] or {}
    undo, remark = None, ""
    has_run = row["action"] == "review.approved" and after.get("actions")
    if row["action"] in ("review.approved", "review.rejected") and not has_run:
        undo = Undo(f"{PATH}/{review_id}/reopen", {}, "Take the decision back")
    elif has_run:
        remark = "Cannot be undone: what a tool does once it is approved stays done."
    elif row["action"] == "review.reopened":
        remark = "Decide on it anew to undo this."
    elif row["action"] == "review.assigned":
        fields = {name: str(before[name]) for name in ("assigned_to", "priority", "due_at") if before[name]}
        undo = Undo(f"{PATH}/{review_id}/assign", fields, "As it was before")
    name = f"Review {review_id[:8]}"
    return Change(name, _told(before), _told(after), row["actor"], row["reason"], row["at"], undo, remark)


def _told(state: dict[str, Any]) -> str:
    if "priority" in state:
        whose = state["assigned_to"] or "anybody"
        return f"{whose}, priority {state['priority']}, due {state['due_at'][:16].replace('T', ' ')} UTC"
    if state.get("put_forward_by"):
        return "put forward, a second person decides"
    return str(state.get("status") or state.get("taken_by") or "")


def _data(text: str) -> dict[str, Any] | None:
    if not text.strip():
        return None
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"The data is not valid JSON: {error}.") from error
    if not isinstance(data, dict):
        raise BadInput('The data is not a JSON object, as in {"queue": "billing"}.')
    return data
