"""The page of restrictions: who is kept out, and the forms that set and lift one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.console.changes import Undo, latest
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.control.restrictions import MOST_MINUTES
from app.domain.identity import Permission, Principal
from app.errors import BadInput
from app.store import restrictions as table
from app.store.restrictions import Restriction
from app.telemetry.scrub import mask
from app.wiring.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/restrictions"
Guard = Annotated[Principal, Depends(needs(Permission.RESTRICT))]
Changed = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]
WORDS = {"ask": "ask", "everything": "come in"}
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500, strip_whitespace=True)]


class RestrictForm(BaseModel):
    """Whom to keep from what, for how long, and why."""

    model_config = ConfigDict(extra="forbid")

    subject: Words = ""
    what: Literal["ask", "everything"] = "ask"
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)] | None = None
    reason: Words = ""

    @field_validator("minutes", mode="before")
    @classmethod
    def _until_lifted(cls, value: object) -> object:
        return None if value == "" else value


class LiftForm(BaseModel):
    """Why it ends early."""

    model_config = ConfigDict(extra="forbid")

    reason: Words = ""


@router.get(PATH)
async def restrictions(request: Request, service: Here, who: Guard, changed: Changed = "") -> Response:
    """Show who is kept out, and who was."""
    shown = await _shown(service)
    change = await latest(
        service, changed, family="restriction.", told=_told, undo=_undo(shown["standing"], shown["over"], changed)
    )
    return page(request, "restrictions.html", who, **shown, asked=RestrictForm(), fault="", change=change)


@router.post(PATH)
async def restrict(request: Request, service: Here, who: Guard, asked: Annotated[RestrictForm, Form()]) -> Response:
    """Keep somebody out."""
    try:
        await service.limiting.restrictions.restrict(
            asked.subject, what=asked.what, minutes=asked.minutes, by=who.user_id, because=asked.reason
        )
    except BadInput as error:
        shown = page(request, "restrictions.html", who, **await _shown(service), asked=asked, fault=mask(error.detail))
        shown.status_code = 422
        return shown
    return _changed(asked.subject)


@router.post(PATH + "/{restriction_id}")
async def lift(restriction_id: UUID, service: Here, who: Guard, asked: Annotated[LiftForm, Form()]) -> RedirectResponse:
    """Let somebody in again."""
    lifted = await service.limiting.restrictions.lift(restriction_id, by=who.user_id, because=asked.reason)
    return _changed(lifted)


def _changed(subject: str) -> RedirectResponse:
    return RedirectResponse(f"{PATH}?{urlencode({'changed': subject})}", status_code=303)


def _told(standing: dict[str, Any] | None) -> str:
    return f"may not {WORDS[standing['what']]}" if standing else "let in"


def _undo(standing: Sequence[Restriction], over: Sequence[Restriction], subject: str) -> Undo | None:
    """Give the way back: lift what holds, or set again what was lifted, to the end that it had."""
    for one in standing:
        if one.subject == subject:
            return Undo(f"{PATH}/{one.id}", label="Lift it")
    for one in over:
        if one.subject == subject:
            left = ceil((one.until - datetime.now(UTC)).total_seconds() / 60) if one.until else None
            minutes = {} if left is None else {"minutes": str(max(left, 1))}
            return Undo(PATH, {"subject": one.subject, "what": one.what, **minutes}, "Keep out again")
    return None


async def _shown(service: Service) -> dict[str, Any]:
    async with service.database.work() as work:
        standing = await table.standing(work)
        known = {one.id for one in standing}
        over = [one for one in await table.latest(work) if one.id not in known]
        left_out = await table.count(work) - len(standing) - len(over)
    return {"standing": standing, "over": over, "left_out": left_out}
