"""Queued work: what it is, and where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

JobKind = Literal["turns", "ingest", "upload", "access", "delete", "actions", "embed", "retain", "erase", "shadow"]

# Owed to people however much is off: their rights, and what has to be forgotten.
DUTIES: tuple[JobKind, ...] = ("access", "delete", "erase", "retain")


@dataclass(frozen=True, slots=True)
class Pauses:
    """Which jobs wait: those of these use cases, or `everything`; duties never do."""

    everything: bool = False
    usecases: tuple[str, ...] = ()

    def hold(self, kind: JobKind, usecase: str) -> bool:
        """Say whether such a job waits."""
        return kind not in DUTIES and (self.everything or usecase in self.usecases)


NOTHING = Pauses()


class JobStatus(StrEnum):
    """queued → running → succeeded, failed or cancelled; `cancelling` until the worker has noticed."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Say whether nothing more will happen."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted piece of work; `done` of `total` items are finished."""

    id: UUID
    kind: JobKind
    user_id: str
    groups: tuple[str, ...]
    input: Mapping[str, Any]
    status: JobStatus
    total: int
    done: int
    created_at: datetime
    usecase: str = ""
    error: str = ""
    attempts: int = 0
    lease: UUID | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: Mapping[str, Any] | None = None
