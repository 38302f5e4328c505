"""What changes something: each asks for a reason, comes from one of our own pages, and answers with a redirect."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.errors import BadInput

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Flipper = Annotated[Principal, Depends(needs(Permission.FLIP_SWITCHES))]
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Flip(_Form):
    """Which switch, which way, and why."""

    subject: Annotated[Words, Field(max_length=100)]
    to: Literal["on", "off"]
    reason: Annotated[Words, Field(max_length=500)] = ""


class Decision(_Form):
    """What a reviewer decides, and why; `data` is JSON, and so are the `arguments` of the actions at `place`."""

    decision: Literal["approve", "reject"]
    text: Annotated[Words, Field(max_length=20_000)] = ""
    data: Annotated[Words, Field(max_length=20_000)] = ""
    place: list[int] = []
    arguments: list[Annotated[Words, Field(max_length=20_000)]] = []
    reason: Annotated[Words, Field(max_length=1000)] = ""


@router.post("/console/switches")
async def flip(service: Here, who: Flipper, form: Annotated[Flip, Form()]) -> RedirectResponse:
    """Turn a kill switch; the reason reaches the audit."""
    await service.flags.flip(form.subject, enabled=form.to == "on", by=who.user_id, because=form.reason)
    return RedirectResponse("/console/switches?" + urlencode({"changed": form.subject}), status_code=303)


@router.post("/console/reviews/{review_id}")
async def decide(review_id: UUID, service: Here, who: Reviewer, form: Annotated[Decision, Form()]) -> RedirectResponse:
    """Approve a draft, perhaps edited, or reject it."""
    if len(form.place) != len(form.arguments):
        raise BadInput("Each action needs its place and its arguments.")
    written = {place: _data(text) for place, text in zip(form.place, form.arguments, strict=True) if text.strip()}
    edited = {
        "text": form.text.replace("\r\n", "\n").strip() or None,
        "data": _data(form.data),
        "arguments": {place: arguments for place, arguments in written.items() if arguments is not None},
    }
    await service.reviews.decide(who, review_id, approve=form.decision == "approve", because=form.reason, edited=edited)
    return RedirectResponse("/console/reviews", status_code=303)


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
