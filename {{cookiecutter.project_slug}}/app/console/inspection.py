"""Two pages that see every document: why a search did not find one, and who can read one.

They open empty. A look is a form with a reason, which stands in the audit before anything is shown.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.console.charts import weighed
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.errors import BadInput, NotFound
from app.telemetry.scrub import mask
from app.wiring.service import Service
from app.work.inspecting import Question

# People of a document, or of a group, that the page names; those who may read it first.
MOST_PEOPLE = 200
router = APIRouter(route_class=PageRoute, include_in_schema=False)
Inspector = Annotated[Principal, Depends(needs(Permission.INSPECT_DOCUMENTS))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500, strip_whitespace=True)]


class WhyForm(BaseModel):
    """A question as somebody, perhaps about a document and a passage of it; `groups` are parted by commas."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=4000)] = ""
    usecase: Words = ""
    person: Words = ""
    groups: Words = ""
    document: Words = ""
    chunk: Annotated[int, Field(ge=1)] | None = None
    reason: Words = ""

    @field_validator("chunk", mode="before")
    @classmethod
    def _none_given(cls, value: object) -> object:
        return None if value == "" else value


class ReadersForm(BaseModel):
    """A document, or a person, and why one looks; `groups` are parted by commas."""

    model_config = ConfigDict(extra="forbid")

    about: Literal["document", "person"] = "document"
    name: Words = ""
    groups: Words = ""
    reason: Words = ""


@router.get("/console/why")
async def why_form(request: Request, service: Here, who: Inspector, asked: Annotated[WhyForm, Query()]) -> Response:
    """Show the empty form; a link may have filled in all of it but the reason."""
    return page(request, "why.html", who, asked=asked, found=None, rows=[], usecases=list(service.usecases), fault="")


@router.post("/console/why")
async def why(request: Request, service: Here, who: Inspector, asked: Annotated[WhyForm, Form()]) -> Response:
    """Search as somebody, and say what stands between the question and the document."""
    usecases, found, fault = list(service.usecases), None, ""
    question = Question(asked.question, asked.usecase, asked.person, _names(asked.groups), asked.document, asked.chunk)
    try:
        found = await service.inspection.why(who, question, because=asked.reason)
    except (BadInput, NotFound) as error:
        fault = mask(error.detail)
    rows = weighed([each.as_dict() for each in found.weighed]) if found else []
    shown = page(request, "why.html", who, asked=asked, found=found, rows=rows, usecases=usecases, fault=fault)
    shown.status_code = 422 if fault else 200
    return shown


@router.get("/console/readers")
async def readers_form(request: Request, who: Inspector, asked: Annotated[ReadersForm, Query()]) -> Response:
    """Show the empty form; a link may have filled in all of it but the reason."""
    return page(request, "readers.html", who, asked=asked, documents=[], seen=None, fault="", most=MOST_PEOPLE)


@router.post("/console/readers")
async def readers(request: Request, service: Here, who: Inspector, asked: Annotated[ReadersForm, Form()]) -> Response:
    """Say who can read a document, or what a person can read."""
    fault = ""
    shown: dict[str, object] = {"documents": [], "seen": None}
    try:
        shown |= await _looked(service, who, asked)
    except (BadInput, NotFound) as error:
        fault = mask(error.detail)
    response = page(request, "readers.html", who, asked=asked, fault=fault, most=MOST_PEOPLE, **shown)
    response.status_code = 422 if fault else 200
    return response


async def _looked(service: Service, who: Principal, asked: ReadersForm) -> dict[str, object]:
    look = service.inspection
    if asked.about == "document":
        return {"documents": await look.readers(who, asked.name, because=asked.reason)}
    return {"seen": await look.readable(who, asked.name, because=asked.reason, groups=_names(asked.groups))}


def _names(written: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in written.split(",") if name.strip())
