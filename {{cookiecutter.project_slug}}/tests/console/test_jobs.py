"""Queued work on its pages: filtered, looked into, cancelled, put back, and dead letters run again."""

from uuid import UUID, uuid4

import httpx2
import pytest

from app.domain.job import JobStatus
from app.store import jobs as table
from app.store.jobs import Order
from app.wiring.service import Service
from tests.console.conftest import Seen

JOBS = "/console/jobs"
OLGA = "olga.petrov"


async def submit(service: Service, person: str = OLGA, *, items: int = 1) -> str:
    what = {"items": [{"question": "How many days of leave are there?", "fields": {}}] * items, "unit": ""}
    order = Order("turns", "handbook", person, ("operators",), what, total=items)
    return str(await service.jobs.submit(order))


async def status(service: Service, job_id: str) -> str:
    async with service.database.work() as work:
        return (await table.get(work, UUID(job_id), user_id=None)).status.value


async def failed(service: Service, error: str) -> str:
    """Queue a job that fails."""
    job_id = await submit(service)
    async with service.database.work() as work:
        job = await table.claim(work, UUID(job_id), lease_s=60)
        assert job and job.lease
        await table.finish(work, job.id, lease=job.lease, status=JobStatus.FAILED, error=error)
    return job_id


async def test_jobs_are_filtered_and_each_has_a_page(client: httpx2.AsyncClient, seen: Seen, service: Service) -> None:
    job_id = await submit(service, items=2)
    for asked, is_shown in (
        ({"status": "open"}, True),
        ({"status": "queued", "kind": "turns", "usecase": "handbook", "person": OLGA}, True),
        ({"status": "succeeded"}, False),
        ({"kind": "ingest"}, False),
        ({"person": "tom.becker"}, False),
    ):
        text = (await client.get(JOBS, params=asked, headers=seen(OLGA))).text
        assert (job_id in text) == is_shown, asked
    await service.jobs.run(UUID(job_id))
    page = (await client.get(f"{JOBS}/{job_id}", headers=seen(OLGA))).text
    for shown in ("succeeded", "2 of 2 done", "running", "/console/turns/", "Items"):
        assert shown in page, shown
    assert (await client.get(f"{JOBS}/{job_id}", headers=seen("hana.lind"))).status_code == 404


@pytest.mark.proves("CTL-1")
async def test_a_job_is_cancelled_with_a_reason_and_put_back_where_it_is_done(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    job_id = await submit(service, "somebody.else")
    form = {"job_id": job_id, "what": "cancel", "reason": "sent twice"}
    for wrong, said in (({"reason": " "}, 422), ({"what": "eat"}, 422), ({"job_id": str(uuid4())}, 404)):
        assert (await client.post(JOBS, data={**form, **wrong}, headers=seen(OLGA))).status_code == said
    done = await client.post(JOBS, data=form, headers=seen(OLGA))
    assert done.status_code == 303 and await status(service, job_id) == "cancelled"
    told = (await client.get(done.headers["location"], headers=seen(OLGA))).text
    for shown in ("queued</span> →", "cancelled</span>", "sent twice", "Put it back in the queue"):
        assert shown in told, shown
    back = {"job_id": job_id, "what": "put_back", "reason": "undone: it was not"}
    assert (await client.post(JOBS, data=back, headers=seen(OLGA))).status_code == 303
    assert await status(service, job_id) == "queued"
    await service.jobs.run(UUID(job_id))
    assert await status(service, job_id) in ("succeeded", "failed")
    audit = (await client.get("/console/audit", params={"subject": job_id}, headers=seen(OLGA))).text
    assert "job.cancelled" in audit and "job.put_back" in audit and "sent twice" in audit


@pytest.mark.proves("CTL-1")
async def test_a_job_that_is_being_cancelled_is_let_go_on_even_when_its_worker_has_stopped_already(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    job_id = await submit(service)
    async with service.database.work() as work:
        job = await table.claim(work, UUID(job_id), lease_s=600)
        assert job and job.lease
    form = {"job_id": job_id, "what": "cancel", "reason": "the wrong list"}
    done = await client.post(JOBS, data=form, headers=seen(OLGA))
    told = (await client.get(done.headers["location"], headers=seen(OLGA))).text
    assert await status(service, job_id) == "cancelling" and "running</span> →" in told and "Let it go on" in told
    back = {"job_id": job_id, "what": "put_back", "reason": "the right one after all"}
    assert (await client.post(JOBS, data=back, headers=seen(OLGA))).status_code == 303
    assert await status(service, job_id) == "running"
    async with service.database.work() as work:
        # The worker that had stopped for the cancelling ends it only now.
        await table.finish(work, job.id, lease=job.lease, status=JobStatus.CANCELLED)
    assert await status(service, job_id) == "queued"
    await service.jobs.run(UUID(job_id))
    assert await status(service, job_id) == "succeeded"


@pytest.mark.proves("SEC-3")
async def test_others_jobs_are_changed_by_who_may_and_by_nobody_else(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    job_id = await submit(service, "somebody.else")
    form = {"job_id": job_id, "what": "cancel", "reason": "curious"}
    assert (await client.post(JOBS, data=form, headers=seen("hana.lind"))).status_code == 404
    assert (await client.post(JOBS, data=form, headers=seen("sam.reyes"))).status_code == 403
    foreign = {**seen(OLGA), "Origin": "http://evil.example"}
    assert (await client.post(JOBS, data=form, headers=foreign)).status_code == 403
    assert await status(service, job_id) == "queued"
    own = await submit(service, "hana.lind")
    assert (await client.post(JOBS, data={**form, "job_id": own}, headers=seen("hana.lind"))).status_code == 303
    assert await status(service, own) == "cancelled"


@pytest.mark.proves("REL-9")
async def test_a_dead_letter_is_listed_with_its_error_and_run_again(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    error = f"the disk of {uuid4().hex[:6]} is full"
    job_id = await failed(service, error)
    text = (await client.get(JOBS, params={"status": "dead"}, headers=seen(OLGA))).text
    assert error in text and "Run again" in text
    assert "Dead letters" not in (await client.get(JOBS, headers=seen("hana.lind"))).text
    form = {"job_id": job_id, "what": "replay", "reason": "there is room now"}
    assert (await client.post(JOBS, data=form, headers=seen(OLGA))).status_code == 303
    assert await status(service, job_id) == "queued"
    await service.jobs.run(UUID(job_id))
    assert await status(service, job_id) == "succeeded"


@pytest.mark.proves("REL-9")
async def test_a_job_that_is_not_run_again_says_so_in_place_of_the_button(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    job_id = uuid4()
    async with service.database.work() as work:
        await table.add(work, job_id, Order("retain", "", OLGA, ("operators",), {}), trace={})
        job = await table.claim(work, job_id, lease_s=60)
        assert job and job.lease
        await table.finish(work, job.id, lease=job.lease, status=JobStatus.FAILED, error="it broke")
    text = (await client.get(f"{JOBS}/{job_id}", headers=seen(OLGA))).text
    assert "Not run again: the next one is submitted by the clock." in text and "Run again" not in text
    form = {"job_id": str(job_id), "what": "replay", "reason": "try it"}
    assert (await client.post(JOBS, data=form, headers=seen(OLGA))).status_code == 409
    other = await failed(service, "it broke as well")
    assert "Run again" in (await client.get(f"{JOBS}/{other}", headers=seen(OLGA))).text
