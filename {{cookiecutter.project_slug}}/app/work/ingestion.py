"""Documents in: read, screened, embedded and stored with their readers, one transaction for each.

A killed worker leaves finished documents finished: the next run skips what has not changed. Deletions and changes of
rights come first, because they must not wait for slow files.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog

from app.domain.identity import Principal
from app.domain.job import Job
from app.domain.usecase import Source, UseCase
from app.errors import BadInput, NotFound, Unreadable
from app.retrieval.chunk import Parsed
from app.retrieval.embed import Embedder
from app.retrieval.listing import Listed, bytes_of, media_type_of, read_listing
from app.retrieval.parse import PARSER_VERSION, parse
from app.store import documents
from app.store.db import Database
from app.store.documents import Content, Document, Facts, Piece

log = structlog.get_logger(__name__)
Report = Callable[[int, int, str], Awaitable[None]]
UPLOADS = "upload"


@dataclass(frozen=True, slots=True)
class _File:
    filename: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Ingestion:
    """Runs the jobs about documents; `database` is the one of the role app_ingest, which sees them all."""

    database: Database
    embedder: Embedder
    usecases: Mapping[str, UseCase]
    is_suspicious: Callable[[str], bool]

    async def run(self, job: Job, report: Report) -> dict[str, Any]:
        """Do a job of the kind ingest, upload, delete or readers; the result says what became of each document.

        Raises BadInput for an unusable job or list of readers, NotFound for what its submitter may not know of.
        """
        if job.kind == "ingest":
            return await self._ingest(job, report)
        if job.kind == "upload":
            return await self._upload(job, report)
        if job.kind == "delete":
            return await self._delete(job)
        if job.kind == "readers":
            return await self._readers(job)
        raise BadInput(f"A job of the kind {job.kind!r} is not about documents.")

    async def _ingest(self, job: Job, report: Report) -> dict[str, Any]:
        source = self._source(job)
        listing = await asyncio.to_thread(read_listing, source)
        result: dict[str, Any] = {"added": 0, "changed": 0, "unchanged": 0, "removed": 0, "failed": []}
        result["unlisted"] = listing.unlisted
        present = {listed.path: _facts(job.usecase, source.name, listed) for listed in listing.documents}
        async with self.database.work() as work:
            known = await documents.of_source(work, job.usecase, source.name)
            result["removed"] = await documents.remove(work, [known[path].id for path in known.keys() - present.keys()])
            for path in known.keys() & present.keys():
                if known[path].facts.readers != present[path].readers:
                    await documents.change(
                        work, known[path].id, replace(known[path].facts, readers=present[path].readers)
                    )
        for done, (path, facts) in enumerate(present.items(), start=1):
            content = await asyncio.to_thread(bytes_of, source, path)
            outcome, detail = await self._bring(facts, _File(path, facts.media_type, content), known.get(path))
            result[outcome] += 1
            if detail:
                result["failed"].append({"path": path, "detail": detail})
            await report(done, len(present), path)
        log.info("ingestion.done", usecase=job.usecase, source=source.name, documents=len(present))
        return result

    async def _bring(self, facts: Facts, file: _File, known: Document | None) -> tuple[str, str]:
        """Store the document unless it stands there already; gives added, changed or unchanged, and why it failed."""
        hash_ = self._hash(facts, file)
        if known and known.content_hash == hash_:
            detail = known.detail if known.status == "failed" else ""
            if known.facts == facts:
                return "unchanged", detail
            async with self.database.work() as work:
                await documents.change(work, known.id, facts)
            return "changed", detail
        content = await self._content(hash_, file)
        async with self.database.work() as work:
            await documents.save(work, documents.document_id(facts.usecase, facts.source, facts.path), facts, content)
        return "changed" if known else "added", content.failure

    async def _content(self, hash_: str, file: _File) -> Content:
        try:
            parsed = await asyncio.to_thread(parse, file.content, filename=file.filename, media_type=file.media_type)
        except Unreadable as error:
            log.warning("ingestion.unreadable", reason=error.extra.get("reason"), size=len(file.content))
            return Content(hash_, failure=error.detail)
        vectors = await self.embedder.embed([f"{chunk.heading}\n{chunk.text}" for chunk in parsed.chunks])
        pieces = tuple(
            Piece(chunk.heading, chunk.page, chunk.text, self.is_suspicious(f"{chunk.heading}\n{chunk.text}"), vector)
            for chunk, vector in zip(parsed.chunks, vectors, strict=True)
        )
        return Content(hash_, pieces, note=self._note(parsed))

    def _note(self, parsed: Parsed) -> str:
        if not parsed.hidden:
            return ""
        if self.is_suspicious(parsed.hidden):
            return "Hidden text was left out; it reads like instructions to an AI. Ask the author."
        return "Hidden text was left out."

    def _hash(self, facts: Facts, file: _File) -> str:
        made_by = f"{PARSER_VERSION}|{self.embedder.name}|{facts.title}|{file.filename}|"
        return sha256(made_by.encode() + file.content).hexdigest()

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
            usecase=job.usecase or str(job.input.get("usecase", "")),
            source=UPLOADS,
            path=f"{id}/{upload.filename}",
            title=str(job.input.get("title") or upload.filename),
            readers=documents.normal_readers(job.input.get("readers") or [f"user:{upload.user_id}"]),
            media_type=upload.media_type,
            owner=upload.user_id,
        )
        file = _File(upload.filename, upload.media_type, upload.content)
        content = await self._content(self._hash(facts, file), file)
        async with self.database.work() as work:
            await documents.save(work, id, facts, content)
            await documents.forget_upload(work, id)
        await report(1, 1, upload.filename)
        status = "failed" if content.failure else "ready"
        detail = content.failure or content.note
        return {"document_id": str(id), "status": status, "detail": detail, "chunks": len(content.pieces)}

    async def _delete(self, job: Job) -> dict[str, Any]:
        id = _id(job, "document_id")
        async with self.database.work() as work:
            # Gone already is what a second run of this job finds.
            if await documents.find(work, id):
                await documents.get(work, id, readers=_readers_of(job))
            return {"document_id": str(id), "removed": await documents.remove(work, [id])}

    async def _readers(self, job: Job) -> dict[str, Any]:
        id = _id(job, "document_id")
        readers = documents.normal_readers(job.input.get("readers") or [])
        async with self.database.work() as work:
            found = await documents.find(work, id)
            # A second run of this job may find that its submitter cannot read the document any more.
            if found is None or found.facts.readers != readers:
                found = await documents.get(work, id, readers=_readers_of(job))
                await documents.change(work, id, replace(found.facts, readers=readers))
        follows = found.facts.source != UPLOADS
        note = f"The source {found.facts.source!r} sets the readers again at its next ingestion." if follows else ""
        return {"document_id": str(id), "readers": list(readers), "note": note}

    def _source(self, job: Job) -> Source:
        usecase = self.usecases.get(job.usecase)
        sources = {source.name: source for source in usecase.sources} if usecase else {}
        name = str(job.input.get("source", ""))
        if name not in sources:
            raise NotFound(f"{job.usecase!r} has no source {name!r}; it has: {', '.join(sources) or 'none'}.")
        return sources[name]


def _facts(usecase: str, source: str, listed: Listed) -> Facts:
    return Facts(
        usecase=usecase,
        source=source,
        path=listed.path,
        title=listed.title,
        readers=documents.normal_readers(listed.readers),
        media_type=media_type_of(listed.path),
        effective_on=listed.effective_on,
        superseded=listed.superseded,
    )


def _readers_of(job: Job) -> tuple[str, ...]:
    return Principal(job.user_id, groups=job.groups).readers


def _id(job: Job, name: str) -> UUID:
    try:
        return UUID(str(job.input[name]))
    except (KeyError, ValueError) as error:
        raise BadInput(f"The job needs `{name}`, the id of a document.") from error
