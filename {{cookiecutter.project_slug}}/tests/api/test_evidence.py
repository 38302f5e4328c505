"""What a turn looked at, under the rights of whoever looks, at that moment."""

from uuid import uuid4

import pytest

from app.store import ledger
from tests.api.asking import LEAVE, PAY, ask
from tests.api.papers import Papers

ASKED = {"question": "Which quokka sanctuary does the marsupial committee support?"}
TEXT = "# Sanctuaries\n\nThe marsupial committee supports the quokka sanctuary of Rottnest.\n"


@pytest.fixture
async def papers(service, client, as_):
    return Papers(service, client, as_("maya.okafor"))


@pytest.fixture
async def paper(papers):
    document = await papers.send(f"Quokka fund {uuid4().hex[:6]}", TEXT, ["group:sales"])
    yield document
    await papers.delete(document)


async def story(client, who, turn_id):
    answer = await client.get(f"/v1/turns/{turn_id}", headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def row(service, turn_id):
    async with service.database.work() as work:
        return await ledger.story(work, turn_id, user_id=None)


@pytest.mark.proves("OBS-1", "SEC-4")
async def test_the_asker_sees_what_was_considered_the_filter_the_scores_and_why_the_rest_was_cut(client, as_, paper):
    turn_id = (await ask(client, as_("sam.reyes"), ASKED)).json()["turn_id"]
    told = await story(client, as_("sam.reyes"), turn_id)
    (search,) = told["retrieval"]
    mine = [each for each in search["considered"] if each["document_id"] == paper]
    assert mine[0]["kept"] and mine[0]["title"].startswith("Quokka fund") and mine[0]["heading"] == "Sanctuaries"
    assert {"words", "vector", "fused"} <= mine[0]["scores"].keys()
    assert {"everyone", "group:sales", "user:sam.reyes"} <= set(search["filter"]["names"])
    assert search["plan"] == "exact" and search["visible_chunks"] > 0 and search["ms"] > 0
    cut = [each for each in search["considered"] if not each["kept"]]
    assert cut and all(each["because"] for each in cut)
    assert told["no_longer_readable"] == 0 == search["no_longer_readable"]


@pytest.mark.proves("SEC-4")
async def test_a_document_that_the_asker_may_no_longer_read_is_counted_and_not_named(client, as_, paper, papers):
    sam = as_("sam.reyes")
    asked = (await ask(client, sam, {**ASKED, "session_id": None})).json()
    assert paper in str(asked["citations"])
    before = await story(client, sam, asked["turn_id"])
    assert paper in str(before["citations"]) and paper in str(before["passages"])
    await papers.give_to(paper, ["user:maya.okafor"])
    told = await story(client, sam, asked["turn_id"])
    evidence = str([told["retrieval"], told["passages"], told["citations"]])
    assert paper not in evidence and "Quokka fund" not in evidence and "Sanctuaries" not in evidence
    assert told["no_longer_readable"] == 1 and told["retrieval"][0]["no_longer_readable"] >= 1
    said = (await client.get(f"/v1/sessions/{asked['session_id']}", headers=sam)).json()["messages"]
    assert said[-1]["role"] == "assistant" and said[-1]["citations"] == []
    await papers.give_to(paper, ["group:sales"])
    again = await story(client, sam, asked["turn_id"])
    assert again["no_longer_readable"] == 0 and paper in str(again["citations"])


@pytest.mark.proves("SEC-4")
async def test_who_reads_all_turns_learns_nothing_of_documents_that_they_may_not_read(client, as_, service, paper):
    turn_id = (await ask(client, as_("sam.reyes"), ASKED)).json()["turn_id"]
    kept = await row(service, turn_id)
    hidden = [each for each in kept["retrieval"][0]["considered"] if each["document_id"] == paper]
    told = await story(client, as_("olga.petrov"), turn_id)
    assert paper not in str(told) and "Quokka fund" not in str(told) and "Rottnest" not in str(told)
    seen = {each["chunk_id"] for each in told["retrieval"][0]["considered"]}
    assert hidden and not seen & {each["chunk_id"] for each in hidden}
    search = told["retrieval"][0]
    counts = [told["no_longer_readable"], search["no_longer_readable"], search["left_out"], search["visible_chunks"]]
    assert counts == [None] * 4
    assert not [each for each in search["considered"] if "fused" in each["scores"]], "places count what is between them"
    assert search["considered"] and not [each for each in search["considered"] if each["because"]], "it compares"
    other = (await ask(client, as_("sam.reyes"), LEAVE)).json()["turn_id"]
    open_ = (await story(client, as_("olga.petrov"), other))["retrieval"][0]["considered"]
    assert any(each["because"] for each in open_), "who may read all that was kept may read why the rest was not"


async def test_a_search_for_what_only_others_may_read_looks_the_same_as_one_for_what_is_not_there(client, as_):
    found = []
    for question in (PAY["question"], "How much is the chief gardener paid?"):
        turn_id = (await ask(client, as_("sam.reyes"), {"question": question})).json()["turn_id"]
        told = await story(client, as_("sam.reyes"), turn_id)
        found.append((told["retrieval"][0]["visible_chunks"], told["no_longer_readable"], told["outcome"]))
    assert found[0] == found[1]


async def test_the_ledger_keeps_what_was_looked_for_masked(client, as_, service):
    asked = {"question": "Is the annual leave of jane.doe@example.org ours?"}
    turn_id = (await ask(client, as_("sam.reyes"), asked)).json()["turn_id"]
    kept = str((await row(service, turn_id))["retrieval"])
    assert "<EMAIL_1>" in kept and "jane.doe" not in kept


async def test_a_turn_that_looks_nothing_up_has_no_search(client, as_):
    turn_id = (await ask(client, as_("sam.reyes"), {"question": "2 words"}, usecase="slow")).json()["turn_id"]
    assert (await story(client, as_("sam.reyes"), turn_id))["retrieval"] == []


async def test_turns_from_before_searches_were_kept_are_still_told(client, as_, service):
    turn_id = (await ask(client, as_("sam.reyes"), LEAVE)).json()["turn_id"]
    old = {**(await row(service, turn_id)), "id": uuid4(), "retrieval": None}
    from sqlalchemy import insert

    from app.store.tables import turns

    async with service.database.work() as work:
        await work.run(insert(turns), {key: value for key, value in old.items() if key in turns.c})
    told = await story(client, as_("sam.reyes"), old["id"])
    assert told["retrieval"] == [] and told["passages"]
