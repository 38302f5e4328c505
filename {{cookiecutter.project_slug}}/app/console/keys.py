"""The page of API keys: made, rotated and revoked there, each with a reason; a key is on the page once."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

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


@router.get("/console/keys")
async def keys(request: Request, service: Here, who: Keeper) -> Response:
    """Show the keys, those that work first, and the form for another one."""
    return await _shown(request, service, who)


@router.post("/console/keys")
async def make(request: Request, service: Here, who: Keeper, form: Annotated[MakeForm, Form()]) -> Response:
    """Make a key and show it, this once."""
    scope = Scope(_names(form.permissions), _names(form.groups), _names(form.usecases))
    wanted = Wanted(form.name, form.account, scope, form.days)
    try:
        made = await service.keys.make(who, wanted, because=form.reason)
    except (BadInput, Forbidden) as error:
        return await _shown(request, service, who, asked=form, fault=mask(error.detail))
    return await _shown(request, service, who, made=made)


@router.post("/console/keys/change")
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
    return await _shown(request, service, who, made=made, changed="" if made else form.key_id)


async def _shown(
    request: Request,
    service: Service,
    who: Principal,
    *,
    asked: MakeForm | None = None,
    made: Made | None = None,
    changed: str = "",
    fault: str = "",
) -> Response:
    rows = await service.keys.listed(who)
    values: dict[str, Any] = {"asked": asked or MakeForm(), "made": made, "changed": changed, "fault": fault}
    named = {"accounts": service.keys.accounts, "usecases": list(service.usecases), "most_days": MOST_DAYS}
    response = page(request, "keys.html", who, rows=rows, **values, **named)
    response.status_code = 422 if fault else 200
    return response


def _names(written: str) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in written.split(",") if name.strip()) or None
