"""Sources through the public door: bucket, web site and query are read as jobs, and the next answer follows them."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.domain.access import Access
from app.domain.source import Body, Bucket, Item, Query, Web
from app.wiring.service import Service
from tests.retrieval.places import KEYS, S3, Shelf, Site, s3_server

NAME = "sourced"
SQL = "SELECT id AS path, title, body AS content, readers, denied FROM articles"


@dataclass
class Desk:
    """The three places, and the door of the service that reads them."""

    s3: S3
    site: Site
    shelf: Shelf
    client: httpx2.AsyncClient
    as_: Callable[[str], dict[str, str]]
    service: Service

    async def read(self, source: str, *, allow_removal: bool = False) -> dict[str, Any]:
        """Have a source read, and give the job."""
        url = f"/v1/usecases/{NAME}/sources/{source}/ingest"
        accepted = await self.client.post(url, params={"allow_removal": allow_removal}, headers=self.as_("olga.petrov"))
        assert accepted.status_code == 202, accepted.text
        job_id = accepted.json()["job_id"]
        assert accepted.headers["Location"] == f"/v1/jobs/{job_id}"
        await self.service.jobs.run(UUID(job_id))
        job: dict[str, Any] = (await self.client.get(f"/v1/jobs/{job_id}", headers=self.as_("olga.petrov"))).json()
        return job

    async def ask(self, question: str, person: str) -> list[str]:
        """Ask, and give the titles that the answer cites."""
        url = f"/v1/usecases/{NAME}/turns"
        answer = await self.client.post(url, json={"question": question}, headers=self.as_(person))
        assert answer.status_code == 200, answer.text
        return sorted({citation["title"] for citation in answer.json()["citations"]})

    async def documents(self, person: str, **query: str) -> dict[str, dict[str, Any]]:
        """List the documents of this use case that a person may read, by title."""
        found = await self.client.get("/v1/documents", params={"usecase": NAME, **query}, headers=self.as_(person))
        return {document["title"]: document for document in found.json()}


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with s3_server() as running:
        yield running


@pytest.fixture
async def desk(
    server: S3, empty_database_url: str, service: Service, client: Any, as_: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    shelf = Shelf(empty_database_url)
    shelf.make()
    for name, value in {**KEYS, "SHELF_URL": empty_database_url}.items():
        monkeypatch.setenv(name, value)
    server.empty()
    async with Site() as site:
        keys = {"key_env": "BUCKET_KEY", "secret_env": "BUCKET_SECRET"}
        sources = (
            Bucket("bucket", server.bucket, "tags", endpoint_url=server.url, region="us-east-1", **keys),
            Web("web", Access(("everyone",)), sitemap=f"{site.url}/sitemap.xml", internal=True),
            Query("query", "SHELF_URL", SQL),
        )
        cases: Any = service.usecases
        cases[NAME] = replace(cases["handbook"], name=NAME, sources=sources)
        try:
            yield Desk(server, site, shelf, client, as_, service)
        finally:
            del cases[NAME]
            async with service.ingest_database.work() as work:
                for table in ("documents", "listed", "readings"):
                    await work.sql(f"DELETE FROM {table} WHERE usecase = :name", name=NAME)


@pytest.mark.proves("INT-4", "SEC-4")
async def test_a_bucket_is_followed_with_its_tags_changes_and_deletions(desk: Desk) -> None:
    desk.s3.put("pay/quokka.md", "The quokka budget is 4711 euros.", tags={"readers": "group:sales", "title": "Quokka"})
    desk.s3.put("pay/numbat.md", "The numbat budget is 1234 euros.", tags={"readers": "group:sales", "title": "Numbat"})
    desk.s3.put("pay/nobody.md", "The wombat budget is 99 euros.")
    job = await desk.read("bucket")
    assert (job["status"], job["result"]["added"], job["result"]["left_out"]) == ("succeeded", 2, 1)
    assert (job["done"], job["total"]) == (2, 2)
    assert await desk.ask("What is the quokka budget?", "sam.reyes") == ["Quokka"]
    assert await desk.ask("What is the quokka budget?", "tom.becker") == []
    assert await desk.ask("What is the wombat budget?", "sam.reyes") == []

    desk.s3.tag("pay/quokka.md", readers="group:finance", title="Quokka")
    desk.s3.drop("pay/numbat.md")
    result = (await desk.read("bucket"))["result"]
    assert (result["changed"], result["removed"], result["added"]) == (1, 1, 0)
    assert await desk.ask("What is the quokka budget?", "sam.reyes") == []
    assert await desk.ask("What is the quokka budget?", "tom.becker") == ["Quokka"]
    assert await desk.ask("What is the numbat budget?", "sam.reyes") == []


@pytest.mark.proves("INT-4")
async def test_a_web_site_is_followed_by_its_sitemap(desk: Desk) -> None:
    desk.site.put("/a", "<title>Platypus</title><p>The platypus licence costs 12 euros.</p>", etag='"1"')
    desk.site.put("/b", "<title>Echidna</title><p>The echidna licence costs 15 euros.</p>", etag='"1"')
    desk.site.map("/a", "/b")
    assert (await desk.read("web"))["result"]["added"] == 2
    assert await desk.ask("What does the platypus licence cost?", "sam.reyes") == ["Platypus"]
    assert (await desk.read("web"))["result"]["unchanged"] == 2
    assert desk.site.fetched("/a") == [200, 304]

    desk.site.put("/a", "<title>Platypus</title><p>The platypus licence costs 88 euros.</p>", etag='"2"')
    del desk.site.pages["/b"]
    result = (await desk.read("web"))["result"]
    assert (result["changed"], result["removed"]) == (1, 1), "gone with 404, although the sitemap still has it"
    assert sorted(await desk.documents("sam.reyes")) == ["Platypus"]
    desk.site.put("/sitemap.xml", "", status=500)
    job = await desk.read("web")
    assert (job["status"], "answers 500" in job["error"]) == ("failed", True)
    assert await desk.ask("What does the platypus licence cost?", "sam.reyes") == ["Platypus"]


@pytest.mark.proves("INT-4", "SEC-4")
async def test_a_query_is_followed_with_the_rights_of_its_columns(desk: Desk) -> None:
    desk.shelf.put(1, "Bilby", "The bilby bonus is 300 euros.", ["group:sales"])
    desk.shelf.put(2, "Dunnart", "The dunnart bonus is 400 euros.", ["everyone"], ["user:maya.okafor"])
    assert (await desk.read("query"))["result"]["added"] == 2
    assert await desk.ask("What is the bilby bonus?", "sam.reyes") == ["Bilby"]
    assert await desk.ask("What is the dunnart bonus?", "sam.reyes") == ["Dunnart"]
    assert await desk.ask("What is the dunnart bonus?", "maya.okafor") == []
    desk.shelf.put(1, "Bilby", "The bilby bonus is 300 euros.", ["group:finance"])
    assert (await desk.read("query"))["result"]["changed"] == 1
    assert await desk.ask("What is the bilby bonus?", "sam.reyes") == []
    desk.shelf.run("DELETE FROM articles")
    job = await desk.read("query")
    assert job["status"] == "failed" and "Nothing was removed" in job["error"]
    assert sorted(await desk.documents("tom.becker")) == ["Bilby", "Dunnart"]
    assert (await desk.read("query", allow_removal=True))["result"]["removed"] == 2


@pytest.mark.proves("SEC-4", "REL-8")
async def test_why_a_document_failed_is_told_to_those_who_may_read_it(desk: Desk) -> None:
    desk.s3.put("empty.md", "", tags={"readers": "group:sales", "title": "Empty"})
    desk.s3.put("broken.pdf", "%PDF-1.7 rubbish", tags={"readers": "everyone", "title": "Broken"})
    desk.s3.put("fine.md", "Fine.", tags={"readers": "everyone", "title": "Fine"})
    result = (await desk.read("bucket"))["result"]
    assert ([fault["path"] for fault in result["failed"]], result["failures"]) == (["broken.pdf"], 2)
    assert {title: found["status"] for title, found in (await desk.documents("sam.reyes")).items()} == {
        "Empty": "failed",
        "Broken": "failed",
        "Fine": "ready",
    }
    failed = await desk.documents("tom.becker", status="failed")
    assert list(failed) == ["Broken"] and "damaged" in failed["Broken"]["detail"]


@pytest.mark.proves("LAT-3")
async def test_progress_is_told_while_a_source_is_read_and_names_no_closed_document(desk: Desk) -> None:
    for place in range(30):
        desk.s3.put(f"closed-{place}.md", "x", tags={"readers": "group:executives"})
    job = await desk.read("bucket")
    async with desk.client.stream("GET", f"/v1/jobs/{job['id']}/events", headers=desk.as_("olga.petrov")) as response:
        lines = [line async for line in response.aiter_lines()]
    data = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    told = [(each["done"], each["total"]) for each in data if "done" in each]
    assert told[-1] == (30, 30) and len(told) >= 2
    assert not any("closed" in line for line in lines)


async def test_sources_are_listed_with_when_they_were_read(desk: Desk) -> None:
    await desk.read("query")
    url = f"/v1/usecases/{NAME}/sources"
    found = (await desk.client.get(url, headers=desk.as_("olga.petrov"))).json()
    by_name = {source["name"]: source for source in found}
    assert {name: source["kind"] for name, source in by_name.items()} == {
        "bucket": "bucket",
        "web": "web",
        "query": "query",
    }
    assert by_name["query"]["ended_at"] and not by_name["query"]["reading"] and by_name["web"]["begun_at"] is None
    assert (await desk.client.get(url, headers=desk.as_("sam.reyes"))).status_code == 403


async def test_reading_a_source_needs_its_permission_and_a_source_that_is_there(desk: Desk) -> None:
    url = f"/v1/usecases/{NAME}/sources"
    assert (await desk.client.post(f"{url}/web/ingest", headers=desk.as_("sam.reyes"))).status_code == 403
    missing = await desk.client.post(f"{url}/nowhere/ingest", headers=desk.as_("olga.petrov"))
    assert missing.status_code == 404 and "bucket, web, query" in missing.json()["detail"]


async def test_the_clock_submits_one_job_when_the_time_has_come(desk: Desk) -> None:
    from datetime import timedelta

    from app.work.schedule import Schedule

    case = desk.service.usecases[NAME]
    timed = replace(case, sources=tuple(replace(each, every=timedelta(hours=1)) for each in case.sources[:1]))
    schedule = Schedule(desk.service.database, {NAME: timed})
    desk.s3.put("a.md", "Zebra.", tags={"readers": "everyone"})
    (first,) = await schedule.submit()
    assert await schedule.submit() == [], "one at a time"
    await desk.service.jobs.run(first)
    assert list(await desk.documents("sam.reyes")) == ["A"]
    assert await schedule.submit() == [], "not before the hour is over"
    async with desk.service.ingest_database.work() as work:
        await work.sql(
            "UPDATE readings SET submitted_at = submitted_at - interval '1 hour', begun_at = begun_at"
            " - interval '1 hour' WHERE usecase = :name",
            name=NAME,
        )
    (second,) = await schedule.submit()
    assert second != first
    await desk.service.jobs.run(second)


class Slow:
    """A source of one's own whose items take their time; `begun` is set at the first."""

    name = "slow"
    every = None

    def __init__(self, amount: int) -> None:
        self.amount, self.begun = amount, asyncio.Event()

    async def items(self) -> AsyncIterator[Item]:
        for number in range(self.amount):
            yield Item(f"{number:03}.md", Access(("everyone",)))

    async def read(self, path: str, known: str) -> Body | None:
        self.begun.set()
        await asyncio.sleep(0.1)
        return Body(b"Zebra.")


