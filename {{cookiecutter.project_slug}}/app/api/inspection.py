"""Operators' looks at documents: who can read one, what a person can read, why a search did not find one."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal
from app.work.inspecting import Explanation, Question
from app.work.readers import Readable, Readers

router = APIRouter(prefix="/v1/admin", tags=["admin"])
Inspector = Annotated[Principal, Depends(needs(Permission.INSPECT_DOCUMENTS))]
Name = Annotated[Text, Field(min_length=1, max_length=500)]
Reason = Annotated[Text, Query(min_length=1, max_length=500, description="why you look; kept in the audit")]
Groups = Annotated[list[Text] | None, Query(max_length=100, description="groups of the person's identity token")]


class WhyIn(BaseModel):
    """A question as somebody; perhaps about a document (id, path, title), and a passage of it (place from 1, or id)."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[Text, Field(min_length=1, max_length=100_000)]
    usecase: Annotated[Text, Field(max_length=100)]
    person: Name
    groups: Annotated[list[Text], Field(max_length=100, description="groups of the person's identity token")] = []
    document: Annotated[Text, Field(max_length=500)] = ""
    chunk: Annotated[int, Field(ge=1)] | None = None
    reason: Annotated[Text, Field(min_length=1, max_length=500, description="why you look; kept in the audit")]


@router.get("/documents/{document:path}/readers", response_model=list[Readers], responses=declared(403, 404))
async def readers(document: Name, service: Here, who: Inspector, reason: Reason) -> Any:
    """Say who can read a document (id, path or title): its access, since when, by which job, and each known person."""
    return await service.inspection.readers(who, document, because=reason)


@router.get("/people/{person}/documents", response_model=Readable, responses=declared(403, 404))
async def readable(person: Name, service: Here, who: Inspector, reason: Reason, group: Groups = None) -> Any:
    """Say how many documents of each source a person can read, by which names, and what keeps the others from them."""
    return await service.inspection.readable(who, person, because=reason, groups=tuple(group or ()))


@router.post("/why", response_model=Explanation, responses=declared(403, 404))
async def why(body: WhyIn, service: Here, who: Inspector) -> Any:
    """Search as somebody, without a model, and say what stands between the question and a document."""
    asked = Question(body.question, body.usecase, body.person, tuple(body.groups), body.document, body.chunk)
    return await service.inspection.why(who, asked, because=body.reason)
