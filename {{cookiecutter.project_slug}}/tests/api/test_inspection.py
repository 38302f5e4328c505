"""Operators' looks at documents, through the HTTP door: with a permission, a reason, and a row in the audit."""

import re
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from app.domain.access import Access
from app.errors import Forbidden
from app.store import documents
from app.work.inspecting import Question
from tests.api.papers import Papers

WHY = "/v1/admin/why"
QUESTION = "Which axolotl tank does the aquarium club clean?"
TEXT = "# Tanks\n\nThe aquarium club cleans the axolotl tank on Fridays.\n\n# Cake\n\nThere is cake afterwards.\n"
BECAUSE = "a complaint of Sam's"


@pytest.fixture
async def papers(service, client, as_):
    return Papers(service, client, as_("maya.okafor"))


@pytest.fixture
async def paper(papers):
    document = await papers.send(f"Aquarium {uuid4().hex[:6]}", TEXT, ["group:sales"])
    yield document
    await papers.delete(document)


@pytest.fixture
def look(client, as_):
    async def looked(**changes):
        body = {"question": QUESTION, "usecase": "handbook", "person": "sam.reyes", "reason": BECAUSE, **changes}
        return await client.post(WHY, json=body, headers=as_("olga.petrov"))

    return looked


async def change(service, paper, **facts):
    async with service.ingest_database.work() as work:
        found = await documents.find(work, UUID(paper))
        await documents.change(work, found.id, replace(found.facts, **facts))


async def diagnosed(look, document, **changes):
    answer = await look(document=document, **changes)
    assert answer.status_code == 200, answer.text
    (diagnosis,) = answer.json()["diagnoses"]
    return diagnosis, {verdict["step"]: verdict for verdict in diagnosis["verdicts"]}


@pytest.mark.proves("OBS-1", "SEC-4")
async def test_what_was_found_is_followed_through_every_question(look, paper):
    diagnosis, steps = await diagnosed(look, paper)
    assert diagnosis["found"] and not diagnosis["reason"]
    assert list(steps) == ["exists", "ingested", "in force", "may read", "words", "vector", "kept"]
    assert all(verdict["good"] for verdict in steps.values())
    assert "axolotl" in steps["words"]["said"] and "place 1 " in steps["vector"]["said"]
    assert steps["may read"]["said"] == "reads it as group:sales" and "place 1 of" in steps["kept"]["said"]


@pytest.mark.proves("SEC-4")
async def test_who_may_not_read_it_is_told_by_which_rule(look, service, paper):
    diagnosis, steps = await diagnosed(look, paper, person="tom.becker")
    assert not diagnosis["found"] and diagnosis["reason"] == "not among the readers: group:sales"
    assert "never looked at" in steps["kept"]["said"] and "readers" in steps["may read"]["cure"]
    for access, said in (
        (Access(("everyone",), denied=("group:sales",)), "denied to group:sales; a deny beats every reader"),
        (Access(("everyone",), classification="forgotten"), "which is no level of config/roles.toml"),
        (Access(("everyone",), regions=("mars",)), "for the regions mars; the person has: none"),
    ):
        await change(service, paper, access=access)
        diagnosis, steps = await diagnosed(look, paper)
        assert said in diagnosis["reason"] and not steps["may read"]["good"], said
        assert "axolotl" in steps["words"]["said"], "what it says is looked at all the same"


async def test_a_superseded_document_says_so(look, service, paper):
    await change(service, paper, superseded=True)
    diagnosis, steps = await diagnosed(look, paper)
    assert "a newer version supersedes it" in diagnosis["reason"] and not steps["in force"]["good"]


async def test_words_that_are_not_in_it_and_a_passage_of_its_own(look, paper):
    diagnosis, steps = await diagnosed(look, paper, chunk=2, question="Where do axolotls live?")
    assert "shares none of the question's words" in steps["words"]["said"], diagnosis
    assert "1 passage looked at" in steps["ingested"]["said"] and steps["words"]["cure"]


async def test_a_cut_passage_says_at_which_stage_and_by_how_much(look, paper):
    question = "How many days of annual leave do employees have when they clean?"
    diagnosis, steps = await diagnosed(look, paper, question=question)
    assert not diagnosis["found"] and steps["kept"]["cure"]
    assert re.search(r"scores below 35% of the best: it has 0\.\d+, and needs 0\.\d+", steps["kept"]["said"])


async def test_what_could_not_be_read_says_why(look, papers):
    broken = await papers.send("Broken tank", "   \n", ["group:sales"])
    diagnosis, steps = await diagnosed(look, "Broken tank")
    assert list(steps) == ["exists", "ingested"] and steps["ingested"]["said"].startswith("failed: ")
    assert diagnosis["reason"] == steps["ingested"]["said"]
    await papers.delete(broken)


async def test_what_is_not_there_is_told_with_where_it_could_come_from(look):
    diagnosis, steps = await diagnosed(look, "The unicorn ledger")
    assert list(steps) == ["exists"] and "no document" in diagnosis["reason"]
    assert "handbook" in steps["exists"]["cure"]


async def test_a_document_of_another_use_case_is_named_as_such(look, paper):
    diagnosis, _ = await diagnosed(look, paper, usecase="cached")
    assert diagnosis["reason"] == "it belongs to handbook; cached searches its own documents only"


