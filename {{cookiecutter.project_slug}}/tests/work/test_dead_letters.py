"""Jobs that failed are seen by those who may, and go back in the queue with a reason; what is done stays done."""

from typing import Any
from uuid import UUID

import pytest

from app.domain.identity import Permission, Principal
from app.errors import BadInput, Conflict, Forbidden
from app.store import audit, jobs
from app.wiring.service import Service
from app.work.dead_letters import INSTEAD, DeadLetter

pytestmark = pytest.mark.proves("REL-9")
OLGA = Principal("olga.petrov", permissions=frozenset({Permission.REPLAY_JOBS}))


async def failed(service: Service, kind: Any = "ingest", *, attempts: int = 1) -> UUID:
    """Put a job there that has failed."""
    order = jobs.Order(kind, "handbook", "sam.reyes", (), {"source": "handbook"}, total=3)
    job_id = await service.jobs.submit(order)
    async with service.database.work() as work:
        await work.sql(
            "UPDATE jobs SET status = 'failed', error = 'the source was away', done = 1, attempts = :attempts,"
            " finished_at = now() WHERE id = :id",
            id=job_id,
            attempts=attempts,
        )
    return job_id


async def letter(service: Service, job_id: UUID) -> DeadLetter | None:
    return next((one for one in await service.dead_letters.listed(OLGA) if one.id == job_id), None)


async def test_a_job_that_failed_is_listed_with_what_it_failed_of(service: Service) -> None:
    job_id = await failed(service, attempts=jobs.MAX_ATTEMPTS)
    found = await letter(service, job_id)
    assert found and (found.error, found.done, found.total) == ("the source was away", 1, 3)
    assert found.given_up and found.cannot == ""


async def test_it_goes_back_in_the_queue_and_is_done(service: Service) -> None:
    job_id = await failed(service)
    job = await service.dead_letters.replay(OLGA, job_id, because="the source is back")
    assert (job.status, job.attempts, job.error, job.done) == ("queued", 0, "", 1)
    assert await letter(service, job_id) is None
    async with service.database.work() as work:
        noted = (await audit.history(work, subject=str(job_id), limit=1))[0]
        waits = await work.sql("SELECT count(*) FROM outbox WHERE payload ->> 'job_id' = :id", id=str(job_id))
        assert waits.scalar_one() == 2, "the message of its submission, and another one"
    assert (noted["action"], noted["actor"], noted["reason"]) == ("job.replayed", "olga.petrov", "the source is back")
    assert (noted["before"]["status"], noted["after"]["status"]) == ("failed", "queued")
    await service.jobs.run(job_id)
    async with service.database.work() as work:
        assert (await jobs.get(work, job_id, user_id=None)).status == "succeeded"


async def test_items_that_are_done_are_not_done_again(service: Service) -> None:
    items = [{"question": f"How many days of annual leave do employees have? ({number})"} for number in range(3)]
    order = jobs.Order("turns", "handbook", "sam.reyes", ("sales",), {"items": items, "unit": "Sales"}, total=3)
    job_id = await service.jobs.submit(order)
    await service.jobs.run(job_id)
    async with service.database.work() as work:
        before = {row["ordinal"]: row["turn_id"] for row in await jobs.items(work, job_id)}
        assert len(before) == 3
        await work.sql("DELETE FROM job_items WHERE job_id = :id AND ordinal = 2", id=job_id)
        await work.sql("UPDATE jobs SET status = 'failed', done = 2 WHERE id = :id", id=job_id)
    await service.dead_letters.replay(OLGA, job_id, because="the last one is missing")
    await service.jobs.run(job_id)
    async with service.database.work() as work:
        after = {row["ordinal"]: row["turn_id"] for row in await jobs.items(work, job_id)}
    assert len(after) == 3 and {place: after[place] for place in (0, 1)} == {place: before[place] for place in (0, 1)}
    assert after[2] != before[2]


@pytest.mark.parametrize("kind", sorted(INSTEAD))
async def test_what_is_taken_up_in_another_way_says_so(service: Service, kind: str) -> None:
    job_id = await failed(service, kind)
    found = await letter(service, job_id)
    assert found and found.cannot
    with pytest.raises(Conflict, match="is not run again"):
        await service.dead_letters.replay(OLGA, job_id, because="again")


async def test_only_what_failed_goes_back_and_only_once(service: Service) -> None:
    job_id = await failed(service)
    await service.dead_letters.replay(OLGA, job_id, because="again")
    with pytest.raises(Conflict):
        await service.dead_letters.replay(OLGA, job_id, because="and again")


async def test_it_takes_the_permission_and_a_reason(service: Service) -> None:
    job_id = await failed(service)
    nobody = Principal("sam.reyes", permissions=frozenset(Permission) - {Permission.REPLAY_JOBS})
    with pytest.raises(Forbidden, match=r"jobs\.replay"):
        await service.dead_letters.listed(nobody)
    with pytest.raises(Forbidden, match=r"jobs\.replay"):
        await service.dead_letters.replay(nobody, job_id, because="mine")
    with pytest.raises(BadInput):
        await service.dead_letters.replay(OLGA, job_id, because="  ")
    assert await letter(service, job_id) is not None
