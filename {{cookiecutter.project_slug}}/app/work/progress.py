"""How far a job about documents is: told often enough to be seen, and seldom enough for a source of any length."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from app.domain.job import Job
from app.store import jobs
from app.store.db import Database

# Between two events of one job; the last one always comes.
EVERY_S = 0.5


@dataclass(slots=True)
class Progress:
    """Counts what is done; `may_go_on` raises when the job must not."""

    database: Database
    job: Job
    may_go_on: Callable[[], None]
    _told_at: float = -EVERY_S

    async def __call__(self, done: int, total: int, path: str) -> None:
        """Say that `done` of `total` items are finished, lately the one at `path` ("": none that may be named)."""
        self.may_go_on()
        if monotonic() - self._told_at < EVERY_S and done < total:
            return
        self._told_at = monotonic()
        async with self.database.work() as work:
            # A job that gets on is not given up, however many workers die on the way.
            await work.sql("UPDATE jobs SET total = :total, attempts = 1 WHERE id = :id", total=total, id=self.job.id)
            await jobs.progress(work, self.job.id, note={"path": path} if path else {}, done=done)
