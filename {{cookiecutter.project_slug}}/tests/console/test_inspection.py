"""The pages that see every document, and the panel of what a turn weighed."""

from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import httpx2
import pytest

from app.wiring.service import Service
from tests.api.papers import Papers
from tests.console.conftest import Ask, Headers, Seen

WHY, READERS = "/console/why", "/console/readers"
QUESTION = "Which narwhal skeleton hangs in the entrance hall?"
TEXT = "# Skeletons\n\nThe narwhal skeleton hangs in the entrance hall of Tromsø.\n"
LOOK = {"question": QUESTION, "usecase": "handbook", "person": "sam.reyes", "reason": "Sam asked <b>why</b>"}


@pytest.fixture
async def paper(
    service: Service, client: httpx2.AsyncClient, as_: Callable[[str], Headers]
) -> AsyncIterator[tuple[str, str]]:
    """A document that sales may read: its id and title."""
    papers, title = Papers(service, client, as_("maya.okafor")), f"Skeletons <i>{uuid4().hex[:6]}</i>"
    document = await papers.send(title, TEXT, ["group:sales"])
    yield document, title.replace("<", "&lt;").replace(">", "&gt;")
    await papers.delete(document)


async def test_the_panel_of_a_turn_shows_each_stage_and_what_became_of_each_passage(
    client: httpx2.AsyncClient, seen: Seen, ask: Ask, paper: tuple[str, str]
) -> None:
    turn_id = await ask("sam.reyes", QUESTION)
    text = (await client.get(f"/console/turns/{turn_id}", headers=seen("sam.reyes"))).text
    for shown in ("What was considered, and why", paper[1], "group:sales", "exact", "words", "vector", "kept", "cut"):
        assert shown in text
    assert "<dt>Clearance</dt><dd>internal</dd>" in text, "by its name, not its place"
    assert "why was it not found?" not in text, "who cannot look is not sent there"


@pytest.mark.proves("SEC-4")
async def test_the_panel_names_and_counts_nothing_that_its_reader_may_not_read(
    client: httpx2.AsyncClient, seen: Seen, ask: Ask, paper: tuple[str, str]
) -> None:
    turn_id = await ask("sam.reyes", QUESTION)
    text = (await client.get(f"/console/turns/{turn_id}", headers=seen("olga.petrov"))).text
    assert "What was considered, and why" in text and f"{WHY}?question=Which+narwhal" in text
    for hidden in (paper[0], paper[1], "Tromsø", "no longer be read", "further down", "Could read"):
        assert hidden not in text, hidden


async def test_the_page_opens_empty_with_what_a_link_filled_in(client: httpx2.AsyncClient, seen: Seen) -> None:
    params = {"question": QUESTION, "usecase": "handbook", "person": "sam.reyes"}
    text = (await client.get(WHY, params=params, headers=seen("olga.petrov"))).text
    assert f'value="{QUESTION}"' in text and "The search of" not in text


@pytest.mark.proves("SEC-4")
async def test_why_a_document_was_not_found_is_told_in_order_and_stands_in_the_audit(
    client: httpx2.AsyncClient, seen: Seen, paper: tuple[str, str]
) -> None:
    form = {**LOOK, "document": paper[0], "person": "tom.becker", "chunk": "", "groups": ""}
    answer = await client.post(WHY, data=form, headers=seen("olga.petrov"))
    assert answer.status_code == 200, answer.text
    shown = ("not found", "not among the readers: group:sales", "What would change it", "exists", "ingested", paper[1])
    assert all(each in answer.text for each in shown)
    assert "<dt>Clearance</dt><dd>internal</dd>" in answer.text
    audit = (await client.get("/console/audit", headers=seen("olga.petrov"))).text
    assert "documents.why" in audit and "Sam asked &lt;b&gt;why&lt;/b&gt;" in audit


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"reason": " "}, "Say why you look"), ({"person": "nobody"}, "Nobody here is called"), ({"usecase": "x"}, "no")],
)
async def test_what_cannot_be_looked_up_is_told_above_the_form_which_stays_filled_in(
    client: httpx2.AsyncClient, seen: Seen, changes: dict[str, str], said: str
) -> None:
    answer = await client.post(WHY, data={**LOOK, **changes}, headers=seen("olga.petrov"))
    assert answer.status_code == 422 and said in answer.text and QUESTION in answer.text


async def test_who_can_read_a_document_and_what_a_person_can_read(
    client: httpx2.AsyncClient, seen: Seen, paper: tuple[str, str]
) -> None:
    form = {"about": "document", "name": paper[0], "groups": "", "reason": "the owner asks"}
    text = (await client.post(READERS, data=form, headers=seen("olga.petrov"))).text
    for shown in (paper[1], "group:sales</strong>: maya.okafor, sam.reyes", "upload, maya.okafor", "Erin Holt"):
        assert shown in text, shown
    form = {**form, "about": "person", "name": "sam.reyes"}
    text = (await client.post(READERS, data=form, headers=seen("olga.petrov"))).text
    assert "What sam.reyes can read" in text and "readers:" in text
    missing = await client.post(
        READERS, data={**form, "about": "document", "name": "x" * 9}, headers=seen("olga.petrov")
    )
    assert missing.status_code == 422 and "No document has" in missing.text


@pytest.mark.parametrize("path", [WHY, READERS])
async def test_only_those_who_may_look_see_the_pages_and_only_from_our_own(
    client: httpx2.AsyncClient, seen: Seen, path: str, paper: tuple[str, str]
) -> None:
    form = LOOK if path == WHY else {"about": "document", "name": paper[0], "reason": "curious"}
    assert (await client.get(path, headers=seen("hana.lind"))).status_code == 403
    refused = await client.post(path, data=form, headers=seen("hana.lind"))
    assert refused.status_code == 403 and paper[1] not in refused.text
    foreign = {**seen("olga.petrov"), "Origin": "http://evil.example"}
    assert (await client.post(path, data=form, headers=foreign)).status_code == 403
    assert (await client.post(path, data={**form, "extra": "1"}, headers=seen("olga.petrov"))).status_code == 422
