"""What a data protection officer does for other people: export, erasure with its certificate, legal hold."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.me import JSON_FILE, ErasureOut, saved_as, shown
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal
from app.errors import BadInput
from app.store import erasures, holds
from app.store.holds import Hold

router = APIRouter(prefix="/v1/admin", tags=["admin"])
Exporter = Annotated[Principal, Depends(needs(Permission.EXPORT_PEOPLE))]
Eraser = Annotated[Principal, Depends(needs(Permission.ERASE_PEOPLE))]
Holder = Annotated[Principal, Depends(needs(Permission.HOLD_PEOPLE))]
Reason = Annotated[Text, Field(min_length=1, max_length=500, description="kept in the audit: name no one in it")]
Person = Annotated[Text, Field(min_length=1, max_length=200)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EraseIn(_In):
    """Why, and the person's id once more: there is no way back."""

    reason: Reason
    confirm: Person


class HoldIn(_In):
    """What is held: what is left out covers everything; `since` and `until` bound the time of the data.

    `told` is what the person may be told of the reason; `ends_at` is when the hold ends by itself.
    """

    user_id: Annotated[Text, Field(max_length=200)] = ""
    usecase: Annotated[Text, Field(max_length=100)] = ""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    reason: Reason
    told: Annotated[Text, Field(min_length=1, max_length=500)]
    ends_at: AwareDatetime | None = None

    def hold(self) -> Hold:
        """Give it as it is placed. Raises BadInput where it would cover everything."""
        if not (self.user_id or self.usecase or self.since or self.until):
            raise BadInput("A hold of everything is none: name a person, a use case or a time.")
        return Hold(**self.model_dump())


class ReleaseIn(_In):
    """Why it ends."""

    reason: Reason


class HoldOut(BaseModel):
    """A legal hold; `in_force` is false once it was released or has ended."""

    id: UUID
    user_id: str
    usecase: str
    since: datetime | None
    until: datetime | None
    reason: str
    told: str
    placed_by: str
    placed_at: datetime
    ends_at: datetime | None
    released_by: str | None
    released_because: str | None
    released_at: datetime | None
    in_force: bool


class CaseOut(ErasureOut):
    """A request to erase a person, as an officer sees it."""

    user_id: str
    requested_by: str
    reason: str
    proven: bool = Field(description="the certificate is as it was written, and the audit has its hash")


@router.get(
    "/people/{person:path}/export",
    response_class=StreamingResponse,
    responses={**JSON_FILE, **declared(403)},
)
async def export(person: Person, service: Here, who: Exporter, reason: Annotated[Reason, Query()]) -> StreamingResponse:
    """Give everything that is kept of a person, as they could take it along themselves; the reason is kept.

    Documents are quoted as far as the directory and config/roles.toml let the person read them.
    """
    subject = await service.people.principal(person)
    pieces = await service.data_life.export.noted(subject, by=who.user_id, because=reason)
    return saved_as(pieces, "person.json")


@router.post("/people/{person:path}/erase", status_code=202, response_model=ErasureOut, responses=declared(403, 409))
async def erase(person: Person, body: EraseIn, service: Here, who: Eraser, response: Response) -> Any:
    """Erase a person; where a request is open already, it is given. 409 while something of theirs is held."""
    if body.confirm != person:
        raise BadInput("There is no way back: `confirm` must be the person's id once more.")
    made = await service.data_life.erasures.request(person, by=who.user_id, because=body.reason)
    response.headers["Location"] = f"/v1/admin/erasures/{made.id}"
    return shown(made)


@router.get("/erasures", response_model=list[CaseOut], responses=declared(403))
async def list_erasures(service: Here, _: Eraser, person: Annotated[Text, Query(max_length=200)] = "") -> Any:
    """List requests to erase people, the newest first; with `person` those about one of them."""
    async with service.data_life.keeper.work() as work:
        found = await erasures.listed(work, user_id=person)
        return await service.data_life.erasures.cases(work, found)


@router.get("/erasures/{erasure_id}", response_model=CaseOut, responses=declared(403, 404))
async def read_erasure(erasure_id: UUID, service: Here, _: Eraser) -> Any:
    """Give a request with its certificate."""
    async with service.data_life.keeper.work() as work:
        return await service.data_life.erasures.case(work, await erasures.get(work, erasure_id))


@router.get("/holds", response_model=list[HoldOut], responses=declared(403))
async def list_holds(service: Here, _: Holder, person: Annotated[Text, Query(max_length=200)] = "") -> Any:
    """List legal holds, those in force first; with `person` those that name one."""
    async with service.data_life.keeper.work() as work:
        return await holds.listed(work, user_id=person)


@router.post("/holds", status_code=201, responses=declared(403))
async def place(body: HoldIn, service: Here, who: Holder) -> dict[str, UUID]:
    """Put data under a legal hold: it is neither erased nor deleted by age until the hold is released."""
    async with service.data_life.keeper.work() as work:
        return {"id": await holds.place(work, body.hold(), by=who.user_id)}


@router.post("/holds/{hold_id}/release", status_code=204, responses=declared(403, 404, 409))
async def release(hold_id: UUID, body: ReleaseIn, service: Here, who: Holder) -> None:
    """Release a hold: what it kept is due again, and erasures that it stopped go on."""
    await service.data_life.erasures.release(hold_id, by=who.user_id, because=body.reason)
