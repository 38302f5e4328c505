"""The page of API keys: made, rotated and revoked there, each with a reason; a key is on the page once.

A key that was made is revoked to undo it; to rotate and to revoke one cannot be undone, which the form says.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.console.changes import Change, Undo, latest
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.errors import BadInput, Conflict, Forbidden, NotFound
from app.store.keys import Scope
from app.telemetry.scrub import mask
from app.wiring.service import Service
from app.work.keys import DAYS, MOST_DAYS, Made, Wanted

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/keys"
# What a form says before, and the page after it.
FINAL = {
    "rotate": "Cannot be undone: the former key ends when its hours are over, and does not come back.",
    "revoke": "Cannot be undone: a revoked key never works again. Make another one instead.",
}
Keeper = Annotated[Principal, Depends(needs(Permission.MANAGE_KEYS))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500, strip_whitespace=True)]
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Words = ""


class MakeForm(_Form):
    """A key to be made; names are parted by commas, nothing is everything that the account has."""

    name: Words = ""
    account: Words = ""
    permissions: Words = ""
    groups: Words = ""
    usecases: Words = ""
    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] = DAYS


class ChangeForm(_Form):
    """A key to be rotated or revoked."""

    key_id: KeyId
    what: Literal["rotate", "revoke"]
    overlap_hours: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 24.0


@router.get(PATH)
async def keys(request: Request, service: Here, who: Keeper) -> Response:
    """Show the keys, those that work first, and the form for another one."""
    return await _shown(request, service, who)


@router.post(PATH)
async def make(request: Request, service: Here, who: Keeper, form: Annotated[MakeForm, Form()]) -> Response:
    """Make a key and show it, this once."""
    scope = Scope(_names(form.permissions), _names(form.groups), _names(form.usecases))
    wanted = Wanted(form.name, form.account, scope, form.days)
    try:
        made = await service.keys.make(who, wanted, because=form.reason)
    except (BadInput, Forbidden) as error:
        return await _shown(request, service, who, asked=form, fault=mask(error.detail))
    undo = Undo(f"{PATH}/change", {"key_id": made.row["id"], "what": "revoke"}, "Revoke it")
    return await _shown(request, service, who, made=made, change=await _told(service, made.row["id"], undo=undo))


@router.post(PATH + "/change")
async def change(request: Request, service: Here, who: Keeper, form: Annotated[ChangeForm, Form()]) -> Response:
    """Rotate a key, and show the new one this once; or revoke it."""
    made = None
    try:
        if form.what == "rotate":
            made = await service.keys.rotate(who, form.key_id, overlap_h=form.overlap_hours, because=form.reason)
        else:
            await service.keys.revoke(who, form.key_id, because=form.reason)
    except (BadInput, Forbidden, NotFound, Conflict) as error:
        return await _shown(request, service, who, fault=mask(error.detail))
    change = await _told(service, form.key_id, remark=FINAL[form.what])
    return await _shown(request, service, who, made=made, change=change)


async def _told(service: Service, key_id: str, *, undo: Undo | None = None, remark: str = "") -> Change | None:
    name = f"appkey_{key_id}…"
    return await latest(service, key_id, family="key.", told=_status, undo=undo, name=name, remark=remark)


def _status(about: Mapping[str, Any]) -> str:
    return str(about["status"])


async def _shown(
    request: Request,
    service: Service,
    who: Principal,
    *,
    asked: MakeForm | None = None,
    made: Made | None = None,
    change: Change | None = None,
    fault: str = "",
) -> Response:
    rows = await service.keys.listed(who)
    values: dict[str, Any] = {"asked": asked or MakeForm(), "made": made, "change": change, "fault": fault}
    named = {"accounts": service.keys.accounts, "usecases": list(service.usecases), "most_days": MOST_DAYS}
    named |= {"final": FINAL, "left_out": await service.keys.total(who) - len(rows)}
    response = page(request, "keys.html", who, rows=rows, **values, **named)
    response.status_code = 422 if fault else 200
    return response


def _names(written: str) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in written.split(",") if name.strip()) or None
