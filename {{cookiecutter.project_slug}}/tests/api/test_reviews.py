"""The queue of reviews through the doors: who has one, who may not decide, and what the decision becomes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from app.domain.identity import Permission, Principal
from app.domain.outcome import Outcome
from app.domain.review import Reviews
from app.domain.turn import Turn
from app.store import audit, incidents, ledger
from app.store.incidents import Incident
from app.wiring.service import Service
from tests.accounts import Office, bearer, office
from tests.api.asking import ask, events
from tests.api.serving import Served

As = Callable[[str], dict[str, str]]
# Nothing in the handbook says it in all of these words, so no answer is quite sure.
LEAVE = "How many days of annual leave does every employee have in the next year?"
HANA, OLGA, PRIYA, SAM, TOM = "hana.lind", "olga.petrov", "priya.nair", "sam.reyes", "tom.becker"
ADMIN = "/v1/admin/reviews"


@dataclass
class Queue:
    """The handbook with a contract of the test's own, and short ways to its reviews."""

    service: Service
    client: httpx2.AsyncClient
    as_: As

    def contract(self, usecase: str = "handbook", **reviews: Any) -> None:
        """Change `[reviews]` of a use case for this test."""
        known = self.service.usecases[usecase]
        contract = known.contract.model_copy(update={"reviews": Reviews(**reviews)})
        self.service.usecases[usecase] = replace(known, contract=contract)  # type: ignore[index]

    async def held(self, who: str = SAM, **body: Any) -> dict[str, Any]:
        """Ask something whose answer waits for a person; gives its review as a reviewer sees it."""
        turn = await ask(self.client, self.as_(who), {"question": LEAVE, **body})
        assert turn.json()["outcome"] == "escalated_review", turn.text
        return await self.of_turn(turn.json()["turn_id"])

    async def of_turn(self, turn_id: str, who: str = HANA, **query: Any) -> dict[str, Any]:
        """Give the newest review of a turn as it is listed."""
        rows = await self.listed(who, limit=500, **query)
        return next(row for row in rows if row["turn_id"] == turn_id)

    async def listed(self, who: str = HANA, **query: Any) -> list[dict[str, Any]]:
        """List reviews."""
        response = await self.client.get(ADMIN, params=query, headers=self.as_(who))
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()
        return found

    async def send(self, who: str, review: dict[str, Any], what: str = "", **body: Any) -> httpx2.Response:
        """Do something to a review: decide, or `take`, `assign`, `reopen`."""
        url = f"{ADMIN}/{review['id']}" + (f"/{what}" if what else "")
        return await self.client.post(url, json=body or None, headers=self.as_(who))

    async def approve(self, who: str, review: dict[str, Any], **body: Any) -> httpx2.Response:
        """Approve, perhaps edited."""
        return await self.send(who, review, approve=True, reason="it is right", **body)

    async def corrected(self, review: dict[str, Any], *, capture: bool = False, **edit: Any) -> httpx2.Response:
        """Have Hana write, and Olga clear it."""
        first = await self.approve(HANA, review, **edit)
        assert (first.status_code, first.json()["status"]) == (200, "open"), first.text
        return await self.approve(OLGA, review, capture=capture)

    async def reject(self, who: str, review: dict[str, Any], **body: Any) -> httpx2.Response:
        """Reject."""
        return await self.send(who, review, approve=False, reason="it is wrong", **body)

    async def story(self, turn_id: str, who: str = SAM) -> dict[str, Any]:
        """Give what the asker is told of a turn."""
        found: dict[str, Any] = (await self.client.get(f"/v1/turns/{turn_id}", headers=self.as_(who))).json()
        return found

    async def page(self, review: dict[str, Any], who: str = HANA) -> dict[str, Any]:
        """Give one review with all that belongs to it."""
        response = await self.client.get(f"{ADMIN}/{review['id']}", headers=self.as_(who))
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def sql(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Look into the database, or change it as time would."""
        async with self.service.database.work() as work:
            rows = await work.sql(statement, **values)
            return [dict(row) for row in rows.mappings()] if rows.returns_rows else []

    async def told(self, subject: str) -> list[tuple[str, dict[str, Any]]]:
        """Give the events about a subject, as receivers would get them."""
        rows = await self.sql("SELECT kind, data FROM events WHERE subject = :subject ORDER BY seq", subject=subject)
        return [(row["kind"], row["data"]) for row in rows]


@pytest.fixture
def queue(service: Service, client: httpx2.AsyncClient, as_: As) -> Iterator[Queue]:
    """The queue; each answer of the handbook waits, as no confidence is enough."""
    known = dict(service.usecases)
    opened = Queue(service, client, as_)
    opened.contract(confidence_below=1.0)
    yield opened
    service.usecases.update(known)  # type: ignore[attr-defined]


@pytest.mark.proves("CTL-4", "REL-2")
async def test_an_answer_that_is_not_sure_enough_waits_and_is_neither_told_nor_streamed(queue: Queue) -> None:
    queue.contract(confidence_below=1.0, hours={"confidence": 2}, priority={"confidence": 1})
    told = await events(queue.client, queue.as_(SAM), {"question": LEAVE})
    waiting = queue.service.usecases["handbook"].contract.sentences.waiting
    assert [name for name, _ in told if name == "delta"] == [], "no word of it was shown"
    end = dict(told)["end"]
    assert (end["outcome"], end["answer"]) == ("escalated_review", waiting)
    review = await queue.of_turn(end["turn_id"])
    assert (review["kind"], review["priority"], review["overdue"]) == ("confidence", 1, False)
    assert "below 1" in review["why"] and "[1]" in review["draft"]
    (due,) = await queue.sql(
        "SELECT extract(epoch FROM due_at - created_at) AS s FROM reviews WHERE id = :id", id=UUID(review["id"])
    )
    assert round(due["s"]) == 2 * 3600
    queue.contract(confidence_below=0.0)
    assert (await ask(queue.client, queue.as_(SAM), {"question": LEAVE})).json()["outcome"].startswith("answered")


@pytest.mark.proves("CTL-4")
async def test_the_reviewer_sees_question_draft_passages_checks_and_what_was_done(queue: Queue) -> None:
    review = await queue.held()
    seen = await queue.page(review)
    assert seen["question"] == LEAVE and seen["hindrance"] == ""
    texts = [passage["text"] for passage in seen["evidence"]["passages"]]
    assert texts and any("leave" in text.lower() for text in texts)
    assert seen["evidence"]["findings"] == [] and seen["evidence"]["confidence"] is not None
    await queue.send(HANA, review, "take")
    assert [deed["action"] for deed in (await queue.page(review))["history"]] == ["review.taken"]
    own = await queue.held(HANA)
    assert "asked for" in (await queue.page(own))["hindrance"]
    refused = await queue.client.get(f"{ADMIN}/{review['id']}", headers=queue.as_(SAM))
    assert refused.status_code == 403


@pytest.mark.proves("REL-2")
async def test_the_decision_reaches_the_asker_in_the_turn_the_conversation_and_by_an_event(queue: Queue) -> None:
    session = str(uuid4())
    queue.contract(confidence_below=0.0)
    first = (await ask(queue.client, queue.as_(SAM), {"question": LEAVE})).json()
    session = first["session_id"]
    queue.contract(confidence_below=1.0)
    review = await queue.held(session_id=session)
    before = await queue.story(review["turn_id"])
    assert before["answer"].startswith("(held back") and before["reviews"][0]["status"] == "open"
    assert before["reviews"][0]["answer"] is None

    decided = await queue.corrected(review, text="Thirty days, says HR. [1]", note="See page 2.")
    assert decided.status_code == 200, decided.text
    after = await queue.story(review["turn_id"])
    assert after["answer"] == "Thirty days, says HR. [1]"
    (opinion,) = after["reviews"]
    assert (opinion["status"], opinion["answer"], opinion["note"]) == ("approved", after["answer"], "See page 2.")
    said = (await queue.client.get(f"/v1/sessions/{session}", headers=queue.as_(SAM))).json()["messages"]
    assert said[-1]["text"] == "Thirty days, says HR. [1]" and said[-1]["citations"], "and it still cites"
    kinds = await queue.told(f"reviews/{review['id']}")
    assert [kind for kind, _ in kinds] == ["review.opened", "review.decided"]
    data = kinds[1][1]
    assert (data["decision"], data["edited"], data["by"], data["turn_id"]) == (
        "approved",
        True,
        OLGA,
        review["turn_id"],
    )
    assert "Thirty" not in str(kinds), "an event holds nobody's words but the reason"
    queue.contract(confidence_below=0.0)
    reply = await ask(queue.client, queue.as_(SAM), {"question": LEAVE, "session_id": session})
    assert reply.status_code == 200, "and the conversation goes on"


async def test_a_rejection_is_told_with_the_contracts_sentence_and_a_word_of_the_reviewer(queue: Queue) -> None:
    queue.contract(confidence_below=0.0)
    session = (await ask(queue.client, queue.as_(SAM), {"question": LEAVE})).json()["session_id"]
    queue.contract(confidence_below=1.0)
    review = await queue.held(session_id=session)
    assert (await queue.reject(HANA, review, note="Ask payroll.")).status_code == 200
    story = await queue.story(review["turn_id"])
    assert story["answer"].startswith("(held back") and story["reviews"][0]["note"] == "Ask payroll."
    said = (await queue.client.get(f"/v1/sessions/{session}", headers=queue.as_(SAM))).json()["messages"]
    declined = queue.service.usecases["handbook"].contract.sentences.declined
    assert said[-1]["text"] == f"{declined}\n\nAsk payroll." and said[-1]["citations"] == []


@pytest.mark.proves("CTL-4")
async def test_what_one_reviewer_took_another_one_leaves_alone_until_it_is_given_back_or_the_lease_is_over(
    queue: Queue,
) -> None:
    review = await queue.held()
    taken = (await queue.send(HANA, review, "take")).json()
    assert taken["taken_by"] == HANA
    for what in ("take", ""):
        refused = await (queue.approve(OLGA, review) if not what else queue.send(OLGA, review, what))
        assert refused.status_code == 409 and "hana.lind has taken this" in refused.json()["detail"]
    assert HANA in (await queue.page(review, OLGA))["hindrance"]
    url = f"{ADMIN}/{review['id']}/take"
    assert (await queue.client.delete(url, headers=queue.as_(OLGA))).status_code == 409
    assert (await queue.client.delete(url, headers=queue.as_(HANA))).status_code == 200
    assert (await queue.send(OLGA, review, "take")).status_code == 200
    await queue.sql(
        "UPDATE reviews SET taken_until = now() - interval '1 second' WHERE id = :id", id=UUID(review["id"])
    )
    assert (await queue.approve(HANA, review)).status_code == 200, "a lease that ran out holds nobody back"


async def test_of_two_who_decide_at_once_one_is_told_that_it_was_decided(queue: Queue) -> None:
    review = await queue.held()
    both = await asyncio.gather(queue.approve(HANA, review), queue.reject(OLGA, review))
    assert sorted(answer.status_code for answer in both) == [200, 409]


@pytest.mark.proves("CTL-4")
async def test_what_is_given_to_one_is_theirs_until_it_is_overdue_and_the_change_is_kept_to_take_it_back(
    queue: Queue,
) -> None:
    review = await queue.held()
    assert (await queue.send(HANA, review, "assign", assigned_to=OLGA, reason="she knows")).status_code == 403
    for wrong in (SAM, "service:crm", "no name"):
        assert (await queue.send(OLGA, review, "assign", assigned_to=wrong, reason="x")).status_code == 422
    assert (await queue.send(OLGA, review, "assign", reason="nothing changes")).status_code == 422
    far = await queue.send(OLGA, review, "assign", due_at="9999-12-31T23:59:59Z", reason="never")
    assert far.status_code == 422 and "a year" in far.json()["detail"]
    given = await queue.send(OLGA, review, "assign", assigned_to=HANA, priority=1, reason="she knows payroll")
    assert given.status_code == 204, given.text
    assert review["id"] in [row["id"] for row in await queue.listed(HANA, mine=True, limit=500)]
    assert review["id"] not in [row["id"] for row in await queue.listed(OLGA, mine=True, limit=500)]
    refused = await queue.approve(OLGA, review)
    assert refused.status_code == 409 and "given to hana.lind" in refused.json()["detail"]
    async with queue.service.database.work() as work:
        (row,) = await audit.history(work, subject=review["id"])
    assert (row["action"], row["reason"]) == ("review.assigned", "she knows payroll")
    assert (row["before"]["assigned_to"], row["after"]["assigned_to"]) == (None, HANA)
    undone = await queue.send(OLGA, review, "assign", **row["before"], reason="undone")
    assert undone.status_code == 204
    now = await queue.of_turn(review["turn_id"])
    assert (now["assigned_to"], now["priority"]) == (None, review["priority"])
    await queue.send(OLGA, review, "assign", assigned_to=HANA, reason="again")
    await queue.sql("UPDATE reviews SET due_at = now() - interval '1 second' WHERE id = :id", id=UUID(review["id"]))
    assert (await queue.approve(OLGA, review)).status_code == 200, "what is overdue is anybody's"


@pytest.mark.proves("CTL-4")
async def test_an_edit_waits_for_a_second_person_who_did_not_write_it(queue: Queue) -> None:
    review = await queue.held()
    first = await queue.approve(HANA, review, text="Thirty days.")
    assert (first.json()["status"], first.json()["authors"]) == ("open", [HANA])
    assert (await queue.story(review["turn_id"]))["answer"].startswith("(held back"), "nothing is told yet"
    again = await queue.approve(HANA, review)
    assert again.status_code == 403 and "You wrote" in again.json()["detail"]
    stale = await queue.approve(OLGA, review, seen=review["digest"])
    assert stale.status_code == 409 and "changed since you looked" in stale.json()["detail"]
    seen = await queue.page(review, OLGA)
    assert seen["final"] == "Thirty days." and [deed["action"] for deed in seen["history"]] == ["review.put_forward"]
    cleared = await queue.approve(OLGA, review, seen=seen["digest"])
    assert (cleared.json()["status"], cleared.json()["decided_by"]) == ("approved", OLGA)
    assert (await queue.story(review["turn_id"]))["answer"] == "Thirty days."
    plain = await queue.held()
    assert (await queue.approve(HANA, plain)).json()["status"] == "approved", "what nobody changed needs no second"


@pytest.mark.proves("CTL-4")
async def test_a_contract_may_say_on_purpose_that_one_person_clears_a_text_that_they_wrote(queue: Queue) -> None:
    queue.contract(confidence_below=1.0, second_person="never")
    review = await queue.held()
    decided = await queue.approve(HANA, review, text="Thirty days.")
    assert (decided.json()["status"], decided.json()["final"]) == ("approved", "Thirty days.")


@pytest.mark.proves("CTL-4")
async def test_what_was_given_to_one_who_put_it_forward_is_anybodys_else(queue: Queue) -> None:
    review = await queue.held()
    assert (await queue.send(OLGA, review, "assign", assigned_to=HANA, reason="she knows")).status_code == 204
    assert (await queue.approve(OLGA, review)).status_code == 409
    assert (await queue.approve(HANA, review, text="Thirty days.")).json()["status"] == "open"
    assert (await queue.approve(HANA, review)).status_code == 403
    back = await queue.send(OLGA, review, "assign", assigned_to=HANA, reason="again")
    assert back.status_code == 422 and "wrote it" in back.json()["detail"]
    cleared = await queue.approve(OLGA, review)
    assert (cleared.status_code, cleared.json()["status"]) == (200, "approved"), cleared.text


async def test_where_two_must_decide_on_everything_the_first_only_puts_forward(queue: Queue) -> None:
    queue.contract(confidence_below=1.0, second_person="always")
    review = await queue.held()
    assert (await queue.approve(HANA, review)).json()["status"] == "open"
    assert (await queue.approve(HANA, review)).status_code == 403
    assert (await queue.approve(OLGA, review)).json()["status"] == "approved"
    assert (await queue.send(OLGA, review, "reopen", reason="too soon")).json()["authors"] == []
    shown = (await queue.page(review))["digest"]
    again = await queue.approve(OLGA, review, note="Soon.")
    assert again.json()["status"] == "open", "what is taken back needs two again"
    assert (await queue.approve(OLGA, review)).status_code == 403
    assert (await queue.approve(HANA, review, seen=shown)).status_code == 409, "her word to the asker is new"
    cleared = (await queue.approve(HANA, review)).json()
    assert (cleared["status"], cleared["note"]) == ("approved", "Soon."), "and who wrote nothing is one of the two"
    other = await queue.held()
    assert (await queue.reject(HANA, other)).json()["status"] == "rejected", "one person is enough to say no"


@pytest.mark.proves("CTL-4")
async def test_the_table_itself_refuses_an_author_who_approves(queue: Queue) -> None:
    review = await queue.held()
    from sqlalchemy.exc import IntegrityError

    with pytest.raises(IntegrityError, match="reviews_not_of_an_author"):
        await queue.sql(
            "UPDATE reviews SET authors = '{hana.lind}', status = 'approved', decided_by = 'hana.lind' WHERE id = :id",
            id=UUID(review["id"]),
        )
    with pytest.raises(IntegrityError, match="reviews_not_of_who_put_it_forward"):
        await queue.sql(
            "UPDATE reviews SET put_forward_by = 'hana.lind', status = 'approved', decided_by = 'hana.lind'"
            " WHERE id = :id",
            id=UUID(review["id"]),
        )
    with pytest.raises(IntegrityError, match="reviews_of_people"):
        await queue.sql("UPDATE reviews SET decided_by = 'service:crm' WHERE id = :id", id=UUID(review["id"]))


@pytest.fixture(scope="module")
async def programs(
    service: Service, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """The service with service accounts; olga.petrov answers for `crm`."""
    folder: Path = tmp_path_factory.mktemp("programs")
    async with office(database_url, redis_url, folder) as opened:
        yield opened


@pytest.mark.proves("CTL-4")
async def test_no_program_decides_whatever_it_holds_and_its_owner_clears_nothing_that_it_asked(
    queue: Queue, programs: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_group = programs.service.roles.by_group
    granted = by_group.get("sales", frozenset()) | {Permission.DECIDE_REVIEWS, Permission.ASSIGN_REVIEWS}
    monkeypatch.setitem(by_group, "sales", granted)  # type: ignore[arg-type]
    key = bearer((await programs.make(queue.as_(OLGA)))["key"])
    review = await queue.held()
    url, door = f"{ADMIN}/{review['id']}", programs.door
    assert (await door.get(url, headers=key)).status_code == 200, "it may look"
    refusals = [
        await door.post(url, json={"approve": True, "reason": "I am sure"}, headers=key),
        await door.post(url, json={"approve": False, "reason": "I am sure"}, headers=key),
        await door.post(f"{url}/take", headers=key),
        await door.post(f"{url}/assign", json={"assigned_to": HANA, "reason": "x"}, headers=key),
        await door.post(f"{url}/reopen", json={"reason": "x"}, headers=key),
    ]
    assert [refused.status_code for refused in refusals] == [403] * 5
    assert "rograms" in refusals[0].json()["detail"]
    assert (await queue.of_turn(review["turn_id"]))["status"] == "open"

    known = dict(programs.service.usecases)
    strict = known["handbook"].contract.model_copy(update={"reviews": Reviews(confidence_below=1.0)})
    monkeypatch.setitem(programs.service.usecases, "handbook", replace(known["handbook"], contract=strict))  # type: ignore[arg-type]
    asked = await door.post("/v1/usecases/handbook/turns", json={"question": LEAVE}, headers=key)
    theirs = await queue.of_turn(asked.json()["turn_id"])
    assert theirs["asker"] == "service:crm"
    body = {"approve": True, "reason": "I own it"}
    assert (await door.post(f"{ADMIN}/{theirs['id']}", json=body, headers=queue.as_(OLGA))).status_code == 403
    assert (await door.post(f"{ADMIN}/{theirs['id']}", json=body, headers=queue.as_(HANA))).status_code == 200


@pytest.mark.proves("CTL-4")
async def test_who_made_a_programs_key_clears_nothing_that_it_asked_whoever_answers_for_it(
    queue: Queue, programs: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_group = programs.service.roles.by_group
    more = {
        "operators": by_group["operators"] | by_group["privacy"],
        "finance": frozenset({Permission.DECIDE_REVIEWS}),
    }
    for group, granted in more.items():
        monkeypatch.setitem(by_group, group, granted)  # type: ignore[index]
    key = bearer((await programs.make(queue.as_(OLGA), account="referee"))["key"])
    known = dict(programs.service.usecases)
    strict = known["handbook"].contract.model_copy(update={"reviews": Reviews(confidence_below=1.0)})
    monkeypatch.setitem(programs.service.usecases, "handbook", replace(known["handbook"], contract=strict))  # type: ignore[arg-type]
    asked = await programs.door.post("/v1/usecases/handbook/turns", json={"question": LEAVE}, headers=key)
    review = await queue.of_turn(asked.json()["turn_id"])
    assert review["asker"] == "service:referee", "which hana.lind answers for"
    url, body = f"{ADMIN}/{review['id']}", {"approve": True, "reason": "I know it"}
    assert (await programs.door.post(url, json=body, headers=queue.as_(HANA))).status_code == 403
    made = await programs.door.post(url, json=body, headers=queue.as_(OLGA))
    assert made.status_code == 403 and "asked for" in made.json()["detail"]
    assert "asked for" in (await programs.door.get(url, headers=queue.as_(OLGA))).json()["hindrance"]
    given = {"assigned_to": OLGA, "reason": "she knows"}
    assert (await programs.door.post(f"{url}/assign", json=given, headers=queue.as_(OLGA))).status_code == 422
    assert (await programs.door.post(url, json=body, headers=queue.as_(TOM))).status_code == 200


@pytest.mark.proves("CTL-4")
async def test_who_wrote_an_answer_does_not_clear_a_complaint_about_it(queue: Queue) -> None:
    review = await queue.held()
    assert (await queue.corrected(review, text="Thirty days.")).json()["status"] == "approved"
    url = f"/v1/turns/{review['turn_id']}/complaint"
    assert (await queue.client.post(url, json={"text": "It is 25."}, headers=queue.as_(SAM))).status_code == 201
    complaint = await queue.of_turn(review["turn_id"], kind="complaint")
    assert (complaint["draft"], complaint["authors"]) == ("Thirty days.", [HANA])
    refused = await queue.approve(HANA, complaint)
    assert refused.status_code == 403 and "You wrote" in refused.json()["detail"]
    assert (await queue.approve(OLGA, complaint)).json()["status"] == "approved", "who only cleared it may look again"

    queue.contract(confidence_below=1.0, second_person="never")
    alone = await queue.held()
    assert (await queue.approve(HANA, alone, text="Thirty days.")).json()["status"] == "approved"
    url = f"/v1/turns/{alone['turn_id']}/complaint"
    assert (await queue.client.post(url, json={"text": "It is 25."}, headers=queue.as_(SAM))).status_code == 201
    assert (await queue.approve(HANA, await queue.of_turn(alone["turn_id"], kind="complaint"))).status_code == 403


@pytest.mark.proves("CTL-4")
async def test_a_complaint_that_was_replaced_since_it_was_shown_is_not_decided_on(queue: Queue) -> None:
    queue.contract(confidence_below=0.0)
    turn = (await ask(queue.client, queue.as_(SAM), {"question": LEAVE})).json()
    url = f"/v1/turns/{turn['turn_id']}/complaint"
    digests = []
    for words in ("Ask a@home.example", "Ask nobody", "Ask c@home.example"):
        filed = await queue.client.post(url, json={"text": words}, headers=queue.as_(SAM))
        assert filed.status_code == 201, filed.text
        digests.append((await queue.page({"id": filed.json()["review_id"]}))["digest"])
    assert len(set(digests)) == 3, "behind a placeholder, too"
    complaint = await queue.of_turn(turn["turn_id"], kind="complaint")
    stale = await queue.approve(HANA, complaint, seen=digests[0])
    assert stale.status_code == 409 and "changed since you looked" in stale.json()["detail"]
    assert (await queue.approve(HANA, complaint, seen=digests[2])).status_code == 200


@pytest.mark.proves("EVL-8", "REL-12")
async def test_a_complaint_waits_for_a_person_whose_correction_replaces_the_answer_and_becomes_a_case(
    queue: Queue,
) -> None:
    queue.contract(confidence_below=0.0)
    turn = (await ask(queue.client, queue.as_(SAM), {"question": LEAVE})).json()
    url = f"/v1/turns/{turn['turn_id']}/complaint"
    assert (await queue.client.post(url, json={"text": "mine?"}, headers=queue.as_(HANA))).status_code == 404
    assert (await queue.client.post(url, json={"text": "  "}, headers=queue.as_(SAM))).status_code == 422
    filed = await queue.client.post(url, json={"text": "Wrong; write to me@home.example"}, headers=queue.as_(SAM))
    assert filed.status_code == 201, filed.text
    again = await queue.client.post(url, json={"text": "Wrong: it is 30. me@home.example"}, headers=queue.as_(SAM))
    assert again.json()["review_id"] == filed.json()["review_id"], "until somebody decides, it is one complaint"

    review = await queue.of_turn(turn["turn_id"])
    assert (review["kind"], review["draft"]) == ("complaint", turn["answer"])
    assert review["complaint"] == "Wrong: it is 30. <EMAIL_1>", "masked for those who may not see personal data"
    (opinion,) = (await queue.story(turn["turn_id"]))["reviews"]
    assert (opinion["status"], opinion["complaint"]) == ("open", "Wrong: it is 30. me@home.example")
    decided = await queue.corrected(review, text="Thirty days.", note="You were right.", capture=True)
    assert decided.status_code == 200, decided.text
    story = await queue.story(turn["turn_id"])
    assert story["answer"] == "Thirty days." and story["reviews"][0]["note"] == "You were right."
    cases = await queue.sql(
        "SELECT kind, status, question FROM captured_cases WHERE turn_id = :id ORDER BY kind", id=UUID(turn["turn_id"])
    )
    assert [(case["kind"], case["status"]) for case in cases] == [("complaint", "proposed"), ("review", "accepted")]
    assert [kind for kind, _ in await queue.told(f"turns/{turn['turn_id']}")].count("complaint.filed") == 2
    late = await queue.client.post(url, json={"text": "Still wrong"}, headers=queue.as_(SAM))
    assert late.status_code == 409


async def test_nobody_complains_while_a_person_decides_anyway_and_no_case_comes_of_a_rejection(queue: Queue) -> None:
    review = await queue.held()
    url = f"/v1/turns/{review['turn_id']}/complaint"
    early = await queue.client.post(url, json={"text": "too slow"}, headers=queue.as_(SAM))
    assert early.status_code == 409 and "A person looks at this" in early.json()["detail"]
    assert (await queue.reject(HANA, review, capture=True)).status_code == 422
    assert (await queue.approve(HANA, review)).status_code == 200
    assert (await queue.client.post(url, json={"text": "wrong"}, headers=queue.as_(SAM))).status_code == 201


@pytest.mark.proves("CTL-4")
async def test_a_sample_of_the_answers_is_looked_at_afterwards_and_the_asker_hears_only_of_changes(
    queue: Queue,
) -> None:
    queue.contract(sample_share=1.0)
    turn = (await ask(queue.client, queue.as_(SAM), {"question": LEAVE})).json()
    assert turn["outcome"].startswith("answered")
    review = await queue.of_turn(turn["turn_id"], kind="sample")
    assert review["draft"] == turn["answer"]
    assert (await queue.story(turn["turn_id"]))["reviews"] == []
    assert (await queue.approve(HANA, review)).status_code == 200
    assert (await queue.story(turn["turn_id"]))["reviews"] == []
    other = (await ask(queue.client, queue.as_(SAM), {"question": LEAVE})).json()
    await queue.reject(HANA, await queue.of_turn(other["turn_id"], kind="sample"), note="It is outdated.")
    story = await queue.story(other["turn_id"])
    assert story["answer"].startswith("(held back") and story["reviews"][0]["note"] == "It is outdated."


async def test_a_decision_can_be_taken_back_and_the_asker_reads_what_they_read_before(queue: Queue) -> None:
    queue.contract(confidence_below=0.0)
    session = (await ask(queue.client, queue.as_(SAM), {"question": LEAVE})).json()["session_id"]
    queue.contract(confidence_below=1.0)
    review = await queue.held(session_id=session)
    assert (await queue.send(HANA, review, "reopen", reason="x")).status_code == 409
    await queue.corrected(review, text="Thirty days.")
    assert (await queue.send(SAM, review, "reopen", reason="x")).status_code == 403
    back = await queue.send(OLGA, review, "reopen", reason="it was last year's")
    assert (back.status_code, back.json()["status"]) == (200, "open")
    said = (await queue.client.get(f"/v1/sessions/{session}", headers=queue.as_(SAM))).json()["messages"]
    assert said[-1]["text"] == queue.service.usecases["handbook"].contract.sentences.waiting
    assert (await queue.story(review["turn_id"]))["reviews"][0]["answer"] is None
    assert (await queue.reject(HANA, review)).status_code == 200


@pytest.mark.proves("SCL-1")
async def test_the_item_of_a_job_has_the_newest_decision_and_its_event_and_nothing_that_nobody_cleared(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Olga asked for the job, so that two others have to review.
    by_group = queue.service.roles.by_group
    monkeypatch.setitem(by_group, "engineering", frozenset({Permission.DECIDE_REVIEWS}))  # type: ignore[index]
    body = {"items": [{"question": "The invoice is wrong"}]}
    job = (await queue.client.post("/v1/usecases/triage/jobs", json=body, headers=queue.as_(OLGA))).json()["job_id"]
    await queue.service.jobs.run(UUID(job))
    url = f"/v1/jobs/{job}"

    async def told() -> dict[str, Any]:
        (item,) = (await queue.client.get(url, headers=queue.as_(OLGA))).json()["items"]
        exported = (await queue.client.get("/v1/me/export", headers=queue.as_(OLGA))).json()
        (kept,) = [each["items"][0] for each in exported["jobs"] if each["id"] == job]
        names = ("answer", "data", "review")
        assert {name: item[name] for name in names} == {name: kept[name] for name in names}
        return dict(item)

    before = await told()
    review = await queue.of_turn(before["turn_id"])
    assert review["kind"] == "advise" and review["data"]["urgency"] != "low"
    edit = {"text": "We call you.", "data": {**review["data"], "urgency": "low"}}
    assert (await queue.approve(HANA, review, **edit)).json()["status"] == "open"
    assert await told() == before, "what is put forward is between the reviewers"
    assert (await queue.approve(PRIYA, review)).json()["status"] == "approved"
    item = await told()
    assert (item["review"], item["answer"], item["data"]["urgency"]) == ("approved", "We call you.", "low")
    assert (await queue.send(PRIYA, review, "reopen", reason="nobody calls")).json()["final"] == "We call you."
    assert await told() == before, "and what was taken back is so again"
    rows = await queue.sql("SELECT event, data FROM job_events WHERE job_id = :id", id=UUID(job))
    assert ("reviewed", {"ordinal": 0, "review": "approved"}) in [(row["event"], row["data"]) for row in rows]


async def test_the_queue_is_by_priority_and_deadline_and_can_be_narrowed(queue: Queue) -> None:
    queue.contract(confidence_below=1.0, priority={"confidence": 5}, hours={"confidence": 8000})
    last = await queue.held()
    queue.contract(confidence_below=1.0, priority={"confidence": 1}, hours={"confidence": 0.001})
    first = await queue.held()
    ids = [row["id"] for row in await queue.listed(limit=500)]
    assert ids.index(first["id"]) < ids.index(last["id"])
    assert last["id"] not in [row["id"] for row in await queue.listed(limit=500, kind="advise")]
    assert last["id"] not in [row["id"] for row in await queue.listed(limit=500, usecase="triage")]
    await queue.sql("UPDATE reviews SET due_at = now() - interval '1 second' WHERE id = :id", id=UUID(first["id"]))
    late = await queue.listed(limit=500, overdue=True)
    assert first["id"] in [row["id"] for row in late] and all(row["overdue"] for row in late)
    wrong = await queue.client.get(ADMIN, params={"kind": "compliant"}, headers=queue.as_(HANA))
    assert wrong.status_code == 422


@pytest.mark.proves("CTL-4", "REL-4")
async def test_nobody_closes_the_incident_of_their_own_question_and_no_program_closes_any(
    queue: Queue, programs: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with queue.service.database.work() as work:
        found = [Incident("leak", uuid4(), "handbook", who, "api", "it told") for who in (HANA, SAM)]
        await incidents.open_(work, found)
        rows = {row["turn_id"]: row["id"] for row in await incidents.listed(work)}
    hers, his = (f"/v1/admin/incidents/{rows[one.turn_id]}/close" for one in found)
    because = {"reason": "a false alarm"}
    own = await queue.client.post(hers, json=because, headers=queue.as_(HANA))
    assert own.status_code == 403 and "asked for" in own.json()["detail"]
    by_group = programs.service.roles.by_group
    monkeypatch.setitem(by_group, "sales", by_group.get("sales", frozenset()) | {Permission.DECIDE_REVIEWS})  # type: ignore[arg-type]
    key = bearer((await programs.make(queue.as_(OLGA)))["key"])
    assert (await programs.door.post(his, json=because, headers=key)).status_code == 403
    for url, who in ((hers, OLGA), (his, HANA)):
        assert (await queue.client.post(url, json=because, headers=queue.as_(who))).status_code == 200


@pytest.mark.proves("REL-12")
async def test_an_answer_that_a_person_withdrew_is_not_given_to_the_next_who_asks_the_same(
    served: Served, as_: As
) -> None:
    question = {"question": f"How many days of annual leave do employees have? {uuid4().hex[:6]}"}
    sam, hana = as_(SAM), as_(HANA)
    async with httpx2.AsyncClient(base_url=served.url, timeout=60) as client:
        first, second = [(await ask(client, sam, question, usecase="cached")).json() for _ in range(2)]
        assert first["outcome"] == "answered_model" and second["outcome"] == "answered_cached"
        words = {"text": "It is outdated."}
        filed = await client.post(f"/v1/turns/{second['turn_id']}/complaint", json=words, headers=sam)
        assert filed.status_code == 201, filed.text
        body = {"approve": False, "reason": "it is"}
        decided = await client.post(f"{ADMIN}/{filed.json()['review_id']}", json=body, headers=hana)
        assert decided.status_code == 200, decided.text
        assert (await ask(client, sam, question, usecase="cached")).json()["outcome"] == "answered_model"


@pytest.mark.proves("SEC-3")
async def test_a_shadow_run_of_ones_own_question_is_told_by_its_id_to_those_who_read_all_turns_alone(
    queue: Queue,
) -> None:
    who = Principal(SAM, groups=("sales",))
    shadow = Turn(usecase=queue.service.usecases["handbook"], principal=who, question=LEAVE, channel="shadow")
    ended = shadow.with_(outcome=Outcome.ANSWERED_MODEL, answer="What the candidate would say.")
    await ledger.end(queue.service.database, ended, None)
    url = f"/v1/turns/{shadow.id}"
    assert (await queue.client.get(url, headers=queue.as_(OLGA))).status_code == 200
    told = await queue.client.get(url, headers=queue.as_(SAM))
    assert told.status_code == 404 and "candidate" not in told.text
    filed = await queue.client.post(f"{url}/complaint", json={"text": "what?"}, headers=queue.as_(SAM))
    assert filed.status_code == 404