async def begun(desk: Desk, source: Slow) -> tuple[str, "asyncio.Task[None]"]:
    """Have the service read this source, and wait until it is at it."""
    cases: Any = desk.service.usecases
    cases[NAME] = replace(cases[NAME], sources=(source,))
    url = f"/v1/usecases/{NAME}/sources/slow/ingest"
    job_id = (await desk.client.post(url, headers=desk.as_("olga.petrov"))).json()["job_id"]
    running = asyncio.create_task(desk.service.jobs.run(UUID(job_id)))
    await asyncio.wait_for(source.begun.wait(), 60)
    return job_id, running


async def test_a_cancelled_job_stops_after_the_items_at_hand(desk: Desk) -> None:
    source = Slow(200)
    job_id, running = await begun(desk, source)
    url, olga = f"/v1/jobs/{job_id}", desk.as_("olga.petrov")
    assert (await desk.client.delete(url, headers=olga)).json()["status"] == "cancelling"
    await running
    job = (await desk.client.get(url, headers=olga)).json()
    assert job["status"] == "cancelled" and 0 < len(await desk.documents("sam.reyes", limit="500")) < 200


async def test_a_second_job_of_a_source_waits_in_the_queue(desk: Desk) -> None:
    source = Slow(40)
    first, running = await begun(desk, source)
    second, waiting = await begun(desk, source)
    await waiting
    olga = desk.as_("olga.petrov")
    waits = (await desk.client.get(f"/v1/jobs/{second}", headers=olga)).json()
    assert (waits["status"], waits["attempts"]) == ("queued", 0)
    await running
    assert (await desk.client.get(f"/v1/jobs/{first}", headers=olga)).json()["result"]["added"] == 40
    await desk.service.jobs.run(UUID(second))
    assert (await desk.client.get(f"/v1/jobs/{second}", headers=olga)).json()["result"]["unchanged"] == 40
