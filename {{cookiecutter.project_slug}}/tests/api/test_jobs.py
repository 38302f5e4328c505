"""Queued work through the HTTP door; the worker's part is done in place, tests/e2e has real workers."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.store import jobs as table
from tests.api.asking import parsed

ITEMS = {
    "items": [{"question": "The invoice is wrong"}, {"question": "The probe is broken"}, {"question": "My invoice?"}]
}


async def submit(client, who, body=None, usecase="triage", **headers):
    return await client.post(f"/v1/usecases/{usecase}/jobs", json=body or ITEMS, headers=who | headers)


@pytest.mark.proves("SCL-1")
async def test_a_job_is_accepted_done_and_told_item_by_item(client, as_, service):
    who = as_("olga.petrov")
    accepted = await submit(client, who)
    assert accepted.status_code == 202
    url = accepted.headers["location"]
    assert (await client.get(url, headers=who)).json()["status"] == "queued"
    await service.jobs.run(UUID(accepted.json()["job_id"]))
    job = (await client.get(url, headers=who)).json()
    assert (job["status"], job["done"], job["total"]) == ("succeeded", 3, 3)
    assert [item["outcome"] for item in job["items"]] == ["escalated_review"] * 3
    told = parsed((await client.get(f"{url}/events", headers=who)).text)
    assert [name for name, _ in told] == ["queued", "running", "progress", "progress", "progress", "succeeded"]
    rest = await client.get(f"{url}/events", headers=who | {"Last-Event-ID": "0"})
    assert len(parsed(rest.text)) == 6
    assert (await client.get(url, headers=as_("hana.lind"))).status_code == 404


async def test_a_job_needs_its_permission_and_a_list_of_items(client, as_):
    assert (await submit(client, as_("sam.reyes"))).status_code == 403
    assert (await submit(client, as_("olga.petrov"), {"items": []})).status_code == 422
    assert (await submit(client, as_("olga.petrov"), usecase="nothing")).status_code == 404


async def test_one_key_makes_one_job(client, as_):
    key = {"Idempotency-Key": uuid4().hex}
    first, second = [(await submit(client, as_("olga.petrov"), **key)).json() for _ in range(2)]
    assert first == second
    other = await submit(client, as_("olga.petrov"), {"items": [{"question": "another"}]}, **key)
    assert other.status_code == 422


async def test_a_waiting_job_is_cancelled_at_once_and_never_run(client, as_, service):
    who = as_("olga.petrov")
    url = (await submit(client, who)).headers["location"]
    assert (await client.delete(url, headers=who)).json()["status"] == "cancelled"
    await service.jobs.run(UUID(url.rsplit("/", 1)[1]))
    job = (await client.get(url, headers=who)).json()
    assert (job["status"], job["done"]) == ("cancelled", 0)
    assert (await client.delete(url, headers=who)).status_code == 409


async def test_a_running_job_stops_after_the_items_at_hand(client, as_, service):
    who = as_("olga.petrov")
    items = {"items": [{"question": "14 words"}] * 12}
    url = (await submit(client, who, items, usecase="slow")).headers["location"]
    running = asyncio.create_task(service.jobs.run(UUID(url.rsplit("/", 1)[1])))
    await asyncio.sleep(0.3)
    assert (await client.delete(url, headers=who)).json()["status"] == "cancelling"
    await running
    job = (await client.get(url, headers=who)).json()
    assert job["status"] == "cancelled" and 0 < job["done"] < 12


@pytest.mark.proves("REL-9")
async def test_two_workers_with_one_job_do_it_once(client, as_, service):
    who = as_("olga.petrov")
    url = (await submit(client, who)).headers["location"]
    job_id = UUID(url.rsplit("/", 1)[1])
    await asyncio.gather(*(service.jobs.run(job_id) for _ in range(4)))
    job = (await client.get(url, headers=who)).json()
    assert (job["done"], job["attempts"]) == (3, 1)


@pytest.mark.proves("REL-9")
async def test_a_dead_workers_job_is_handed_on_and_only_the_rest_is_done(client, as_, service):
    who = as_("olga.petrov")
    url = (
        await submit(client, who, {"items": [{"question": f"{n} words"} for n in range(1, 9)]}, usecase="slow")
    ).headers["location"]
    job_id = UUID(url.rsplit("/", 1)[1])
    dying = asyncio.create_task(service.jobs.run(job_id))
    await asyncio.sleep(0.35)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    before = (await client.get(url, headers=who)).json()
    assert before["status"] == "running" and before["done"] < 8
    await asyncio.sleep(service.settings.job_lease_s + 0.1)
    async with service.database.work() as work:
        await work.sql("UPDATE outbox SET created_at = now() - interval '1 hour', sent_at = now() - interval '1 hour'")
        assert job_id in await table.sweep(work)
    await service.jobs.run(job_id)
    after = (await client.get(url, headers=who)).json()
    assert (after["status"], after["done"], after["attempts"]) == ("succeeded", 8, 2)
    assert len({item["turn_id"] for item in after["items"]}) == 8
    assert {item["outcome"] for item in after["items"]} == {"answered_rules"}


@pytest.mark.proves("REL-9")
async def test_what_a_worker_writes_under_a_lost_lease_is_refused(client, as_, service):
    who = as_("olga.petrov")
    url = (await submit(client, who)).headers["location"]
    job_id = UUID(url.rsplit("/", 1)[1])
    async with service.database.work() as work:
        old = await table.claim(work, job_id, lease_s=-1)
    async with service.database.work() as work:
        new = await table.claim(work, job_id, lease_s=5)
    assert old and new and old.lease != new.lease
    with pytest.raises(table.LeaseLost):
        async with service.database.work() as work:
            await table.renew(work, job_id, lease=old.lease, lease_s=5)
    with pytest.raises(table.LeaseLost):
        async with service.database.work() as work:
            await table.finish(work, job_id, lease=old.lease, status=table.JobStatus.SUCCEEDED)


async def test_a_job_that_kills_every_worker_is_given_up(client, as_, service):
    who = as_("olga.petrov")
    url = (await submit(client, who)).headers["location"]
    job_id = UUID(url.rsplit("/", 1)[1])
    for _ in range(table.MAX_ATTEMPTS):
        async with service.database.work() as work:
            assert await table.claim(work, job_id, lease_s=-1)
    async with service.database.work() as work:
        await table.sweep(work)
    job = (await client.get(url, headers=who)).json()
    assert job["status"] == "failed" and "too many" in job["error"]
