"""Documents: send one, list what I may read, say who may read mine, delete mine."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Query, Response, UploadFile

from app.api.deps import Asker, Here, needs
from app.api.problems import declared
from app.api.shapes import DocumentOut, JobAccepted, ReadersIn, Text
from app.domain.identity import Permission, Principal
from app.errors import BadInput, Conflict, Forbidden
from app.store import documents
from app.store.documents import Document
from app.store.jobs import Order
from app.wiring.service import Service

router = APIRouter(prefix="/v1/documents", tags=["documents"])
Writer = Annotated[Principal, Depends(needs(Permission.WRITE_DOCUMENTS))]


@router.get("", response_model=list[DocumentOut], responses=declared())
async def list_documents(
    service: Here,
    who: Asker,
    usecase: Annotated[Text, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Any:
    """List the documents that you may read, by title."""
    async with service.database.work(readers=who.readers) as work:
        found = await documents.visible(work, readers=who.readers, usecase=usecase, limit=limit, offset=offset)
    return [_shown(document, who) for document in found]


@router.get("/{document_id}", response_model=DocumentOut, responses=declared(404))
async def read_document(document_id: UUID, service: Here, who: Asker) -> Any:
    """Give one document that you may read."""
    return _shown(await _visible(service, who, document_id), who)


@router.post("", status_code=202, response_model=JobAccepted, responses=declared(403, 404))
async def send(
    service: Here,
    who: Writer,
    response: Response,
    file: Annotated[UploadFile, File(description="Markdown, HTML, PDF, DOCX, text or CSV")],
    usecase: Annotated[Text, Form(max_length=100)],
    title: Annotated[Text, Form(max_length=200)] = "",
    readers: Annotated[list[Text] | None, Form(description="who may read it; left out: only you")] = None,
) -> JobAccepted:
    """Send a document; a job reads it, and it can be found once the job has succeeded."""
    _known(service, usecase)
    chosen = _granted(who, readers or [f"user:{who.user_id}"])
    async with service.database.work() as work:
        upload_id = await documents.add_upload(
            work,
            user_id=who.user_id,
            filename=_filename(file),
            media_type=(file.content_type or "application/octet-stream").replace("\x00", ""),
            content=await file.read(),
        )
    order = {"upload_id": str(upload_id), "title": title, "readers": chosen}
    return await _accept(service, response, Order("upload", usecase, who.user_id, who.groups, order, total=1))


@router.put("/{document_id}/readers", status_code=202, response_model=JobAccepted, responses=declared(403, 404, 409))
async def change_readers(
    document_id: UUID, body: ReadersIn, service: Here, who: Writer, response: Response
) -> JobAccepted:
    """Say who may read a document of yours; holds for every search once the job has succeeded."""
    mine = await _mine(service, who, document_id)
    order = {"document_id": str(document_id), "readers": _granted(who, body.readers)}
    return await _accept(service, response, Order("readers", mine.facts.usecase, who.user_id, who.groups, order))


@router.delete("/{document_id}", status_code=202, response_model=JobAccepted, responses=declared(403, 404, 409))
async def delete_document(document_id: UUID, service: Here, who: Writer, response: Response) -> JobAccepted:
    """Delete a document of yours."""
    mine = await _mine(service, who, document_id)
    order = {"document_id": str(document_id)}
    return await _accept(service, response, Order("delete", mine.facts.usecase, who.user_id, who.groups, order))


async def _accept(service: Service, response: Response, order: Order) -> JobAccepted:
    job_id = await service.jobs.submit(order)
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return JobAccepted(job_id=job_id)


async def _visible(service: Service, who: Principal, document_id: UUID) -> Document:
    async with service.database.work(readers=who.readers) as work:
        return await documents.get(work, document_id, readers=who.readers)


async def _mine(service: Service, who: Principal, document_id: UUID) -> Document:
    document = await _visible(service, who, document_id)
    if not document.facts.owner:
        raise Conflict(f"This document follows its source {document.facts.source!r}; change it there.")
    if document.facts.owner != who.user_id:
        raise Forbidden("Only the person who sent a document may change it.")
    return document


def _granted(who: Principal, readers: list[str]) -> list[str]:
    """Refuse readers that the sender does not belong to: nobody can push text before people outside their groups."""
    chosen = list(documents.normal_readers(readers))
    if foreign := set(chosen) - set(who.readers):
        allowed = ", ".join(who.readers)
        raise BadInput(f"You may share with {allowed}; not with {', '.join(sorted(foreign))}.")
    return chosen


def _known(service: Service, usecase: str) -> None:
    if usecase not in service.usecases:
        there = ", ".join(service.usecases) or "none yet"
        raise BadInput(f"There is no use case {usecase!r}; there are: {there}.")


def _filename(file: UploadFile) -> str:
    return (file.filename or "document").replace("\x00", "").rsplit("/", 1)[-1][-150:] or "document"


def _shown(document: Document, who: Principal) -> dict[str, Any]:
    facts = document.facts
    # Who else may read it is its owner's business.
    readers = facts.readers if facts.owner == who.user_id else tuple(set(facts.readers) & set(who.readers))
    return {
        "id": document.id,
        "usecase": facts.usecase,
        "source": facts.source,
        "path": facts.path,
        "title": facts.title,
        "media_type": facts.media_type,
        "effective_on": facts.effective_on,
        "superseded": facts.superseded,
        "readers": sorted(readers),
        "owner": facts.owner,
        "status": document.status,
        "detail": document.detail,
        "updated_at": document.updated_at,
    }
