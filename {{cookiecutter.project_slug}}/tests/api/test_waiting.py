"""Queued work while something is off: it waits, keeps its place, goes on afterwards; nothing is written meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import structlog

from app.domain.job import JobStatus
from app.store import outbox
from app.wiring.service import Service
from app.worker import queue
from tests.api.asking import parsed
from tests.api.serving import until
from tests.api.test_jobs import submit
from tests.api.test_switches import flip, off
from tests.conftest import make_settings
from tests.turn.caching import Asking, served

pytestmark = pytest.mark.proves("CTL-1", "REL-9")
As = Callable[[str], dict[str, str]]
LOOKS = 20


@dataclass
class Broker:
    """The queue and one worker at it, which does a job after the other as they were handed over."""

    handed: list[str] = field(default_factory=list)
    rung: list[str] = field(default_factory=list)
    taken: int = 0
    at_work: bool = False

    async def dispatch(self, topic: str, payload: dict[str, Any]) -> None:
        if topic == "webhooks":
            self.rung.append(topic)
        else:
            assert queue.QUEUE_OF_KIND[payload["kind"]]
            self.handed.append(payload["job_id"])

    async def work(self, service: Service) -> None:
        while True:
            if self.at_work and self.taken < len(self.handed):
                await service.jobs.run(UUID(self.handed[self.taken]))
                self.taken += 1
            await asyncio.sleep(0.01)

    async def idle(self) -> None:
        await until(lambda: self.taken == len(self.handed))


@dataclass(repr=False)
class House:
    """A service with a database, a queue and a worker of its own."""

    asking: Asking
    broker: Broker
    as_: As

    @property
    def client(self) -> httpx2.AsyncClient:
        return self.asking.client

    @property
    def olga(self) -> dict[str, str]:
        return self.as_("olga.petrov")

    async def submitted(self) -> str:
        response = await submit(self.client, self.olga)
        assert response.status_code == 202, response.text
        return str(response.json()["job_id"])

    async def job(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.get(f"/v1/jobs/{id}", headers=self.olga)).json()
        return found

    async def sql(self, statement: Any) -> list[Any]:
        async with self.asking.service.database.work() as work:
            rows = await work.sql(statement)
            return list(rows) if rows.returns_rows else []

    async def chunks(self) -> int:
        async with self.asking.service.ingest_database.work() as work:
            return int((await work.sql("SELECT count(*) FROM chunks")).scalar_one())

    async def look(self) -> None:
        """Let a minute pass, then do what the clock does, and the worker."""
        await self.sql("UPDATE jobs SET created_at = created_at - interval '1 minute'")
        back = "created_at = created_at - interval '1 minute', sent_at = sent_at - interval '1 minute'"
        await self.sql(f"UPDATE outbox SET {back}")
        await self.asking.service.housekeeping.often()
        await self.broker.idle()

    async def rows(self) -> tuple[int, int]:
        ((events, letters),) = await self.sql(
            "SELECT (SELECT count(*) FROM job_events), (SELECT count(*) FROM outbox WHERE topic = 'job')"
        )
        return events, letters

    async def over(self, *ids: str) -> None:
        for id in ids:
            await self.until(id, lambda job: JobStatus(job["status"]).is_over)

    async def until(self, id: str, is_so: Callable[[dict[str, Any]], object]) -> None:
        async with asyncio.timeout(30):
            while not is_so(await self.job(id)):  # noqa: ASYNC110 - this asks through the door
                await asyncio.sleep(0.02)


@pytest.fixture
async def house(database_copy: str, redis_url: str, as_: As) -> AsyncIterator[House]:
    broker = Broker()
    async with served(make_settings(database_copy, redis_url), dispatch=broker.dispatch) as asking:
        working = asyncio.create_task(broker.work(asking.service))
        yield House(asking, broker, as_)
        working.cancel()


@pytest.mark.parametrize("subject", ["triage", "ai"])
async def test_jobs_wait_unwritten_keep_their_place_and_go_on_in_order(house: House, subject: str) -> None:
    # The first is in the queue already when the switch is thrown, the second comes later.
    first = await house.submitted()
    await until(lambda: house.broker.handed == [first])
    async with off(house.client, house.as_, subject):
        second = await house.submitted()
        house.broker.at_work = True
        await house.look()
        before = await house.rows()
        for _ in range(LOOKS):
            await house.look()
        assert await house.rows() == before == (2, 2), "a row for the acceptance of each and its letter, no more"
        assert house.broker.handed == [first], "nobody is sent to look at what waits"
        waiting = [await house.job(id) for id in (first, second)]
        assert [(job["status"], job["attempts"]) for job in waiting] == [("queued", 0)] * 2
    third = await house.submitted()
    await house.over(first, second, third)
    assert house.broker.handed == [first, first, second, third]
    begun = await house.sql("SELECT id::text FROM jobs ORDER BY started_at")
    assert [row.id for row in begun] == [first, second, third]
    for id in (first, second, third):
        told = parsed((await house.client.get(f"/v1/jobs/{id}/events", headers=house.olga)).text)
        assert [name for name, _ in told] == ["queued", "running", *["progress"] * 3, "succeeded"]


async def test_a_job_that_ran_when_its_use_case_was_paused_goes_on_before_what_came_later(house: House) -> None:
    house.broker.at_work = True
    body = {"items": [{"question": f"{number + 5} words"} for number in range(8)]}
    first = (await submit(house.client, house.olga, body, usecase="slow")).json()["job_id"]
    await until(lambda: house.broker.handed)
    await house.until(first, lambda job: job["done"])
    async with off(house.client, house.as_, "slow"):
        await house.broker.idle()
        assert (await house.job(first))["status"] == "queued" and 0 < (await house.job(first))["done"] < 8
        assert not (await house.sql("SELECT id FROM outbox WHERE topic = 'job' AND sent_at IS NOT NULL"))
    second = (await submit(house.client, house.olga, body, usecase="slow")).json()["job_id"]
    await house.over(first, second)
    assert house.broker.handed == [first, first, second]
    told = parsed((await house.client.get(f"/v1/jobs/{first}/events", headers=house.olga)).text)
    assert [name for name, _ in told].count("running") == 1 and (await house.job(first))["done"] == 8


async def test_a_job_of_a_unit_that_is_off_is_looked_at_without_leaving_rows(house: House) -> None:
    house.broker.at_work = True
    async with off(house.client, house.as_, "unit:Support"):
        job = await house.submitted()
        await house.look()
        before = await house.rows()
        for _ in range(LOOKS):
            await house.look()
        assert await house.rows() == before == (2, 1) and len(house.broker.handed) > LOOKS
        waiting = await house.job(job)
        assert (waiting["status"], waiting["done"], waiting["attempts"]) == ("queued", 0, 0)
    await house.look()
    await house.over(job)
    told = parsed((await house.client.get(f"/v1/jobs/{job}/events", headers=house.olga)).text)
    assert [name for name, _ in told] == ["queued", "running", *["progress"] * 3, "succeeded"]


async def test_what_waits_is_no_message_that_nobody_sends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, float] = {}

    def observe(metric: str, value: float, /, **_: str) -> None:
        seen[metric] = value

    monkeypatch.setattr("app.work.housekeeping.metrics.observe", observe)
    async with off(house.client, house.as_, "triage"):
        await house.submitted()
        await house.look()
        assert (seen["outbox_unsent"], seen["outbox_oldest_seconds"]) == (0, 0)


async def test_documents_wait_and_what_is_owed_to_people_does_not(house: House) -> None:
    house.broker.at_work = True

    async def send(text: str) -> httpx2.Response:
        files = {"file": ("note.md", text.encode())}
        data = {"usecase": "handbook"}
        return await house.client.post("/v1/documents", data=data, files=files, headers=house.olga)

    kept = (await send("The farm is closed on Sundays.")).json()
    await house.over(kept["job_id"])
    assert await house.chunks() == 1
    url = f"/v1/documents/{(await house.job(kept['job_id']))['result']['document_id']}"
    async with off(house.client, house.as_, "handbook"):
        sent = (await send("The farm is open on Mondays.")).json()
        source = await house.client.post("/v1/usecases/handbook/ingestion", headers=house.olga)
        waiting = [sent["job_id"], *(job["job_id"] for job in source.json())]
        opened = (await house.client.put(f"{url}/access", json={"readers": ["everyone"]}, headers=house.olga)).json()
        await house.over(opened["job_id"])
        removed = (await house.client.delete(url, headers=house.olga)).json()
        await house.over(removed["job_id"])
        assert [(await house.job(id))["status"] for id in (opened["job_id"], removed["job_id"])] == ["succeeded"] * 2
        await house.look()
        assert len(waiting) > 1
        assert {(await house.job(id))["status"] for id in waiting} == {"queued"}
        assert await house.chunks() == 0, "nothing was read"
    await house.look()
    await house.over(*waiting)
    assert {(await house.job(id))["status"] for id in waiting} == {"succeeded"}
    assert await house.chunks() > 1


async def test_a_source_that_is_being_read_stops_at_its_next_document(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.work.contents import Contents

    read, whole = 0, Contents.of

    async def of(self: Contents, *args: Any) -> Any:
        nonlocal read
        read += 1
        if read == 1:
            await flip(house.client, house.olga, "handbook", on=False)
        return await whole(self, *args)

    monkeypatch.setattr(Contents, "of", of)
    house.broker.at_work = True
    source = await house.client.post("/v1/usecases/handbook/ingestion", headers=house.olga)
    (job,) = (each["job_id"] for each in source.json())
    await until(lambda: read)
    await house.broker.idle()
    assert (await house.job(job))["status"] == "queued" and house.broker.handed == [job]
    await flip(house.client, house.olga, "handbook", on=True)
    await house.look()
    await house.over(job)
    assert (await house.job(job))["status"] == "succeeded"


async def test_a_letter_that_nobody_here_knows_holds_up_nobody(
    database_copy: str, redis_url: str, as_: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, str]] = []

    def send_task(name: str, *, kwargs: dict[str, str] | None = None, **_: object) -> None:
        sent.append((name, (kwargs or {}).get("job_id", "")))

    monkeypatch.setattr(queue.celery, "send_task", send_task)
    monkeypatch.setattr("app.work.outbox.MOST", 2)
    async with served(make_settings(database_copy, redis_url), dispatch=queue.dispatch) as asking:
        house = House(asking, Broker(), as_)
        # Of a newer version, after a rollback.
        async with asking.service.database.work() as work:
            for _ in range(2):
                await outbox.put(work, "job", {"job_id": str(uuid4()), "kind": "tea"})
            await outbox.put(work, "coffee", {})
        hook = {"name": "hook", "url": "http://127.0.0.1:9", "kinds": ["switch.flipped"], "reason": "a test"}
        made = (await asking.client.post("/v1/admin/webhooks", json=hook, headers=house.olga)).json()
        said = {"reason": "a test"}
        await asking.client.post(f"/v1/admin/webhooks/{made['id']}/test", json=said, headers=house.olga)
        with structlog.testing.capture_logs() as logs:
            job = await house.submitted()
            for _ in range(2):
                await asking.service.housekeeping.often()
        assert sent.count(("jobs.run", job)) == 1 and ("webhooks.send", "") in sent
        strange = [(log["topic"], log["kind"]) for log in logs if log["event"] == "outbox.strange"]
        assert sorted(strange) == [("coffee", ""), ("job", "tea"), ("job", "tea")], "each once"
        waiting = await house.sql("SELECT id FROM outbox WHERE sent_at IS NULL")
        assert len(waiting) == 3, "a newer worker takes them"
