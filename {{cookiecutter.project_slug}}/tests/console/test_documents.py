"""Documents on their pages: what one may read, and new readers for those one sent."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import httpx2
import pytest

from app.wiring.service import Service
from tests.api.papers import Papers
from tests.console.conftest import Headers, Seen

DOCUMENTS = "/console/documents"
OLGA, MAYA = "olga.petrov", "maya.okafor"
TEXT = "# Whales\n\nThe blue whale of the harbour is nine metres long.\n"


@pytest.fixture
async def paper(
    service: Service, client: httpx2.AsyncClient, as_: Callable[[str], Headers]
) -> AsyncIterator[tuple[str, str]]:
    """A document that Olga sent, for herself: its id and title."""
    papers, title = Papers(service, client, as_(OLGA)), f"Whales {uuid4().hex[:6]}"
    document = await papers.send(title, TEXT, [f"user:{OLGA}"])
    yield document, title
    await papers.delete(document)


@pytest.mark.proves("SEC-4")
async def test_a_list_holds_what_its_reader_may_read_and_nothing_else(
    client: httpx2.AsyncClient, seen: Seen, paper: tuple[str, str]
) -> None:
    _, title = paper
    for asked, is_shown in (
        ({"text": title}, True),
        ({"text": title.upper()}, True),
        ({"text": f"{title} giraffes"}, False),
        ({"text": title, "mine": "yes", "usecase": "handbook", "status": "ready"}, True),
        ({"text": title, "status": "failed"}, False),
        ({"text": title, "usecase": "triage"}, False),
    ):
        text = (await client.get(DOCUMENTS, params=asked, headers=seen(OLGA))).text
        assert (f"{title}<" in text) == is_shown, asked
    other = await client.get(DOCUMENTS, params={"text": title}, headers=seen("hana.lind"))
    assert other.status_code == 200 and f"{title}<" not in other.text


async def test_readers_are_changed_with_a_reason_shown_before_and_after_and_undone(
    client: httpx2.AsyncClient, seen: Seen, service: Service, as_: Callable[[str], Headers], paper: tuple[str, str]
) -> None:
    document, title = paper
    url = f"{DOCUMENTS}/{document}"
    page = (await client.get(url, headers=seen(OLGA))).text
    assert f'value="user:{OLGA}"' in page
    form = {"readers": f"user:{OLGA}, everyone", "denied": "", "classification": "", "regions": "", "reason": "public"}
    assert (await client.get(f"/v1/documents/{document}", headers=as_(MAYA))).status_code == 404
    done = await client.post(url, data=form, headers=seen(OLGA))
    assert done.status_code == 303
    await work_off(service)
    assert (await client.get(f"/v1/documents/{document}", headers=as_(MAYA))).status_code == 200
    told = (await client.get(done.headers["location"], headers=seen(OLGA))).text
    for shown in (title, f"user:{OLGA}</span> →", f"everyone, user:{OLGA}", "public", "former readers again"):
        assert shown in told, shown
    undo = {**form, "readers": f"user:{OLGA}", "reason": "undone: too early"}
    assert (await client.post(url, data=undo, headers=seen(OLGA))).status_code == 303
    await work_off(service)
    assert (await client.get(f"/v1/documents/{document}", headers=as_(MAYA))).status_code == 404
    audit = (await client.get("/console/audit", params={"subject": document}, headers=seen(OLGA))).text
    assert "document.shared" in audit and "too early" in audit


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"reason": " "}, "Say why"), ({"readers": "group:moon"}, "You may share with"), ({"readers": "moon"}, "readers")],
)
async def test_what_is_not_right_is_told_above_the_form(
    client: httpx2.AsyncClient, seen: Seen, paper: tuple[str, str], changes: dict[str, str], said: str
) -> None:
    form = {"readers": f"user:{OLGA}", "denied": "", "classification": "", "regions": "", "reason": "why not"}
    answer = await client.post(f"{DOCUMENTS}/{paper[0]}", data={**form, **changes}, headers=seen(OLGA))
    assert answer.status_code == 422 and said in answer.text


@pytest.mark.proves("SEC-3", "SEC-4")
async def test_nobody_else_changes_the_readers(
    client: httpx2.AsyncClient, seen: Seen, service: Service, as_: Callable[[str], Headers], paper: tuple[str, str]
) -> None:
    form = {"readers": "everyone", "reason": "curious"}
    url = f"{DOCUMENTS}/{paper[0]}"
    assert (await client.post(url, data=form, headers=seen("sam.reyes"))).status_code == 404
    foreign = {**seen(OLGA), "Origin": "http://evil.example"}
    assert (await client.post(url, data=form, headers=foreign)).status_code == 403
    shared = await Papers(service, client, as_(OLGA)).give_to(paper[0], ["everyone"])
    assert shared
    refused = await client.post(url, data=form, headers=seen("sam.reyes"))
    assert refused.status_code == 403 and "Only the person who sent" in refused.text


async def work_off(service: Service) -> None:
    """Run the jobs of access that wait."""
    async with service.database.work() as work:
        rows = await work.sql("SELECT id FROM jobs WHERE status = 'queued' AND kind = 'access'")
        waiting = list(rows.scalars())
    for job_id in waiting:
        await service.jobs.run(UUID(str(job_id)))
