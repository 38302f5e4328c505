"""Rights through the public door: what somebody lost the right to is in no prompt, page, list or repeat any more."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from app.control.development import DevelopmentIssuer
from app.domain.access import Access
from app.store import documents, reviews
from tests.api.asking import ask
from tests.api.papers import Papers
from tests.conftest import SECRET
from tests.paging import whole
from tests.turn.caching import Asking, served, with_model

pytestmark = pytest.mark.proves("SEC-4", "SEC-1")
QUESTION = "Which lighthouse does the narwhal committee repaint?"
TEXT = "# Lighthouses\n\nThe narwhal committee repaints the lighthouse of {secret}.\n"


@pytest.fixture
def secret() -> str:
    return f"Skerry{uuid4().hex[:8]}"


@pytest.fixture
async def papers(service, client, as_):
    return Papers(service, client, as_("maya.okafor"))


@pytest.fixture
async def paper(papers, secret):
    document = await papers.send(f"Narwhal {secret}", TEXT.format(secret=secret), ["group:sales"])
    yield document
    await papers.delete(document)


async def give_to(service: Any, document: str, *readers: str) -> None:
    """Change the access as an ingestion would, whoever owns the document."""
    async with service.ingest_database.work() as work:
        found = await documents.find(work, UUID(document))
        assert found is not None
        await documents.change(work, found.id, replace(found.facts, access=Access(readers)))


async def page(client: Any, who: dict[str, str], path: str) -> str:
    answer = await client.get(path, headers=who)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


async def test_a_stored_answer_is_withheld_from_its_own_asker_too(service, client, as_, paper, secret):
    sam, key = as_("sam.reyes"), {"Idempotency-Key": uuid4().hex}
    first = (await ask(client, {**sam, **key}, {"question": QUESTION})).json()
    assert secret in first["answer"]
    paths = [f"/v1/turns/{first['turn_id']}", f"/v1/sessions/{first['session_id']}"]
    assert all([secret in await page(client, sam, path) for path in paths])
    await give_to(service, paper, "user:maya.okafor")
    again = await ask(client, {**sam, **key}, {"question": QUESTION})
    assert again.headers["Idempotency-Replayed"] == "true" and "withheld" in again.json()["answer"]
    assert again.json()["citations"] == [] and again.json()["turn_id"] == first["turn_id"]
    for shown in [again.text, *[await page(client, sam, path) for path in paths]]:
        assert secret not in shown and "withheld" in shown
    await give_to(service, paper, "group:sales")
    assert secret in (await ask(client, {**sam, **key}, {"question": QUESTION})).text


async def test_items_of_a_job_are_withheld_once_their_documents_are(service, client, as_, paper, secret):
    olga = as_("olga.petrov")
    await give_to(service, paper, "group:operators")
    body = {"items": [{"question": QUESTION}, {"question": "How many days of annual leave are there?"}]}
    job = (await client.post("/v1/usecases/handbook/jobs", json=body, headers=olga)).json()["job_id"]
    await service.jobs.run(UUID(job))
    assert secret in await page(client, olga, f"/v1/jobs/{job}")
    await give_to(service, paper, "group:sales")
    shown = await page(client, olga, f"/v1/jobs/{job}")
    assert secret not in shown and secret not in await page(client, olga, f"/v1/jobs/{job}/events")
    answers = [item["answer"] for item in json.loads(shown)["items"]]
    assert "withheld" in answers[0] and "withheld" not in answers[1]


async def test_a_job_asks_with_the_rights_of_the_moment(service, client, as_, paper, secret):
    olga = as_("olga.petrov")
    await give_to(service, paper, "group:operators")
    body = {"items": [{"question": QUESTION}]}
    job = (await client.post("/v1/usecases/handbook/jobs", json=body, headers=olga)).json()["job_id"]
    await give_to(service, paper, "group:sales")
    await service.jobs.run(UUID(job))
    assert secret not in await page(client, olga, f"/v1/jobs/{job}")


async def test_a_reviewer_who_may_not_read_the_passages_sees_no_draft_and_decides_nothing(
    service, client, as_, paper, secret
):
    hana, olga = as_("hana.lind"), as_("olga.petrov")
    turn = (await ask(client, as_("sam.reyes"), {"question": QUESTION})).json()
    async with service.database.work() as work:
        about = reviews.Opening(
            turn_id=UUID(turn["turn_id"]),
            usecase="handbook",
            asker="sam.reyes",
            question=QUESTION,
            why=f"unsure about {secret}",
            text=turn["answer"],
            data={"place": secret},
        )
        review = await reviews.open_(work, about)

    async def listed(status: str = "open") -> tuple[dict[str, Any], str]:
        text = await page(client, hana, f"/v1/admin/reviews?status={status}")
        return next(each for each in json.loads(text) if each["id"] == str(review)), text

    seen, text = await listed()
    assert seen["withheld"] and secret not in text and seen["question"] == QUESTION
    seat = {"Cookie": "identity=" + hana["Authorization"].removeprefix("Bearer ")}
    assert secret not in await whole(client, seat, "/console/reviews")
    decision = {"approve": True, "reason": "looks right", "text": "Something else."}
    refused = await client.post(f"/v1/admin/reviews/{review}", json=decision, headers=hana)
    assert refused.status_code == 403 and secret not in refused.text and "may not read" in refused.text

    await give_to(service, paper, "group:sales", "group:hr", "group:operators")
    seen, text = await listed()
    assert not seen["withheld"] and secret in text
    assert secret in await whole(client, seat, "/console/reviews")
    final = f"Repainted: {secret}, says the reviewer."
    for who, more in ((hana, {"text": final}), (olga, {"text": None})):
        decided = await client.post(f"/v1/admin/reviews/{review}", json={**decision, **more}, headers=who)
        assert decided.status_code == 200, decided.text
    audit = json.loads(await page(client, olga, "/v1/admin/audit"))
    mine = [row for row in audit if row["subject"] == str(review)]
    assert (
        mine[1]["after"]["edited"]["text"] is True
        and mine[0]["after"]["status"] == "approved"
        and secret not in json.dumps(mine)
    )
    await give_to(service, paper, "group:sales")
    assert secret not in (await listed("approved"))[1]


async def test_what_one_may_not_read_and_what_does_not_exist_look_alike(client, as_, paper, secret):
    priya, told = as_("priya.nair"), set()
    for id in (paper, str(uuid4())):
        for method, path, more in (
            ("PUT", f"/v1/documents/{id}/access", {"json": {"readers": ["everyone"]}}),
            ("DELETE", f"/v1/documents/{id}", {}),
        ):
            answer = await client.request(method, path, headers=priya, **more)
            told.add((method, answer.status_code, answer.json()["detail"]))
    assert {(method, status) for method, status, _ in told} == {("PUT", 404), ("DELETE", 404)} and len(told) == 2
    whole = json.loads(await page(client, priya, "/v1/documents?limit=500"))
    paged = [json.loads(await page(client, priya, f"/v1/documents?limit=1&offset={n}")) for n in range(len(whole) + 1)]
    assert paged == [*[[document] for document in whole], []] and secret not in json.dumps(whole)


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    """The directory's document: sam is one of the divers."""
    file = tmp_path / "groups.json"
    file.write_text(json.dumps({"Resources": [{"displayName": "divers", "members": [{"value": "sam.reyes"}]}]}))
    return file


