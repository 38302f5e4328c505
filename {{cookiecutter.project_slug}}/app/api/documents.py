"""Documents: send one, list what I may read and why some failed, say who may read mine, delete mine."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Query, Response, UploadFile

from app.api.deps import Asker, Here, needs
from app.api.papers import filename_of, media_type_of
from app.api.problems import declared
from app.api.ratelimit import Visiting
from app.api.shapes import AccessIn, DocumentOut, JobAccepted, Text
from app.domain.identity import Permission, Principal
from app.errors import BadInput, Forbidden, quoted
from app.store import documents
from app.store.documents import Document
from app.store.jobs import Order
from app.wiring.service import Service
from app.work.shelf import UNSAID

router = APIRouter(prefix="/v1/documents", tags=["documents"])
Writer = Annotated[Principal, Depends(needs(Permission.WRITE_DOCUMENTS))]


async def _given(
    readers: Annotated[list[Text] | None, Form(description="who may read it; left out: only you")] = None,
    denied: Annotated[list[Text] | None, Form(description="who may not, although a reader")] = None,
    classification: Annotated[Text, Form(max_length=50, description="a level of config/roles.toml")] = "",
    regions: Annotated[list[Text] | None, Form(description="only people of one of these")] = None,
) -> dict[str, Any]:
    return {"readers": readers, "denied": denied, "classification": classification, "regions": regions}


Given = Annotated[dict[str, Any], Depends(_given)]


@dataclass(frozen=True, slots=True)
class Sent:
    """A file, the use case it is for, and its title."""

    file: UploadFile
    usecase: str
    title: str


async def _sent(
    file: Annotated[UploadFile, File(description="Markdown, HTML, PDF, Word, PowerPoint, Excel, e-mail, text or CSV")],
    usecase: Annotated[Text, Form(max_length=100)],
    title: Annotated[Text, Form(max_length=200)] = "",
) -> Sent:
    return Sent(file, usecase, title)


@router.get("", response_model=list[DocumentOut], responses=declared())
async def list_documents(
    service: Here,
    who: Asker,
    usecase: Annotated[Text, Query(max_length=100)] = "",
    status: Annotated[Literal["ready", "failed"] | None, Query(description="left out: both")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Any:
    """List the documents that you may read, by title; those that could not be read say why."""
    async with service.database.work(claims=who.claims) as work:
        found = await documents.visible(
            work, claims=who.claims, usecase=usecase, status=status or "", limit=limit, offset=offset
        )
    return [shown(document, who) for document in found]


@router.get("/{document_id}", response_model=DocumentOut, responses=declared(404))
async def read_document(document_id: UUID, service: Here, who: Asker) -> Any:
    """Give one document that you may read."""
    return shown(await _visible(service, who, document_id), who)


@router.post("", status_code=202, response_model=JobAccepted, responses=declared(403, 404, 413, 429))
async def send(
    service: Here,
    who: Writer,
    visit: Visiting,
    response: Response,
    sent: Annotated[Sent, Depends(_sent)],
    given: Given,
) -> JobAccepted:
    """Send a document; a job reads it, and it can be found once the job has succeeded."""
    _ensure_taken(service, who, sent.usecase)
    readers = given["readers"] or [f"user:{who.user_id}"]
    access = asdict(service.lookback.shelf.granted(who, {**given, "readers": readers}))
    content = await sent.file.read()
    await service.limiting.upload(who, sent.usecase, visit, size_bytes=len(content))
    async with service.database.work() as work:
        upload_id = await documents.add_upload(
            work,
            user_id=who.user_id,
            filename=filename_of(sent.file),
            media_type=media_type_of(sent.file),
            content=content,
        )
    order = {"upload_id": str(upload_id), "title": sent.title, "access": access}
    upload = Order("upload", sent.usecase, who.user_id, who.token_groups, order, total=1)
    return _accepted(response, await service.jobs.submit(upload))


@router.put("/{document_id}/access", status_code=202, response_model=JobAccepted, responses=declared(403, 404, 409))
async def change_access(
    document_id: UUID, body: AccessIn, service: Here, who: Writer, response: Response
) -> JobAccepted:
    """Say who may read a document of yours; holds for every search once the job has succeeded."""
    given = body.model_dump(exclude={"reason"})
    return _accepted(
        response, await service.lookback.shelf.share(who, document_id, given, because=body.reason.strip() or UNSAID)
    )


@router.delete("/{document_id}", status_code=202, response_model=JobAccepted, responses=declared(403, 404, 409))
async def delete_document(
    document_id: UUID,
    service: Here,
    who: Writer,
    response: Response,
    reason: Annotated[Text, Query(max_length=500, description="why; kept in the audit")] = "",
) -> JobAccepted:
    """Delete a document of yours; 409 while it is under a legal hold."""
    return _accepted(response, await service.lookback.shelf.delete(who, document_id, because=reason.strip() or UNSAID))


def _accepted(response: Response, job_id: UUID) -> JobAccepted:
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return JobAccepted(job_id=job_id)


async def _visible(service: Service, who: Principal, document_id: UUID) -> Document:
    async with service.database.work(claims=who.claims) as work:
        return await documents.get(work, document_id, claims=who.claims)


def _ensure_taken(service: Service, who: Principal, usecase: str) -> None:
    """Raise BadInput for a use case that there is not, Forbidden for one that takes no documents of this person."""
    found = service.usecases.get(usecase)
    if found is None:
        there = ", ".join(name for name, case in service.usecases.items() if case.admits(who))
        raise BadInput(f"There is no use case {quoted(usecase)}; there are: {there or 'none that you may use'}.")
    if not (found.contract.access.takes_documents(who) and found.admits(who)):
        raise Forbidden(f"You may not send documents to {usecase!r}.")


def shown(document: Document, who: Principal) -> dict[str, Any]:
    """Give the JSON of a document as this person may know it."""
    facts = document.facts
    access, is_mine = facts.access, facts.owner == who.user_id
    return {
        "id": document.id,
        "usecase": facts.usecase,
        "source": facts.source,
        "path": facts.path,
        "title": facts.title,
        "media_type": facts.media_type,
        "effective_on": facts.effective_on,
        "superseded": facts.superseded,
        # Who else may read it, and who must not, is its owner's business.
        "readers": list(access.readers) if is_mine else sorted(set(access.readers) & set(who.claims.names)),
        "denied": list(access.denied) if is_mine else [],
        "classification": access.classification,
        "regions": list(access.regions),
        "owner": facts.owner,
        "status": document.status,
        "detail": document.detail,
        "updated_at": document.updated_at,
    }
