"""Pages about documents: what one may read, found by words, source and state; and new readers for those one sent."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.console.changes import Change, Undo
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, Visitor, needs
from app.domain.access import Access
from app.domain.identity import Permission, Principal
from app.errors import BadInput, Conflict, Forbidden, NotFound
from app.store import audit
from app.store.documents import Document
from app.store.shelf import Wanted
from app.telemetry.scrub import mask
from app.wiring.service import Service
from app.work.shelf import SHARED

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Opener = Annotated[Principal, Depends(needs(Permission.OPEN_CONSOLE))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500, strip_whitespace=True)]
PER_PAGE = 50


class DocumentFilter(BaseModel):
    """Which documents to show; "" is any, and `offset` is where a page begins."""

    text: Words = ""
    usecase: Words = ""
    source: Words = ""
    status: Literal["", "ready", "failed"] = ""
    mine: Literal["", "yes"] = ""
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    changed: Words = ""

    def address(self, **changes: object) -> str:
        """Give the address of the page with these changes."""
        kept = {**self.model_dump(exclude_defaults=True, exclude={"changed"}), **changes}
        return "?" + urlencode({name: value for name, value in kept.items() if value is not None})

    def wanted(self, who: Principal) -> Wanted:
        """Give it as the shelf is asked."""
        owner = who.user_id if self.mine else ""
        return Wanted(text=self.text, usecase=self.usecase, source=self.source, status=self.status, owner=owner)


class AccessForm(BaseModel):
    """Who may read a document from now on, and why; names are parted by commas."""

    model_config = ConfigDict(extra="forbid")

    readers: Words = ""
    denied: Words = ""
    classification: Words = ""
    regions: Words = ""
    reason: Words = ""

    @property
    def given(self) -> dict[str, Any]:
        """Give it as rights are written elsewhere."""
        lists = {name: _names(getattr(self, name)) for name in ("readers", "denied", "regions")}
        return {**lists, "classification": self.classification}


def _names(written: str) -> list[str]:
    return [name.strip() for name in written.split(",") if name.strip()]


@router.get("/console/documents")
async def documents(
    request: Request, service: Here, who: Opener, asked: Annotated[DocumentFilter, Query()]
) -> Response:
    """Show the documents that this person may read, by title."""
    found, counts = await service.lookback.shelf.found(who, asked.wanted(who), limit=PER_PAGE, offset=asked.offset)
    return page(
        request,
        "documents.html",
        who,
        asked=asked,
        rows=[_row(document, who) for document in found],
        counts=counts,
        change=await _changed(service, who, asked.changed),
        newest=asked.address(offset=None) if asked.offset else "",
        older=asked.address(offset=asked.offset + PER_PAGE) if len(found) == PER_PAGE else "",
    )


def _row(document: Document, who: Principal) -> dict[str, Any]:
    access, is_mine = document.facts.access, document.facts.owner == who.user_id
    # Who else may read it, and who must not, is its owner's business; operators ask, with a reason.
    readers = access.readers if is_mine else tuple(name for name in access.readers if name in who.claims.names)
    return {"document": document, "readers": readers, "is_mine": is_mine}


@router.get("/console/documents/{document_id}")
async def sharing(request: Request, document_id: UUID, service: Here, who: Visitor, changed: bool = False) -> Response:
    """Show who may read a document of one's own, and the form that changes it."""
    document = await service.lookback.shelf.mine(who, document_id)
    change = await _changed(service, who, str(document_id)) if changed else None
    return _form(request, service, who, document, asked=_written(document.facts.access), change=change)


@router.post("/console/documents/{document_id}")
async def share(
    request: Request, document_id: UUID, service: Here, who: Visitor, form: Annotated[AccessForm, Form()]
) -> Response:
    """Give a document other readers; a job carries it out."""
    document = await service.lookback.shelf.mine(who, document_id)
    try:
        await service.lookback.shelf.share(who, document_id, form.given, because=form.reason)
    except BadInput as error:
        shown = _form(request, service, who, document, asked=form.model_dump(), fault=mask(error.detail))
        shown.status_code = 422
        return shown
    # Who has no list of documents in the console stays at this one.
    target = f"?changed={document_id}" if who.may(Permission.OPEN_CONSOLE) else f"/{document_id}?changed=true"
    return RedirectResponse(f"/console/documents{target}", status_code=303)


def _form(
    request: Request,
    service: Service,
    who: Principal,
    document: Document,
    *,
    asked: Mapping[str, Any],
    change: Change | None = None,
    fault: str = "",
) -> Response:
    told = {"asked": asked, "levels": list(service.people.roles.levels[: who.clearance + 1])}
    return page(request, "document.html", who, document=document, change=change, fault=fault, **told)


def _written(access: Access | Mapping[str, Any]) -> dict[str, str]:
    told = access if isinstance(access, Mapping) else {name: getattr(access, name) for name in Access.__slots__}
    lists = {name: ", ".join(told[name]) for name in ("readers", "denied", "regions")}
    return {**lists, "classification": str(told["classification"])}


async def _changed(service: Service, who: Principal, document_id: str) -> Change | None:
    """Tell of the change that this person has just made, and of no other."""
    if not document_id:
        return None
    async with service.database.work() as work:
        row = next(iter(await audit.history(work, subject=document_id, limit=1)), None)
    if row is None or row["actor"] != who.user_id or row["action"] != SHARED:
        return None
    try:
        document = await service.lookback.shelf.mine(who, UUID(document_id))
    except (NotFound, Conflict, Forbidden):  # gone meanwhile
        return None
    undo = Undo(f"/console/documents/{document_id}", _written(row["before"]), "Give it the former readers again")
    told = (_told(row["before"]), _told(row["after"]))
    return Change(document.facts.title, *told, row["actor"], row["reason"], row["at"], undo)


def _told(access: Mapping[str, Any]) -> str:
    more = [f"not {name}" for name in access["denied"]] + [f"in {region}" for region in access["regions"]]
    return ", ".join([*access["readers"], *more, *([access["classification"]] if access["classification"] else [])])
