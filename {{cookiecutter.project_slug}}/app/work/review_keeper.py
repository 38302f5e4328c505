"""What has to be seen to between decisions: reviews that are late, told once each; and how many wait."""

from dataclasses import dataclass

import structlog

from app.store import review_queue
from app.store.db import Database
from app.telemetry import metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReviewKeeper:
    """Looks after the deadlines of reviews."""

    database: Database

    async def look(self) -> int:
        """Tell of reviews that nobody decided on in time, and show how many wait; gives how many became late."""
        async with self.database.work() as work:
            late = await review_queue.tell_overdue(work)
            standing = await review_queue.standing(work)
        for row in late:
            log.warning("review.overdue", review_id=str(row["id"]), usecase=row["usecase"], kind=row["kind"])
        for kind, (waiting, overdue, age_s) in standing.items():
            metrics.observe("reviews_open", waiting, kind=kind)
            metrics.observe("reviews_overdue", overdue, kind=kind)
            metrics.observe("reviews_oldest_seconds", age_s, kind=kind)
        return len(late)
