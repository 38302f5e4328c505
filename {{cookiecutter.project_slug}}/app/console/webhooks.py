"""Pages of the receivers of events: all of them, and one with what was sent to it; each change asks why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.console.changes import Change, Undo
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.event import KINDS
from app.domain.identity import Permission, Principal
from app.errors import BadInput, Conflict, Forbidden
from app.store import audit
from app.store.webhooks import Listens, WebhookRow
from app.telemetry.scrub import mask
from app.wiring.service import Service
from app.work.webhooks import CHOICES, MOST_OVERLAP_H, Made, listens_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/webhooks"
PER_PAGE = 100
# What a form says before, and the page after it.
SENT = "Cannot be undone: what was sent stays sent. An event that arrives twice has the same id."
SIGNED = (
    "Cannot be undone: the former secret does not come back. Exchange it at the receiver before its hours are over."
)
Keeper = Annotated[Principal, Depends(needs(Permission.MANAGE_WEBHOOKS))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=2000, strip_whitespace=True)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Words, Field(max_length=500)] = ""


class ListensForm(_Form):
    """What a receiver is told; use cases are parted by commas, none is all of them."""

    kinds: list[Words] = []
    usecases: Words = ""
    words: bool = False

    @property
    def listens(self) -> Listens:
        """Give it as the desk takes it."""
        kinds = tuple(kind for each in self.kinds for kind in _names(each))
        return Listens(kinds, _names(self.usecases) or None, self.words)


class MakeForm(ListensForm):
    """A receiver to be made."""

    name: Words = ""
    url: Words = ""


class TryForm(_Form):
    """Why an event is sent to try it."""


class TurnForm(_Form):
    """On or off."""

    to: Literal["on", "off"]


class SecretForm(_Form):
    """How long the former secret signs as well."""

    overlap_hours: Annotated[float, Field(ge=0, le=MOST_OVERLAP_H, allow_inf_nan=False)] = 24.0


class ReplayForm(_Form):
    """One event, or every dead letter."""

    event_id: UUID | None = None

    @field_validator("event_id", mode="before")
    @classmethod
    def _every(cls, value: object) -> object:
        return None if value == "" else value


class DeliveryFilter(BaseModel):
    """Which deliveries to show; "" is any, `before` is where a page begins."""

    status: Literal["", "waiting", "delivered", "dead"] = ""
    before: AwareDatetime | None = None
    changed: Words = ""


@router.get(PATH)
async def webhooks(request: Request, service: Here, who: Keeper) -> Response:
    """Show the receivers, those that are on first, and the form for another one."""
    return await _all(request, service, who)


@router.post(PATH)
async def make(request: Request, service: Here, who: Keeper, form: Annotated[MakeForm, Form()]) -> Response:
    """Make a receiver and show its secret, this once."""
    try:
        made = await service.webhooks.make(who, name=form.name, url=form.url, listens=form.listens, because=form.reason)
    except (BadInput, Forbidden, Conflict) as error:
        return await _all(request, service, who, asked=form, fault=mask(error.detail))
    return await _one(request, service, who, made.row["id"], made=made)


@router.get(PATH + "/{webhook_id}")
async def webhook(
    request: Request, webhook_id: UUID, service: Here, who: Keeper, wanted: Annotated[DeliveryFilter, Query()]
) -> Response:
    """Show one receiver with what was sent to it."""
    return await _one(request, service, who, webhook_id, wanted=wanted)


@router.post(PATH + "/{webhook_id}/listens")
async def change(
    request: Request, webhook_id: UUID, service: Here, who: Keeper, form: Annotated[ListensForm, Form()]
) -> Response:
    """Change what a receiver is told."""
    try:
        await service.webhooks.change(who, webhook_id, listens=form.listens, because=form.reason)
    except (BadInput, Forbidden) as error:
        return await _one(request, service, who, webhook_id, fault=mask(error.detail))
    return _back(webhook_id)


@router.post(PATH + "/{webhook_id}/turn")
async def turn(webhook_id: UUID, service: Here, who: Keeper, form: Annotated[TurnForm, Form()]) -> RedirectResponse:
    """Turn a receiver off, or on again."""
    await service.webhooks.change(who, webhook_id, enabled=form.to == "on", because=form.reason)
    return _back(webhook_id)


@router.post(PATH + "/{webhook_id}/secret")
async def rotate(
    request: Request, webhook_id: UUID, service: Here, who: Keeper, form: Annotated[SecretForm, Form()]
) -> Response:
    """Make a new secret and show it, this once."""
    made = await service.webhooks.rotate(who, webhook_id, overlap_h=form.overlap_hours, because=form.reason)
    return await _one(request, service, who, webhook_id, made=made)


@router.post(PATH + "/{webhook_id}/test")
async def test(webhook_id: UUID, service: Here, who: Keeper, form: Annotated[TryForm, Form()]) -> RedirectResponse:
    """Send an event to try it."""
    await service.webhooks.test(who, webhook_id, because=form.reason)
    return _back(webhook_id)


@router.post(PATH + "/{webhook_id}/replay")
async def replay(webhook_id: UUID, service: Here, who: Keeper, form: Annotated[ReplayForm, Form()]) -> RedirectResponse:
    """Send one event again, or every dead letter."""
    await service.webhooks.replay(who, webhook_id, event_id=form.event_id, because=form.reason)
    return _back(webhook_id)


def _names(written: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in written.split(",") if name.strip())


def _back(webhook_id: UUID) -> RedirectResponse:
    return RedirectResponse(f"{PATH}/{webhook_id}?" + urlencode({"changed": str(webhook_id)}), status_code=303)


async def _all(
    request: Request, service: Service, who: Principal, *, asked: MakeForm | None = None, fault: str = ""
) -> Response:
    rows = await service.webhooks.listed(who)
    named = {"kinds": {kind: KINDS[kind].what for kind in CHOICES}, "usecases": list(service.usecases)}
    values: dict[str, Any] = {"rows": rows, "asked": asked or MakeForm(), "fault": fault}
    response = page(request, "webhooks.html", who, **values, **named)
    response.status_code = 422 if fault else 200
    return response


async def _one(
    request: Request,
    service: Service,
    who: Principal,
    webhook_id: UUID,
    *,
    wanted: DeliveryFilter | None = None,
    made: Made | None = None,
    fault: str = "",
) -> Response:
    asked = wanted or DeliveryFilter()
    row = await service.webhooks.one(who, webhook_id)
    found = await service.webhooks.deliveries(who, webhook_id, status=asked.status, before=asked.before)
    changed = await _changed(service, row) if asked.changed or made else None
    values: dict[str, Any] = {
        "row": row,
        "listens": listens_of(row),
        "deliveries": found,
        "status": asked.status,
        "older": _older(asked.status, found[-1]["at"]) if len(found) == PER_PAGE else "",
        "newest": f"?status={asked.status}" if asked.before else "",
        "kinds": {kind: KINDS[kind].what for kind in CHOICES},
        "made": made,
        "change": changed,
        "sent": SENT,
        "signed": SIGNED,
        "fault": fault,
    }
    response = page(request, "webhook.html", who, **values)
    response.status_code = 422 if fault else 200
    return response


def _older(status: str, at: datetime) -> str:
    return "?" + urlencode({"status": status, "before": at.isoformat()})


async def _changed(service: Service, row: WebhookRow) -> Change | None:
    """Tell the newest change, with the way back where there is one: what was sent, and a secret, have none."""
    subject = str(row["id"])
    async with service.database.work() as work:
        rows = await audit.history(work, subject=subject, limit=1)
    if not rows:
        return None
    entry, undo = rows[0], None
    before, after = entry["before"] or {}, entry["after"] or {}
    told = {
        "webhook.replayed": (f"{before.get('dead')} dead letters", f"{after.get('deliveries')} sent again", SENT),
        "webhook.tested": ("", "an event is sent to try it", SENT),
        "webhook.rotated": ("the former secret", "a new secret", SIGNED),
    }
    *said, remark = told.get(entry["action"], ("", entry["action"].removeprefix("webhook."), ""))
    if entry["action"] == "webhook.made":
        said, undo = ["", "on"], Undo(f"{PATH}/{subject}/turn", {"to": "off"}, "Turn it off")
    if entry["action"] == "webhook.changed" and before.get("enabled") != after.get("enabled"):
        said = [_switch(before), _switch(after)]
        undo = Undo(f"{PATH}/{subject}/turn", {"to": said[0]}, f"Turn it {said[0]} again")
    elif entry["action"] == "webhook.changed":
        said = [_hears(before), _hears(after)]
        undo = Undo(f"{PATH}/{subject}/listens", _fields(before), "Tell it as before")
    return Change(row["name"], said[0], said[1], entry["actor"], entry["reason"], entry["at"], undo, remark)


def _switch(said: Mapping[str, Any]) -> str:
    return "on" if said["enabled"] else "off"


def _hears(said: Mapping[str, Any]) -> str:
    of = f" of {', '.join(said['usecases'])}" if said["usecases"] else ""
    return f"{', '.join(said['kinds'])}{of}{', with words' if said['words'] else ''}"


def _fields(said: Mapping[str, Any]) -> dict[str, str]:
    words = {"words": "true"} if said["words"] else {}
    return {"kinds": ",".join(said["kinds"]), "usecases": ",".join(said["usecases"] or ()), **words}
