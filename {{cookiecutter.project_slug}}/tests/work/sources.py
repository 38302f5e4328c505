"""Use cases over a folder of documents, and jobs about it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from app.domain.contract import Contract
from app.domain.job import Job, JobKind, JobStatus
from app.domain.usecase import Source, UseCase


def usecase_over(folder: Path, readers_file: Path, *, name: str) -> UseCase:
    """Make a use case with the source "files"; ingestion never looks at its contract."""
    return UseCase(
        name=name, folder=folder, contract=cast(Contract, None), sources=(Source("files", folder, readers_file),)
    )


def job(kind: JobKind, *, usecase: str, user: str = "ada", groups: tuple[str, ...] = (), **input: Any) -> Job:
    """Make a running job as a worker would hold it."""
    return Job(
        id=uuid4(),
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
