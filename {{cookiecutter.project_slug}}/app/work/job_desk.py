"""Queued work before those who may see it: found, looked into, cancelled with a reason, and put back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from app.domain.identity import Permission, Principal
from app.domain.job import Job
from app.domain.usecase import UseCase
from app.errors import BadInput, Forbidden, NotFound
from app.store import audit, job_search, jobs
from app.store.db import Database
from app.store.job_search import Wanted
from app.work.outbox import Relay

# Items that one page shows.
MOST_ITEMS = 200


@dataclass(frozen=True, slots=True)
class JobDesk:
    """One's own jobs, and everybody's of use cases whose turns one may read; these are changed with `jobs.replay`."""

    database: Database
    usecases: Mapping[str, UseCase]
    relay: Relay

    async def found(self, who: Principal, wanted: Wanted, *, limit: int) -> Sequence[Mapping[str, Any]]:
        """List jobs that this person may see, the newest first."""
        async with self.database.work() as work:
            return await job_search.found(work, replace(wanted, among=self._among(who), own=who.user_id), limit=limit)

    async def counts(self, *, days: int) -> Mapping[str, int]:
        """Count the open jobs, and those of the last days, by status."""
        async with self.database.work() as work:
            return await job_search.counts(work, days=days)

    async def told(self, who: Principal, job_id: UUID) -> dict[str, Any]:
        """Give a job with what happened to it, and its items without what they say. Raises NotFound."""
        async with self.database.work() as work:
            job = await jobs.get(work, job_id, user_id=None)
            if job.user_id != who.user_id and job.usecase not in self._among(who):
                raise NotFound("There is no job with this id that you may see.")
            items = await job_search.items(work, job_id, limit=MOST_ITEMS)
            return {
                "job": job,
                "events": await job_search.events(work, job_id),
                "items": items,
                "left_out": await job_search.items_total(work, job_id) - len(items),
            }

    async def cancel(self, who: Principal, job_id: UUID, *, because: str) -> Job:
        """Stop a job: at once while it waits, after the item at hand once it runs; what is done stays done.

        Raises Forbidden, NotFound, BadInput without a reason, Conflict when it is over.
        """
        return await self._changed(who, job_id, because, action="job.cancelled")

    async def put_back(self, who: Principal, job_id: UUID, *, because: str) -> Job:
        """Queue a cancelled job again, which does what is left of it; one that has not stopped yet goes on.

        Raises the same.
        """
        return await self._changed(who, job_id, because, action="job.put_back")

    async def _changed(self, who: Principal, job_id: UUID, because: str, *, action: str) -> Job:
        if not because.strip():
            said = "Say why: the reason is kept in the audit."
            raise BadInput(said, errors=[{"field": "reason", "wrong": "empty"}])
        async with self.database.work() as work:
            before = await jobs.get(work, job_id, user_id=None)
            self._ensure(who, before)
            if action == "job.cancelled":
                after = await jobs.cancel(work, job_id, user_id=None)
            else:
                await jobs.put_back(work, job_id)
                after = await jobs.get(work, job_id, user_id=None)
                work.after_commit.append(self.relay.soon)
            await audit.note(work, actor=who.user_id, action=action, subject=str(job_id), reason=because.strip(),
                             before=_told(before), after=_told(after))  # fmt: skip
        return after

    def _ensure(self, who: Principal, job: Job) -> None:
        if job.user_id == who.user_id:
            return
        if job.usecase not in self._among(who):
            raise NotFound("There is no job with this id that you may see.")
        if not who.may(Permission.REPLAY_JOBS):
            raise Forbidden(f"Other people's jobs are changed with the permission {Permission.REPLAY_JOBS.value}.")

    def _among(self, who: Principal) -> tuple[str, ...]:
        if not who.may(Permission.READ_ALL_TURNS):
            return ()
        return ("", *(name for name, case in self.usecases.items() if case.contract.access.shows_others(who)))


def _told(job: Job) -> dict[str, object]:
    return {"status": job.status.value, "done": job.done, "total": job.total}