async def test_a_search_alone_shows_what_it_weighed_without_a_turn_or_a_model(look, service, paper):
    async with service.database.work() as work:
        before = (await work.sql("SELECT count(*) FROM turns")).scalar_one()
    found = (await look()).json()
    assert found["diagnoses"] == [] and found["plan"] == "exact" and "group:sales" in found["claims"]["names"]
    best = found["weighed"][0]
    assert best["kept"] and best["document_id"] == paper and best["heading"] == "Tanks"
    async with service.database.work() as work:
        assert (await work.sql("SELECT count(*) FROM turns")).scalar_one() == before


@pytest.mark.proves("SEC-4")
async def test_every_look_needs_the_permission_and_a_reason_and_stands_in_the_audit(client, as_, look, paper):
    assert (await look(reason="")).status_code == 422 and (await look(reason="  ")).status_code == 422
    urls = [f"/v1/admin/documents/{paper}/readers", "/v1/admin/people/sam.reyes/documents"]
    for person in ("sam.reyes", "hana.lind", "maya.okafor"):
        body = {"question": QUESTION, "usecase": "handbook", "person": person, "document": paper, "reason": BECAUSE}
        assert (await client.post(WHY, json=body, headers=as_(person))).status_code == 403
        for url in urls:
            refused = await client.get(url, params={"reason": BECAUSE}, headers=as_(person))
            assert refused.status_code == 403 and "Aquarium" not in refused.text
    operator = as_("olga.petrov")
    assert (await look(document=paper)).status_code == 200
    for url in urls:
        assert (await client.get(url, headers=operator)).status_code == 422
        assert (await client.get(url, params={"reason": BECAUSE}, headers=operator)).status_code == 200
    rows = (await client.get("/v1/admin/audit", headers=operator)).json()[:3]
    assert [row["action"] for row in rows] == ["documents.readable", "documents.readers", "documents.why"]
    assert {row["reason"] for row in rows} == {BECAUSE} and {row["actor"] for row in rows} == {"olga.petrov"}
    assert QUESTION not in str(rows), "what cannot be deleted holds no question"


async def test_the_looks_themselves_refuse_whoever_lacks_the_permission(service):
    who, asked = service.roles.principal("maya.okafor", groups=("sales",)), Question(QUESTION, "handbook", "sam.reyes")
    look = service.inspection
    for refused in (
        look.why(who, asked, because="curious"),
        look.readers(who, "Annual leave", because="curious"),
        look.readable(who, "sam.reyes", because="curious"),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_nobody_and_nothing_of_that_name_are_told(client, as_, look):
    assert "Nobody here is called 'nobody'" in (await look(person="nobody")).json()["detail"]
    assert (await look(usecase="nothing")).status_code == 404
    found = (await look(person="nobody", groups=["sales"])).json()
    assert {"group:sales", "user:nobody"} <= set(found["claims"]["names"])
    url = "/v1/admin/documents/The unicorn ledger/readers"
    assert (await client.get(url, params={"reason": "x"}, headers=as_("olga.petrov"))).status_code == 404


@pytest.mark.proves("SEC-4", "OBS-1")
async def test_who_can_read_it_since_when_and_by_which_job(client, as_, papers, paper):
    job_id = await papers.give_to(paper, ["group:sales", "user:maya.okafor"])
    url, why = f"/v1/admin/documents/{paper}/readers", {"reason": BECAUSE}
    (found,) = (await client.get(url, params=why, headers=as_("olga.petrov"))).json()
    assert found["access"]["readers"] == ["group:sales", "user:maya.okafor"] and not found["everyone"]
    newest, first = found["history"]
    assert (newest["job_id"], newest["kind"], newest["by"]) == (str(job_id), "access", "maya.okafor")
    assert first["kind"] == "upload" and first["access"]["readers"] == ["group:sales"] and first["at"] < newest["at"]
    may = {person["user_id"] for person in found["people"] if person["allowed"]}
    assert may == {"sam.reyes", "maya.okafor"}
    assert found["groups"] == [{"group": "group:sales", "denied": False, "people": ["maya.okafor", "sam.reyes"]}]
    erin = next(person for person in found["people"] if person["user_id"] == "erin.holt")
    assert erin["rule"] == "readers" and "not among the readers" in erin["said"]


async def test_a_document_is_found_by_title_and_by_path_too(client, as_):
    for name in ("Annual leave", "leave.md", "annual LEAVE"):
        answer = await client.get(f"/v1/admin/documents/{name}/readers?reason=x", headers=as_("olga.petrov"))
        assert "Annual leave" in {each["title"] for each in answer.json()}
        assert all(each["everyone"] for each in answer.json() if each["source"] == "handbook")


async def test_what_a_person_can_read_is_counted_by_source_and_rule(client, as_, service):
    answer = await client.get("/v1/admin/people/sam.reyes/documents?reason=x", headers=as_("olga.petrov"))
    (handbook,) = [each for each in answer.json()["sources"] if each["source"] == "handbook"]
    who = service.roles.principal("sam.reyes", groups=("sales",))
    async with service.database.work(claims=who.claims) as work:
        seen = await documents.visible(work, claims=who.claims, usecase="handbook")
    assert handbook["readable"] == sum(each.facts.source == "handbook" for each in seen)
    assert handbook["documents"] == handbook["readable"] + sum(handbook["kept_out"].values())
    assert handbook["kept_out"].keys() == {"readers"} and handbook["by"]["everyone"] >= 1


@pytest.mark.proves("REL-8")
@pytest.mark.parametrize("path", ["documents/%00/readers", "documents/a%00b/readers", "people/%00/documents"])
async def test_a_name_that_no_database_can_hold_is_refused(client, as_, path):
    response = await client.get(f"/v1/admin/{path}", params={"reason": "to see"}, headers=as_("olga.petrov"))
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json"), response.text
