"""The caller: what they may do and see here, and what is kept of them, to take along or to be erased."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app.api.deps import Asker, Here
from app.api.problems import declared
from app.domain.identity import Principal
from app.errors import BadInput, Forbidden
from app.store import erasures
from app.store.erasures import Erasure
from app.work.rights import Rights

router = APIRouter(prefix="/v1/me", tags=["me"])
Confirmation = Annotated[
    str | None, Header(alias="X-Confirm", max_length=200, description="your own user id: there is no way back")
]
JSON_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {"schema": {"type": "object"}}}}}


class MayOut(BaseModel):
    """What you may do in a use case besides asking, and what you may see there."""

    jobs: bool
    documents: bool = Field(description="send documents")
    see_cost: bool
    see_evidence: bool
    see_others: bool = Field(description="read other people's turns")


class OpenCaseOut(BaseModel):
    """A use case that is open to you; money in US dollars, null where you may not see it."""

    name: str
    title: str
    workflow: str
    may: MayOut
    waits_for_a_person: bool
    personal_data: Literal["mask", "allow", "refuse"] = Field(description="what becomes of it before a model is asked")
    readable_documents: int
    kept_days: int = Field(description="how long turns are kept")
    day_budget_usd: Decimal | None
    day_spent_usd: Decimal | None


class KeptOut(BaseModel):
    """How much is kept of you."""

    conversations: int
    turns: int
    opinions: int
    jobs: int
    documents: int = Field(description="sent by you")


class RightsOut(BaseModel):
    """Who you are here, what you may do and see, and what is kept of you, as it stands now.

    `readers` are the names as which you read documents; `levels` those up to which you may.
    """

    user_id: str
    name: str
    unit: str
    groups: list[str]
    permissions: list[str]
    readers: list[str]
    regions: list[str]
    by_key: bool
    clearance: str
    levels: list[str]
    usecases: list[OpenCaseOut]
    documents: int = Field(description="that you may read, of all use cases")
    kept: KeptOut


class CertificateOut(BaseModel):
    """What was erased, in rows by class, and what stays and why."""

    erasure_id: UUID
    person: str
    requested_by: str
    requested_at: datetime
    reason: str
    finished_at: datetime
    erased: dict[str, int]
    stays: list[dict[str, str]]


class ErasureOut(BaseModel):
    """A request to erase a person; `held`: a legal hold stopped it, and it goes on once that is released."""

    id: UUID
    status: str = Field(description="queued, running, held or done")
    requested_at: datetime
    finished_at: datetime | None
    counts: dict[str, int] = Field(description="rows erased so far, by class")
    certificate: CertificateOut | None = Field(description="once it is done")
    hash: str = Field(description="SHA-256 of the certificate as JSON with sorted keys; the audit has it too")


def shown(erasure: Erasure) -> dict[str, Any]:
    """Give a request as people see it."""
    return {name: getattr(erasure, name) for name in ErasureOut.model_fields}


def saved_as(pieces: Any, name: str) -> StreamingResponse:
    """Give a stream of JSON as a file that the browser saves."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces, media_type="application/json", headers=headers)


@router.get("/access", response_model=RightsOut, responses=declared())
async def access(service: Here, who: Asker) -> Any:
    """Say who you are here, what you may do and see in each use case, and how much is kept of you."""
    return await Rights(service.database, service.usecases, service.people.roles.levels).of(who)


@router.get("/export", response_class=StreamingResponse, responses={**JSON_FILE, **declared(403)})
async def export(service: Here, who: Asker) -> StreamingResponse:
    """Give everything that is kept of you as one JSON document: conversations, turns, jobs, files, reviews, keys.

    Answers that stand on documents which you may no longer read are withheld, as everywhere.
    """
    _in_person(who)
    return saved_as(service.data_life.export.of(who), "my-data.json")


@router.delete("", status_code=202, response_model=ErasureOut, responses=declared(403, 409))
async def erase(service: Here, who: Asker, response: Response, confirm: Confirmation = None) -> Any:
    """Erase everything that is kept of you: words and files go, counts and costs stay under a pseudonym.

    A job does it; where a request is open already, you get that one. 409 where the law has your data kept for now.
    """
    _in_person(who)
    if confirm != who.user_id:
        raise BadInput(f"There is no way back: send the header `X-Confirm: {who.user_id}` to confirm.")
    made = await service.data_life.erasures.request(who.user_id, by=who.user_id, because="the person's own request")
    response.headers["Location"] = f"/v1/me/erasures/{made.id}"
    return shown(made)


@router.get("/erasures/{erasure_id}", response_model=ErasureOut, responses=declared(404))
async def erasure(erasure_id: UUID, service: Here, who: Asker) -> Any:
    """Say how far the erasure of your data is, and give the certificate once it is done."""
    async with service.data_life.keeper.work() as work:
        return shown(await erasures.get(work, erasure_id, user_id=who.user_id))


def _in_person(who: Principal) -> None:
    if who.key_id:
        raise Forbidden("An API key neither exports nor erases a person; sign in yourself.")
