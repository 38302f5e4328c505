"""The jobs about documents: follow a source, read what somebody sent, change who may read it, delete it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from app.domain.access import Access, parse
from app.domain.identity import Principal
from app.domain.job import Job
from app.domain.source import AnySource
from app.domain.usecase import UseCase
from app.errors import BadInput, NotFound
from app.retrieval.sources import Sources
from app.store import documents, holds
from app.store.db import Database
from app.store.documents import Facts
from app.store.sources import alone
from app.work.contents import Contents, File
from app.work.following import Following
from app.work.listing import Report

UPLOADS = "upload"


@dataclass(frozen=True, slots=True)
class Ingestion:
    """Runs the jobs about documents; `database` is the one of the role app_ingest, which sees them all.

    `principal` gives whoever asked for a job, with the rights of now.
    """

    database: Database
    contents: Contents
    usecases: Mapping[str, UseCase]
    sources: Sources
    principal: Callable[[Job], Awaitable[Principal]]

    async def run(self, job: Job, report: Report) -> dict[str, Any]:
        """Do a job of the kind ingest, upload, delete or access; the result says what became of each document.

        Raises BadInput for an unusable job or access, NotFound for what its submitter may not know of; for a source
        also SourceBusy, SourceFailed and Conflict.
        """
        if job.kind == "ingest":
            return await self._ingest(job, report)
        if job.kind == "upload":
            return await self._upload(job, report)
        if job.kind == "delete":
            return await self._delete(job)
        if job.kind == "access":
            return await self._access(job)
        raise BadInput(f"A job of the kind {job.kind!r} is not about documents.")

    async def _ingest(self, job: Job, report: Report) -> dict[str, Any]:
        who = await self.principal(job)
        async with self.sources.opened(self._source(job)) as source:
            return await Following(self.database, self.contents, source, job, who.claims, report).run()

    async def _upload(self, job: Job, report: Report) -> dict[str, Any]:
        id = _id(job, "upload_id")
        async with self.database.work() as work:
            upload = await documents.upload(work, id)
            stored = await documents.find(work, id)
        if upload is None:
            if stored is None:
                raise NotFound("The uploaded file is gone; send it again.")
            return {"document_id": str(id), "status": stored.status, "detail": stored.detail}
        facts = Facts(
            usecase=job.usecase,
            source=UPLOADS,
            path=f"{id}/{upload.filename}",
            title=str(job.input.get("title") or upload.filename),
            access=self._given(job) or Access((f"user:{upload.user_id}",)),
            media_type=upload.media_type,
            owner=upload.user_id,
        )
        content = await self.contents.of(File(facts.title, upload.filename, upload.media_type, upload.content), job)
        async with self.database.work() as work:
            await alone(work, facts.usecase)
            await documents.save(work, id, facts, content)
            await documents.forget_upload(work, id)
        await report(1, 1, upload.filename)
        status = "failed" if content.failure else "ready"
        detail = content.failure or content.note
        return {"document_id": str(id), "status": status, "detail": detail, "chunks": len(content.pieces)}

    async def _delete(self, job: Job) -> dict[str, Any]:
        id = _id(job, "document_id")
        claims = (await self.principal(job)).claims
        async with self.database.work() as work:
            await alone(work, job.usecase)
            # Gone already is what a second run of this job finds.
            if found := await documents.find(work, id):
                await documents.get(work, id, claims=claims)
                await holds.refuse_one(work, found.facts.owner, job.usecase, span=(found.updated_at, found.updated_at))
            return {"document_id": str(id), "removed": await documents.remove(work, [id])}

    async def _access(self, job: Job) -> dict[str, Any]:
        id = _id(job, "document_id")
        access = self._given(job)
        if access is None:
            raise BadInput("The job needs `access`, which says who may read the document.")
        claims = (await self.principal(job)).claims
        async with self.database.work() as work:
            await alone(work, job.usecase)
            found = await documents.find(work, id)
            # A second run of this job may find that its submitter cannot read the document any more.
            if found is None or found.facts.access != access:
                found = await documents.get(work, id, claims=claims)
                await documents.change(work, id, replace(found.facts, access=access))
        follows = found.facts.source != UPLOADS
        note = f"The source {found.facts.source!r} sets its access again at its next ingestion." if follows else ""
        return {"document_id": str(id), **asdict(access), "note": note}

    def _given(self, job: Job) -> Access | None:
        given = job.input.get("access")
        return parse(given, levels=self.sources.levels) if isinstance(given, Mapping) and given else None

    def _source(self, job: Job) -> AnySource:
        usecase = self.usecases.get(job.usecase)
        sources = {source.name: source for source in usecase.sources} if usecase else {}
        name = str(job.input.get("source", ""))
        if name not in sources:
            raise NotFound(f"{job.usecase!r} has no source {name!r}; it has: {', '.join(sources) or 'none'}.")
        return sources[name]


def _id(job: Job, name: str) -> UUID:
    try:
        return UUID(str(job.input[name]))
    except (KeyError, ValueError) as error:
        raise BadInput(f"The job needs `{name}`, the id of a document.") from error