@pytest_asyncio.fixture(loop_scope="session")
async def company(settings, vendor, listing: Path) -> AsyncIterator[Asking]:
    """A service with a model and a directory."""
    async with served(with_model(settings, vendor, directory=str(listing))) as asking:
        await asking.service.housekeeping.often()
        yield asking


def diver() -> dict[str, str]:
    """Sam's token of this morning names the divers, and the rowers, whom no directory lists."""
    people = {"sam.reyes": {"name": "Sam", "groups": ["divers", "rowers", "sales"]}}
    return {"Authorization": f"Bearer {DevelopmentIssuer(SECRET, people).token('sam.reyes')}"}


async def test_who_leaves_a_group_has_lost_its_documents_with_the_next_turn(company, listing, vendor, secret):
    document = await company.write("narwhal.md", TEXT.format(secret=secret), "group:divers")
    sam = diver()
    first = await company.ask(sam, QUESTION)
    assert secret in first["answer"] and secret in str(vendor.requests)

    listing.write_text(json.dumps({"Resources": [{"displayName": "divers", "members": []}]}))
    await company.service.directory.sync()
    vendor.requests.clear()
    follow = f"Say again what you said about the narwhal committee, {uuid4().hex[:6]}"
    later = await company.ask(sam, follow, session_id=first["session_id"])
    repeated = await company.ask(sam, QUESTION)
    assert secret not in json.dumps([later, repeated, vendor.requests])
    assert later["session_id"] == first["session_id"]
    me = json.loads(await page(company.client, sam, "/v1/me"))
    assert "group:divers" not in me["readers"] and "group:sales" in me["readers"]
    await company.drop(document)


async def test_a_level_needs_the_clearance_that_the_configuration_gives(service, client, as_, paper, secret):
    """config/roles.toml clears everyone for `internal`, and nobody for `confidential`."""

    async def classified(name: str) -> bool:
        async with service.ingest_database.work() as work:
            found = await documents.find(work, UUID(paper))
            assert found is not None
            access = Access(("group:sales",), classification=name)
            await documents.change(work, found.id, replace(found.facts, access=access))
        return secret in (await ask(client, as_("sam.reyes"), {"question": QUESTION})).text

    assert await classified("internal") and not await classified("confidential") and not await classified("lost")
    assert await classified("")


async def test_what_a_conversation_stood_on_stays_out_of_it_through_later_answers(company, vendor, secret):
    document = await company.write("narwhal.md", TEXT.format(secret=secret), "group:rowers")
    leave = await company.write("leave.md", "Employees have 25 days of annual leave.", "everyone")
    sam = diver()
    first = await company.ask(sam, QUESTION)
    # The next answer has the first before it, and a search of its own that does not find the document.
    async with company.service.ingest_database.work() as work:
        found = await documents.find(work, document)
        assert found is not None
        await documents.change(work, document, replace(found.facts, superseded=True))
    second = await company.ask(sam, "And how many days of annual leave are there?", session_id=first["session_id"])
    assert secret in str(vendor.requests[-1])
    assert str(document) not in json.dumps((await company.row(second))["passages"])
    await company.rights(document, "user:nobody")
    vendor.requests.clear()
    third = await company.ask(sam, "How many days of annual leave, again?", session_id=first["session_id"])
    assert "annual leave" in json.dumps(vendor.requests)
    assert secret not in json.dumps([third, vendor.requests])
    for turn in (first, second):
        assert "withheld" in json.loads(await page(company.client, sam, f"/v1/turns/{turn['turn_id']}"))["answer"]
    for id in (document, leave):
        await company.drop(id)
