"""What the pages show."""

import re
from uuid import uuid4

import httpx2
import pytest

from app.store.jobs import Order
from app.wiring.service import Service
from tests.console.conftest import Ask, Seen

HOSTILE = "<script>alert('<b>1</b>')</script> \" onload=x annual leave days"


async def test_the_chat_page_offers_the_use_cases_open_to_the_person(client: httpx2.AsyncClient, seen: Seen) -> None:
    text = (await client.get("/", headers=seen("sam.reyes"))).text
    assert '<option value="handbook"' in text
    assert "Sam Reyes" in text


async def test_no_page_brings_script_or_style_of_its_own(client: httpx2.AsyncClient, seen: Seen) -> None:
    for path in ("/", "/console/sign-in", "/console", "/console/switches", "/console/turns", "/console/audit"):
        text = (await client.get(path, headers=seen("olga.petrov"))).text
        inline = [
            tag for tag in re.findall(r"<script[^>]*>", text) if "src=" not in tag and "application/json" not in tag
        ]
        assert not inline and "<style" not in text and not re.search(r"\sstyle=|\son\w+=", text), path


async def test_a_hostile_question_stays_text_on_every_page(client: httpx2.AsyncClient, seen: Seen, ask: Ask) -> None:
    turn_id = await ask("sam.reyes", HOSTILE)
    for path in ("/console/turns", f"/console/turns/{turn_id}"):
        text = (await client.get(path, headers=seen("olga.petrov"))).text
        assert "&lt;script&gt;" in text and "<script>alert" not in text


async def test_a_hostile_address_stays_text(client: httpx2.AsyncClient, seen: Seen) -> None:
    response = await client.get("/console/turns", params={"person": HOSTILE}, headers=seen("olga.petrov"))
    assert response.status_code == 200
    assert "<script>alert" not in response.text


async def test_the_story_of_a_turn_shows_steps_passages_and_why_they_were_visible(
    client: httpx2.AsyncClient, seen: Seen, ask: Ask
) -> None:
    turn_id = await ask("erin.holt", "How much is the chief executive paid?")
    text = (await client.get(f"/console/turns/{turn_id}", headers=seen("olga.petrov"))).text
    for shown in ("answered_extractive", "admit", "retrieve", "group:executives", "no model is configured", turn_id):
        assert shown in text


async def test_the_asker_reads_the_story_of_the_own_turn_and_of_no_other(
    client: httpx2.AsyncClient, seen: Seen, ask: Ask
) -> None:
    turn_id = await ask("erin.holt", "How much is the chief executive paid?")
    assert (await client.get(f"/console/turns/{turn_id}", headers=seen("erin.holt"))).status_code == 200
    other = await client.get(f"/console/turns/{turn_id}", headers=seen("sam.reyes"))
    assert other.status_code == 404
    assert "285,000" not in other.text


async def test_turns_are_filtered_by_person(client: httpx2.AsyncClient, seen: Seen, ask: Ask) -> None:
    question = f"A question with a mark {uuid4().hex[:6]}"
    await ask("priya.nair", question)
    mine = await client.get("/console/turns", params={"person": "priya.nair"}, headers=seen("olga.petrov"))
    others = await client.get("/console/turns", params={"person": "tom.becker"}, headers=seen("olga.petrov"))
    assert question in mine.text
    assert question not in others.text


async def test_the_overview_counts_turns_and_names_each_dependency(
    client: httpx2.AsyncClient, seen: Seen, ask: Ask
) -> None:
    await ask("sam.reyes", "How many days of annual leave do employees have?")
    text = (await client.get("/console", headers=seen("olga.petrov"))).text
    for shown in ("Quoted", "handbook", "postgres", "redis", "<svg", "$0.00"):
        assert shown in text


async def test_jobs_are_listed_with_their_status(client: httpx2.AsyncClient, seen: Seen, service: Service) -> None:
    job_id = await service.jobs.submit(Order("ingest", "handbook", "olga.petrov", (), {"source": "handbook"}))
    text = (await client.get("/console/jobs", headers=seen("olga.petrov"))).text
    assert str(job_id) in text and "queued" in text
    own = (await client.get("/console/jobs", headers=seen("hana.lind"))).text
    assert str(job_id) not in own and "You see your own" in own


async def test_what_does_not_exist_is_told_on_a_page(client: httpx2.AsyncClient, seen: Seen) -> None:
    for path in (f"/console/turns/{uuid4()}", "/console/turns/no-id"):
        response = await client.get(path, headers=seen("olga.petrov"))
        assert response.status_code == 404
        assert response.headers["content-type"].startswith("text/html")


async def test_what_cannot_be_read_is_told_on_a_page(client: httpx2.AsyncClient, seen: Seen) -> None:
    response = await client.get("/console/turns?before=yesterday", headers=seen("olga.petrov"))
    assert response.status_code == 422
    assert "before" in response.text


async def test_what_breaks_is_told_on_a_page(
    client: httpx2.AsyncClient, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.work.auditing.Auditing.found", None)
    response = await client.get("/console/audit", headers=seen("olga.petrov"))
    assert response.status_code == 500
    assert response.headers["content-type"].startswith("text/html")
    assert "NoneType" not in response.text
