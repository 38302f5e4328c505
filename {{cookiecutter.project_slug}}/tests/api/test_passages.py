"""The passage behind a citation: what stands there now, and only for who may read the document at this moment."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.domain.access import Access
from app.store import documents
from app.store.chunks import Piece
from app.store.documents import Content
from tests.api.asking import LEAVE, PAY, ask
from tests.api.papers import Papers

pytestmark = pytest.mark.proves("SEC-4", "OBS-1")
QUESTION = {"question": "Which lighthouse does the walrus committee repaint?"}
TEXT = (
    "# Lighthouses\n\nThe walrus committee repaints the lighthouse of {secret}.\n\n"
    "# Boats\n\nThe boats of the committee are green, and stay so.\n\n# Buoys\n\nBuoys are the harbour's affair.\n"
)


@pytest.fixture
async def papers(service, client, as_):
    return Papers(service, client, as_("maya.okafor"))


@pytest.fixture
async def paper(papers):
    secret = f"Skerry{uuid4().hex[:8]}"
    document = await papers.send(f"Walrus {secret}", TEXT.format(secret=secret), ["group:sales"])
    yield document, secret
    await papers.delete(document)


async def opened(client: Any, who: dict[str, str], turn: dict[str, Any], marker: int | None = None) -> Any:
    """Open the passage behind the first citation of a turn, or behind another."""
    wanted = {"marker": marker or turn["citations"][0]["marker"]}
    return await client.get(f"/v1/turns/{turn['turn_id']}/passage", params=wanted, headers=who)


async def test_the_passage_is_shown_with_what_stands_around_it(client, as_):
    turn = (await ask(client, as_("sam.reyes"), LEAVE)).json()
    told = (await opened(client, as_("sam.reyes"), turn)).json()
    cited = [piece for piece in told["pieces"] if piece["cited"]]
    assert len(cited) == 1 and told["exact"]
    quote = turn["citations"][0]["quote"]
    assert " ".join(quote.split()) in " ".join(cited[0]["text"].split())
    assert told["document"]["title"] == "Annual leave" and told["document"]["readers"] == ["everyone"]


async def test_pieces_before_and_after_come_along(service, client, as_, paper):
    document, secret = paper
    turn = (await ask(client, as_("sam.reyes"), QUESTION)).json()
    assert secret in turn["answer"]
    told = (await opened(client, as_("sam.reyes"), turn)).json()
    assert told["document"]["id"] == document
    text = " ".join(piece["text"] for piece in told["pieces"])
    assert secret in text and "green" in text


async def test_a_number_that_is_not_cited_is_not_found(client, as_):
    turn = (await ask(client, as_("sam.reyes"), LEAVE)).json()
    assert (await opened(client, as_("sam.reyes"), turn, 99)).status_code == 404
    assert (await client.get(f"/v1/turns/{turn['turn_id']}/passage", headers=as_("sam.reyes"))).status_code == 422


async def test_anothers_turn_opens_nothing_and_an_operator_reads_only_what_they_may(client, as_):
    turn = (await ask(client, as_("erin.holt"), PAY)).json()
    assert "285,000" in (await opened(client, as_("erin.holt"), turn)).text
    for other in ("sam.reyes", "olga.petrov"):
        refused = await opened(client, as_(other), turn)
        assert refused.status_code == 404 and "285,000" not in refused.text and "Executive" not in refused.text


async def test_a_document_that_everybody_may_read_opens_for_nobody_through_anothers_turn(client, as_):
    turn = (await ask(client, as_("erin.holt"), LEAVE)).json()
    assert (await opened(client, as_("erin.holt"), turn)).status_code == 200
    assert (await opened(client, as_("sam.reyes"), turn)).status_code == 404
    assert (await opened(client, as_("olga.petrov"), turn)).status_code == 200, "an operator may read the turn"


async def test_who_lost_the_right_to_the_document_opens_nothing_any_more(service, client, as_, paper):
    document, secret = paper
    turn = (await ask(client, as_("sam.reyes"), QUESTION)).json()
    assert secret in (await opened(client, as_("sam.reyes"), turn)).text
    async with service.ingest_database.work() as work:
        found = await documents.find(work, UUID(document))
        assert found is not None
        await documents.change(work, found.id, replace(found.facts, access=Access(("user:maya.okafor",))))
    refused = await opened(client, as_("sam.reyes"), turn)
    assert refused.status_code == 404 and secret not in refused.text


async def test_a_place_that_says_something_else_by_now_says_so(service, client, as_, paper):
    document, _ = paper
    turn = (await ask(client, as_("sam.reyes"), QUESTION)).json()
    heading = turn["citations"][0]["heading"]
    async with service.ingest_database.work() as work:
        found = await documents.find(work, UUID(document))
        assert found is not None
        pieces = (Piece(heading, None, "The lighthouse was sold.", suspicious=False),)
        await documents.save(work, found.id, found.facts, Content("another", pieces))
    told = (await opened(client, as_("sam.reyes"), turn)).json()
    assert not told["exact"] and told["pieces"][0]["text"] == "The lighthouse was sold."
    async with service.ingest_database.work() as work:
        await documents.save(
            work, found.id, found.facts, Content("a third", (Piece("Else", None, "Gone.", suspicious=False),))
        )
    told = (await opened(client, as_("sam.reyes"), turn)).json()
    assert not told["exact"] and told["pieces"] == []
