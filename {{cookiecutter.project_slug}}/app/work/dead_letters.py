"""Jobs that ended badly: seen by those who may, and put back in the queue with a reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.identity import Permission, Principal
from app.domain.job import Job, JobKind
from app.errors import BadInput, Conflict, Forbidden
from app.store import audit, jobs
from app.store.db import Database
from app.work.outbox import Relay

# Kinds that are not run again, and what is done instead.
INSTEAD: Mapping[JobKind, str] = {
    "actions": "its review is open again: whoever decides it anew has what is approved run",
    "retain": "the next one is submitted by the clock",
    "erase": "the erasure that is not done gets another job by itself",
    "embed": "the next one is submitted by itself when embeddings are still missing",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that failed; `given_up` when worker after worker died over it; `cannot` is why it is not run again."""

    id: UUID
    kind: JobKind
    usecase: str
    user_id: str
    error: str
    attempts: int
    total: int
    done: int
    created_at: datetime
    finished_at: datetime | None
    given_up: bool
    cannot: str


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Where operators look into jobs that failed."""

    database: Database
    relay: Relay

    async def listed(self, who: Principal, *, before: datetime | None = None, limit: int = 100) -> list[DeadLetter]:
        """List jobs that failed, the newest first; `before` is where a page begins. Raises Forbidden."""
        _needs(who)
        async with self.database.work() as work:
            return [_letter(job) for job in await jobs.failed(work, before=before, limit=limit)]

    async def replay(self, who: Principal, id: UUID, *, because: str) -> Job:
        """Put a failed job back in the queue: what is done of it stays done. Undone by cancelling it.

        Raises Forbidden, NotFound, BadInput without a reason, Conflict for what did not fail or is not run again.
        """
        _needs(who)
        if not because.strip():
            said = "Say why: the reason is kept with the change."
            raise BadInput(said, errors=[{"field": "reason", "wrong": "empty"}])
        async with self.database.work() as work:
            before = await jobs.get(work, id, user_id=None)
            if instead := INSTEAD.get(before.kind):
                raise Conflict(f"A job of the kind {before.kind} is not run again: {instead}.")
            await jobs.revive(work, id)
            after = await jobs.get(work, id, user_id=None)
            await audit.note(work, actor=who.user_id, action="job.replayed", subject=str(id), reason=because.strip(),
                             before=_told(before), after=_told(after))  # fmt: skip
            work.after_commit.append(self.relay.soon)
        return after


def _letter(job: Job) -> DeadLetter:
    return DeadLetter(
        id=job.id,
        kind=job.kind,
        usecase=job.usecase,
        user_id=job.user_id,
        error=job.error,
        attempts=job.attempts,
        total=job.total,
        done=job.done,
        created_at=job.created_at,
        finished_at=job.finished_at,
        given_up=job.attempts >= jobs.MAX_ATTEMPTS,
        cannot=INSTEAD.get(job.kind, ""),
    )


def _told(job: Job) -> dict[str, object]:
    return {"status": job.status.value, "attempts": job.attempts, "done": job.done, "total": job.total}


def _needs(who: Principal) -> None:
    if not who.may(Permission.REPLAY_JOBS):
        raise Forbidden(f"This needs the permission {Permission.REPLAY_JOBS.value}.")
