"""Corrections, complaints and decisions on their way to a case: masked, sealed, decided on by somebody else."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from app.domain.identity import Permission, Principal
from app.domain.outcome import Outcome
from app.domain.review import Reviews
from app.domain.turn import Draft, Turn
from app.errors import BadInput, Conflict, Forbidden
from app.store import captured, ledger, unlearning
from app.store.erasures import Erasure
from app.work import capture
from tests.accounts import office

LEAVE = {"question": "How many days of annual leave do employees have?"}
URL = "/v1/usecases/handbook/turns"
ROSA = Principal("rosa", permissions=frozenset({Permission.DECIDE_REVIEWS}), groups=("everyone",))


@pytest.fixture
async def office_of_programs(service, database_url, redis_url, tmp_path):
    """The service with service accounts; hana.lind answers for `referee`."""
    async with office(database_url, redis_url, tmp_path) as opened:
        yield opened


async def answered(service):
    """Write down that sam.reyes was answered; what other tests do to the handbook is nothing to these."""
    draft = Draft(text="You have 25 days.", rung="extractive", outcome=Outcome.ANSWERED_EXTRACTIVE)
    turn = Turn(usecase=service.usecases["handbook"], principal=Principal("sam.reyes"), question=LEAVE["question"])
    turn = turn.with_(screened=turn.question, draft=draft, outcome=draft.outcome)
    await ledger.end(service.database, turn, None)
    return turn.id


@pytest.fixture
async def turn_id(service):
    return await answered(service)


async def proposed(service, turn_id, expected, *, kind="correction", by="sam.reyes"):
    async with service.database.work() as work:
        return await capture.propose(work, turn_id, kind=kind, expected=expected, by=by)


async def case_of(service, turn_id, **wanted):
    found = await service.trying.captures.listed(ROSA, **wanted)
    return next(each for each in found if each["turn_id"] == turn_id)


async def accepted(service):
    return [each for each in await service.trying.captures.known("handbook") if each.status == "accepted"]


@pytest.mark.proves("EVL-8")
async def test_a_correction_at_the_door_becomes_a_masked_proposal(client, as_, service, turn_id):
    correction = "It is 26 days, ask jane.doe@example.org or Erin Holt."
    body = {"thumbs": "down", "correction": correction}
    told = await client.post(f"/v1/turns/{turn_id}/feedback", json=body, headers=as_("sam.reyes"))
    assert told.status_code == 204
    await service.trying.captures.keep()
    async with service.database.work() as work:
        of = "SELECT * FROM captured_cases WHERE turn_id = :id"
        row = (await work.sql(of, id=turn_id)).mappings().one()
    assert (row["kind"], row["status"], row["asker"], row["proposed_by"]) == (
        "correction", "proposed", "sam.reyes", "sam.reyes",
    )  # fmt: skip
    assert row["is_masked"] and "jane.doe" not in str(row) and "Erin" not in str(row)
    case = await case_of(service, turn_id)
    assert case["expected"].startswith("It is 26 days, ask <EMAIL_1>") and case["question"] == LEAVE["question"]
    assert "25 days" in case["answer"]


async def test_a_second_opinion_replaces_the_first_until_a_person_has_decided(service, turn_id):
    first = await proposed(service, turn_id, "It is 26 days.")
    assert await proposed(service, turn_id, "It is 27 days.") == first
    assert (await case_of(service, turn_id))["expected"] == "It is 27 days."
    await service.trying.captures.decide(ROSA, first, status="accepted", because="so it is")
    assert await proposed(service, turn_id, "It is 28 days.") is None
    assert (await case_of(service, turn_id))["expected"] == "It is 27 days."


async def test_there_is_nothing_to_propose_about_nothing(service, turn_id):
    assert await proposed(service, turn_id, "  ") is None
    assert await proposed(service, uuid4(), "It is 26 days.") is None


@pytest.mark.proves("EVL-8", "CTL-4")
async def test_a_case_is_accepted_by_somebody_else_with_a_reason_and_the_decision_can_be_taken_back(
    client, as_, service, turn_id
):
    case_id = await proposed(service, turn_id, "It is 26 days.")
    door, body = f"/v1/admin/cases/{case_id}", {"status": "accepted", "reason": "the handbook of 2027 says so"}
    assert (await client.post(door, json=body, headers=as_("sam.reyes"))).status_code == 403
    assert (await client.post(door, json={**body, "reason": " "}, headers=as_("hana.lind"))).status_code in (400, 422)
    told = await client.post(door, json={**body, "expected": "It is 26 days. "}, headers=as_("hana.lind"))
    assert told.status_code == 200 and told.json()["status"] == "accepted", told.text
    assert (await client.post(door, json=body, headers=as_("hana.lind"))).status_code == 409
    assert [each.expected for each in await accepted(service) if each.id == case_id] == ["It is 26 days."]
    back = {"status": "proposed", "reason": "not before 2027"}
    assert (await client.post(door, json=back, headers=as_("hana.lind"))).json()["status"] == "proposed"
    assert not [each for each in await accepted(service) if each.id == case_id]
    rows = (await client.get("/v1/admin/audit", params={"subject": str(case_id)}, headers=as_("olga.petrov"))).json()
    assert [(row["action"], row["actor"]) for row in rows] == [
        ("case.proposed", "hana.lind"), ("case.accepted", "hana.lind"),
    ]  # fmt: skip
    assert rows[1]["after"] == {"status": "accepted", "edited": False} and "26 days" not in str(rows)


@pytest.mark.proves("EVL-8", "CTL-4")
async def test_who_writes_the_right_answer_does_not_accept_it(client, as_, service, turn_id):
    case_id = await proposed(service, turn_id, "It is 26 days, ask jane.doe@example.org.")
    door, hana, olga = f"/v1/admin/cases/{case_id}", as_("hana.lind"), as_("olga.petrov")
    better = {"status": "accepted", "reason": "only then", "expected": "It is 26 days from 2027 on."}
    told = (await client.post(door, json=better, headers=hana)).json()
    assert (told["status"], told["expected"]) == ("proposed", better["expected"])
    assert not [each for each in await accepted(service) if each.id == case_id]
    case = await case_of(service, turn_id)
    assert (case["proposed_by"], case["edited_by"], case["decided_by"]) == ("sam.reyes", "hana.lind", None)
    for own in (better, {"status": "accepted", "reason": "mine"}):
        refused = await client.post(door, json=own, headers=hana)
        assert refused.status_code == 403 and "You wrote" in refused.json()["detail"]
    assert (await client.post(door, json=better, headers=olga)).json()["status"] == "accepted"
    (case,) = [each for each in await accepted(service) if each.id == case_id]
    assert (case.expected, case.edited_by, case.decided_by) == (better["expected"], "hana.lind", "olga.petrov")
    rows = (await client.get("/v1/admin/audit", params={"subject": str(case_id)}, headers=olga)).json()
    assert [(row["action"], row["actor"], row["after"]["edited"]) for row in rows] == [
        ("case.accepted", "olga.petrov", False), ("case.proposed", "hana.lind", True),
    ]  # fmt: skip


async def test_who_wrote_a_right_answer_may_write_it_anew_or_reject_it(client, as_, service, turn_id):
    door, hana = f"/v1/admin/cases/{await proposed(service, turn_id, 'It is 26 days.')}", as_("hana.lind")
    for words in ("It is 27 days.", "It is 28 days."):
        told = await client.post(door, json={"status": "accepted", "reason": "so", "expected": words}, headers=hana)
        assert (told.json()["status"], told.json()["expected"]) == ("proposed", words)
    told = await client.post(door, json={"status": "rejected", "reason": "neither"}, headers=hana)
    assert told.json()["status"] == "rejected", told.text


async def test_a_text_that_comes_back_as_it_was_shown_is_nobodys_edit(service, turn_id):
    case_id = await proposed(service, turn_id, "Ask Erin Holt, or jane.doe@example.org.")
    shown = (await case_of(service, turn_id))["expected"]
    assert "Erin" not in shown and "<EMAIL_1>" in shown
    after = await service.trying.captures.decide(ROSA, case_id, status="accepted", because="yes", expected=shown)
    assert (after.status, after.edited_by) == ("accepted", None)


async def test_a_contract_may_let_one_person_accept_what_they_wrote(service, turn_id, monkeypatch):
    known = service.usecases["handbook"]
    contract = known.contract.model_copy(update={"reviews": Reviews(second_person="never")})
    monkeypatch.setitem(service.usecases, "handbook", replace(known, contract=contract))
    case_id = await proposed(service, turn_id, "It is 26 days.")
    after = await service.trying.captures.decide(ROSA, case_id, status="accepted", because="so", expected="27 days")
    assert (after.status, after.expected, after.edited_by) == ("accepted", "27 days", None)


async def test_the_table_itself_lets_nobody_accept_what_they_wrote(service, turn_id):
    case_id = await proposed(service, turn_id, "It is 26 days.")
    with pytest.raises(IntegrityError, match="captured_cases_not_of_who_wrote"):
        async with service.database.work() as work:
            await captured.change(work, case_id, status="accepted", edited_by="hana.lind", decided_by="hana.lind")


@pytest.mark.proves("CTL-4")
async def test_nobody_decides_on_what_they_asked_or_proposed_and_no_program_does(service, turn_id):
    case_id = await proposed(service, turn_id, "It is 26 days.", by="rosa")
    everything = {"permissions": ROSA.permissions, "groups": ROSA.groups}
    own = (ROSA, Principal("sam.reyes", **everything), Principal("cli:sam.reyes", **everything))
    programs = (Principal("else", key_id="k", **everything), Principal("service:crm", **everything))
    for who in (*own, Principal("cli:rosa", **everything), *programs):
        with pytest.raises(Forbidden):
            await service.trying.captures.decide(who, case_id, status="accepted", because="me")
    with pytest.raises(Forbidden):
        await service.trying.captures.decide(Principal("else"), case_id, status="accepted", because="me")


@pytest.mark.proves("CTL-4")
async def test_nobody_who_stands_behind_a_program_accepts_what_it_proposed(service, turn_id, as_, office_of_programs):
    programs = office_of_programs
    case_id = await proposed(service, turn_id, "It is 26 days.", by="service:referee")
    made = await programs.make(as_("olga.petrov"), account="referee", permissions=["turns.ask"])
    assert made["key"]
    everything = {"permissions": ROSA.permissions, "groups": ROSA.groups}
    captures = programs.service.trying.captures
    for who in ("hana.lind", "cli:hana.lind", "olga.petrov"):
        with pytest.raises(Forbidden, match="asked for or proposed"):
            await captures.decide(Principal(who, **everything), case_id, status="accepted", because="me")
    after = await captures.decide(ROSA, case_id, status="accepted", because="so it is")
    assert after.status == "accepted"


async def test_a_complaint_says_what_is_wrong_and_whoever_accepts_it_what_is_right(service, turn_id):
    case_id = await proposed(service, turn_id, "That is last year's figure!", kind="complaint")
    case = await case_of(service, turn_id)
    assert (case["remark"], case["expected"]) == ("That is last year's figure!", "")
    with pytest.raises(BadInput, match="what the right answer is"):
        await service.trying.captures.decide(ROSA, case_id, status="accepted", because="true")
    after = await service.trying.captures.decide(
        ROSA, case_id, status="accepted", because="true", expected="It is 26 days, says Jane Doe of jane@example.org."
    )
    assert after.expected.startswith("It is 26 days") and "jane@example.org" not in after.expected
    assert after.status == "proposed"
    other = replace(ROSA, user_id="otto")
    after = await service.trying.captures.decide(other, case_id, status="accepted", because="checked")
    assert after.status == "accepted" and after.edited_by == "rosa"


async def test_a_reviewers_decision_is_accepted_with_it_and_may_be_structured(service, turn_id):
    await proposed(service, turn_id, {"queue": "billing", "to": "jane@example.org"}, kind="review", by="hana.lind")
    (case,) = [each for each in await accepted(service) if each.turn_id == turn_id]
    assert case.expected_data == {"queue": "billing", "to": "<EMAIL_1>"} and case.status == "accepted"
    with pytest.raises(Conflict):
        await service.trying.captures.decide(ROSA, case.id, status="accepted", because="again")


async def test_what_stands_on_documents_that_one_may_not_read_is_withheld(client, as_, service):
    asked = {"question": "How much is the chief executive paid?"}
    body = (await client.post(URL, json=asked, headers=as_("erin.holt"))).json()
    turn_id = UUID(body["turn_id"])
    case_id = await proposed(service, turn_id, "285,000 and a car", by="erin.holt")
    case = await case_of(service, turn_id)
    assert case["withheld"] and "285,000" not in str(case)
    with pytest.raises(Forbidden, match="may not read"):
        await service.trying.captures.decide(ROSA, case_id, status="rejected", because="no")


@pytest.mark.proves("SEC-11")
async def test_an_erasure_reaches_cases_and_what_waits_for_a_shadow(service, client, as_, turn_id):
    await proposed(service, turn_id, "It is 26 days.")
    async with service.database.work() as work:
        await work.sql(
            "INSERT INTO shadow_waiting (turn_id, usecase, candidate, user_id, groups, unit, input)"
            " VALUES (:id, 'gone', 'cheap', 'sam.reyes', '{}', '', 'x')",
            id=turn_id,
        )
    erasure = Erasure(
        id=uuid4(), user_id="sam.reyes", status="running", requested_by="x", requested_at=datetime.now(UTC), reason="x",
        finished_at=None, job_id=uuid4(), pseudonym="erased-1", documents=(), counts={}, certificate=None, hash="",
    )  # fmt: skip
    async with service.data_life.keeper.work() as work:
        counts = await unlearning.cases(work, erasure)
    assert counts["captured_cases"] >= 1 and counts["shadows_waiting"] == 1
    async with service.database.work() as work:
        assert not [each for each in await captured.listed(work) if each.asker == "sam.reyes"]
        assert not (await work.sql("SELECT FROM shadow_waiting WHERE user_id = 'sam.reyes'")).first()


async def test_a_page_of_many_cases_asks_the_database_no_more_often_than_one_of_few(service):
    counted = []
    for _ in range(2):
        for _ in range(3):
            await proposed(service, await answered(service), "It is 26 days.")
        await service.trying.captures.keep()
        with Statements(service) as seen:
            found = await service.trying.captures.listed(ROSA)
        counted.append(seen.count)
        assert all("25 days" in case["answer"] for case in found[:3])
    assert counted[0] == counted[1] > 0


class Statements:
    """Counts what the database is asked while it is entered."""

    def __init__(self, service):
        self._engine, self.count = service.database.engine.sync_engine, 0

    def _one(self, _, __, statement, *___):
        # The switches are looked up all the time.
        self.count += "turns" in statement

    def __enter__(self):
        event.listen(self._engine, "before_cursor_execute", self._one)
        return self

    def __exit__(self, *_):
        event.remove(self._engine, "before_cursor_execute", self._one)
