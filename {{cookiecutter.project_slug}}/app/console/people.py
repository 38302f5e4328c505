"""The page of a data protection officer: export or erase a person, see certificates, place and release legal holds."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, StringConstraints

from app.console.changes import Undo, latest
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.errors import BadInput, Held
from app.store import erasures, holds
from app.store.holds import Hold
from app.wiring.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/people"
# What a form says before, and the page after it.
FINAL = {
    "erase": "Cannot be undone: what is erased is nowhere any more.",
    "release": "Cannot be undone: what the hold kept may be erased at once. Another hold keeps what is still there.",
}
Eraser = Annotated[Principal, Depends(needs(Permission.ERASE_PEOPLE))]
Exporter = Annotated[Principal, Depends(needs(Permission.EXPORT_PEOPLE))]
Holder = Annotated[Principal, Depends(needs(Permission.HOLD_PEOPLE))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500, strip_whitespace=True)]
Changed = Annotated[str, Query(pattern=r"^[0-9a-f-]{0,36}$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PersonForm(_Form):
    """Whom, and why; to erase somebody, the id once more."""

    person: Words = ""
    reason: Words = ""
    confirm: Words = ""


class HoldForm(_Form):
    """What is held, why, and what the person may be told."""

    person: Words = ""
    usecase: Words = ""
    reason: Words = ""
    told: Words = ""


class ReleaseForm(_Form):
    """Why it ends."""

    reason: Words = ""


@router.get(PATH)
async def people(
    request: Request, service: Here, who: Eraser, changed: Changed = "", erasure: Changed = ""
) -> Response:
    """Show requests to erase people with their certificates, and legal holds."""
    undo = Undo(f"{PATH}/holds/{changed}", label="Release it") if who.may(Permission.HOLD_PEOPLE) else None
    subject = f"hold:{changed}" if changed else ""
    change = await latest(service, subject, family="hold.", told=_held, undo=undo, name="The legal hold")
    if change and change.after == "released":
        change = replace(change, undo=None, remark=FINAL["release"])
    if erasure:
        change = await latest(
            service,
            f"erasure:{erasure}",
            family="person.erasure",
            told=lambda _: "to be erased",
            name="A person's data",
            remark=FINAL["erase"],
        )
    return page(request, "people.html", who, **await _shown(service), asked=PersonForm(), fault="", change=change)


@router.post(PATH + "/export")
async def export(service: Here, who: Exporter, asked: Annotated[PersonForm, Form()]) -> Response:
    """Give everything that is kept of a person as a file; the reason is in the audit before the first byte leaves."""
    if not asked.person:
        raise BadInput("Name a person by their id.")
    subject = await service.people.principal(asked.person)
    pieces = await service.data_life.export.noted(subject, by=who.user_id, because=asked.reason)
    headers = {"Content-Disposition": 'attachment; filename="person.json"'}
    return StreamingResponse(pieces, media_type="application/json", headers=headers)


@router.post(PATH + "/erase")
async def erase(request: Request, service: Here, who: Eraser, asked: Annotated[PersonForm, Form()]) -> Response:
    """Erase a person; the page shows how far it is, and the certificate once it is done."""
    try:
        if not asked.person or asked.confirm != asked.person:
            raise BadInput("There is no way back: write the person's id in both fields.")
        made = await service.data_life.erasures.request(asked.person, by=who.user_id, because=asked.reason)
    except (BadInput, Held) as error:
        return await _refused(request, service, who, asked=asked, fault=error)
    return RedirectResponse(f"{PATH}?erasure={made.id}", status_code=303)


@router.post(PATH + "/hold")
async def hold(request: Request, service: Here, who: Holder, asked: Annotated[HoldForm, Form()]) -> Response:
    """Keep data of a person or a use case from being deleted."""
    if not (asked.person or asked.usecase) or not asked.reason or not asked.told:
        fault = BadInput("A hold needs a person or a use case, a reason, and what the person may be told.")
        return await _refused(request, service, who, asked=PersonForm(person=asked.person), fault=fault)
    async with service.data_life.keeper.work() as work:
        placed = Hold(asked.reason, asked.told, user_id=asked.person, usecase=asked.usecase)
        id_ = await holds.place(work, placed, by=who.user_id)
    return RedirectResponse(f"{PATH}?changed={id_}", status_code=303)


@router.post(PATH + "/holds/{hold_id}")
async def release(hold_id: UUID, service: Here, who: Holder, asked: Annotated[ReleaseForm, Form()]) -> Response:
    """Release a hold; erasures that it stopped go on."""
    await service.data_life.erasures.release(hold_id, by=who.user_id, because=asked.reason)
    return RedirectResponse(f"{PATH}?changed={hold_id}", status_code=303)


def _held(about: dict[str, Any]) -> str:
    return "placed" if about.get("in_force", True) else "released"


async def _refused(
    request: Request, service: Service, who: Principal, *, asked: PersonForm, fault: BadInput | Held
) -> Response:
    shown = page(request, "people.html", who, **await _shown(service), asked=asked, fault=fault.detail)
    shown.status_code = fault.status
    return shown


async def _shown(service: Service) -> dict[str, Any]:
    life = service.data_life
    async with life.keeper.work() as work:
        cases = await life.erasures.cases(work, await erasures.listed(work))
        shown = {
            "cases": cases,
            "left_out": await erasures.total(work) - len(cases),
            "holds": await holds.listed(work),
            "usecases": list(service.usecases),
        }
    return {**shown, "final": FINAL}
