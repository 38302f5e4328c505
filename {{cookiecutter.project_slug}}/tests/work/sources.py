"""Use cases over sources, the ingestion that reads them, and jobs about them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

from app.domain.contract import Contract
from app.domain.identity import Principal
from app.domain.job import Job, JobKind, JobStatus
from app.domain.source import AnySource, Folder
from app.domain.usecase import UseCase
from app.guard.injection import is_suspicious
from app.retrieval.embed import LexicalEmbedder, Vectors
from app.retrieval.reading import ReadingRoom
from app.retrieval.sources import Sources
from app.store.booking import Payer
from app.store.db import Database
from app.work.contents import Contents
from app.work.ingestion import Ingestion

LEVELS = ("public", "internal", "confidential")


class Lexical:
    """Vectors of the lexical embedder, for the space that every new database has."""

    async def passages(self, texts: Sequence[str], payer: Payer) -> Mapping[int, Vectors]:
        """Give one row per text."""
        return {1: await LexicalEmbedder().embed(texts)}


def usecase_with(*sources: AnySource, name: str, folder: Path = Path()) -> UseCase:
    """Make a use case with these sources; ingestion never looks at its contract."""
    return UseCase(name=name, folder=folder, contract=cast(Contract, None), sources=sources)


def usecase_over(folder: Path, readers_file: Path, *, name: str) -> UseCase:
    """Make a use case with the source "files"."""
    return usecase_with(Folder("files", folder, readers_file), name=name, folder=folder)


def ingestion_of(
    database: Database, reading: ReadingRoom, *cases: UseCase, suspicious: Any = is_suspicious, **secrets: str
) -> Ingestion:
    """Make the ingestion of these use cases; a submitter holds the groups of the job, and no clearance."""

    async def principal(job: Job) -> Principal:
        return Principal(job.user_id, groups=job.groups)

    contents = Contents(reading, Lexical(), suspicious)
    sources = Sources(lambda name: secrets.get(name, ""), LEVELS)
    return Ingestion(database, contents, {case.name: case for case in cases}, sources, principal)


def job(
    kind: JobKind,
    *,
    usecase: str,
    user: str = "ada",
    groups: tuple[str, ...] = (),
    id: UUID | None = None,
    **input: Any,
) -> Job:
    """Make a running job as a worker would hold it."""
    return Job(
        id=id or uuid4(),
        kind=kind,
        user_id=user,
        groups=groups,
        input=input,
        status=JobStatus.RUNNING,
        total=0,
        done=0,
        created_at=datetime.now(UTC),
        usecase=usecase,
    )
