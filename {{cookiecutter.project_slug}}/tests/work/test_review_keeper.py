"""Reviews that nobody decides on in time: told once each, counted, and shown."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import structlog

from app.domain.review import Terms
from app.store import reviews
from app.store.db import Database
from app.telemetry import metrics
from app.work.review_keeper import ReviewKeeper


@pytest.fixture
async def database(database_copy: str) -> AsyncIterator[Database]:
    """A database of its own: other tests leave reviews of their own open."""
    opened = Database(database_copy, pool_size=2)
    yield opened
    await opened.close()


async def opened(database: Database, kind: str, *, hours: float = 1) -> UUID:
    """Put something before the reviewers."""
    about = reviews.Opening(
        turn_id=uuid4(),
        usecase="handbook",
        asker="sam.reyes",
        question="Why?",
        why="a test",
        text="Because.",
        terms=Terms(kind, 2, hours),  # type: ignore[arg-type]
    )
    async with database.work() as work:
        return await reviews.open_(work, about)


async def overdue(database: Database) -> list[str]:
    """Give the subjects of the events that told of a late review."""
    async with database.work() as work:
        rows = await work.sql("SELECT subject FROM events WHERE kind = 'review.overdue' ORDER BY seq")
        return list(rows.scalars())


@pytest.mark.proves("REL-2", "CTL-4")
async def test_what_nobody_decides_on_in_time_is_told_once_and_again_after_it_was_opened_anew(
    database: Database,
) -> None:
    late, _ = await opened(database, "complaint"), await opened(database, "advise")
    keeper = ReviewKeeper(database)
    assert await keeper.look() == 0
    async with database.work() as work:
        await work.sql("UPDATE reviews SET due_at = now() - interval '1 minute' WHERE id = :id", id=late)
    with structlog.testing.capture_logs() as logs:
        assert await keeper.look() == 1
        assert await keeper.look() == 0, "once is enough"
    assert [(line["event"], line["review_id"]) for line in logs] == [("review.overdue", str(late))]
    assert await overdue(database) == [f"reviews/{late}"]
    shown = metrics.render()[0].decode()
    assert 'reviews_overdue{kind="complaint"} 1.0' in shown and 'reviews_open{kind="advise"} 1.0' in shown
    assert 'reviews_overdue{kind="sample"} 0.0' in shown, "what is not there is shown as none"
    decision = reviews.Decision("hana.lind", True, "it is right")
    async with database.work() as work:
        await reviews.decide(work, late, decision)
        await reviews.reopen(work, late, by="olga.petrov", because="it is not")
        found = await reviews.get(work, late)
    assert found["overdue_at"] is None and (found["due_at"] - found["created_at"]).total_seconds() > 3500
    async with database.work() as work:
        await work.sql("UPDATE reviews SET due_at = now() - interval '1 minute' WHERE id = :id", id=late)
    assert await keeper.look() == 1


async def test_a_turn_has_one_review_of_each_kind(database: Database) -> None:
    from app.errors import Conflict

    about = reviews.Opening(turn_id=uuid4(), usecase="handbook", asker="sam.reyes", question="Why?", why="a test")
    async with database.work() as work:
        await reviews.open_(work, about)
    with pytest.raises(Conflict, match="already"):
        async with database.work() as work:
            await reviews.open_(work, about)
