"""The page of captured cases: what people said is right, and the form that makes it a case of the evaluation."""

from dataclasses import replace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.console.changes import Undo, latest
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.domain.usecase import second_person
from app.errors import BadInput
from app.store.captured import Status

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/captured"
REWORDED = "proposed in other words"
# What is said where no form takes a change back.
REMARKS = {
    "proposed": "Decide on it anew to undo this.",
    REWORDED: "Somebody who did not write these words accepts or rejects them.",
}
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]


class Shown(BaseModel):
    """Which cases to show, and which one was just decided on."""

    model_config = ConfigDict(extra="forbid")

    status: Status = "proposed"
    usecase: Annotated[Words, Field(max_length=100)] = ""
    changed: UUID | Literal[""] = ""


class Decision(BaseModel):
    """What becomes of a case, and why; `data` is JSON."""

    model_config = ConfigDict(extra="forbid")

    status: Status
    expected: Annotated[Words, Field(max_length=8000)] = ""
    data: Annotated[Words, Field(max_length=8000)] = ""
    reason: Annotated[Words, Field(max_length=1000)] = ""


@router.get(PATH)
async def captured(request: Request, service: Here, who: Reviewer, wanted: Annotated[Shown, Query()]) -> Response:
    """Show what was proposed, or what was decided on."""
    rows = await service.trying.captures.listed(who, usecase=wanted.usecase or None, status=wanted.status)
    left_out = await service.trying.captures.total(usecase=wanted.usecase or None, status=wanted.status) - len(rows)
    undo = Undo(f"{PATH}/{wanted.changed}", {"status": "proposed"}, "Take it back")
    change = await latest(service, str(wanted.changed), family="case.", told=_status, undo=undo, name="The case")
    if change and change.after in REMARKS:
        change = replace(change, undo=None, remark=REMARKS[change.after])
    shown = {"rows": rows, "left_out": left_out, "wanted": wanted, "change": change, "usecases": service.usecases}
    return page(request, "captured.html", who, **shown, second_person=second_person)


@router.post(PATH + "/{case_id}")
async def decide(case_id: UUID, service: Here, who: Reviewer, form: Annotated[Decision, Form()]) -> RedirectResponse:
    """Accept a case, or put another right answer forward; reject it, or take the decision back."""
    expected: Any = _data(form.data) if form.data.strip() else form.expected.replace("\r\n", "\n").strip() or None
    await service.trying.captures.decide(who, case_id, status=form.status, because=form.reason, expected=expected)
    return RedirectResponse(f"{PATH}?" + urlencode({"changed": str(case_id)}), status_code=303)


def _status(kept: Any) -> str:
    if not isinstance(kept, dict):
        return str(kept)
    return REWORDED if kept["status"] == "proposed" and kept.get("edited") else str(kept["status"])


def _data(text: str) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"The data is not valid JSON: {error}.") from error
    if not isinstance(data, dict):
        raise BadInput('The data is not a JSON object, as in {"queue": "billing"}.')
    return data
