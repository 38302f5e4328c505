"""Events stand or fall with what they tell of, and reach those who listen, nobody else."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from app.domain.keeping import Days, Keeping
from app.store import belongings, events, forgetting, incidents, retention
from app.store.erasures import Erasure
from app.store.incidents import Incident
from app.wiring.service import Service
from tests.listening import Listening

pytestmark = pytest.mark.proves("OPS-1")
FLIPPED = {"switch": "ai.enabled", "before": "on", "after": "off", "by": "olga.petrov", "reason": "it insulted Sam"}


async def emitted(service: Service, kind: str = "switch.flipped", *, usecase: str = "", **data: object) -> str:
    """Emit an event; gives its id."""
    async with service.database.work() as work:
        id = await events.emit(work, kind, subject="switches/ai.enabled", data=data or FLIPPED, usecase=usecase)
    return str(id)


async def count(service: Service, id: str) -> int:
    async with service.database.work() as work:
        return int((await work.sql("SELECT count(*) FROM events WHERE id = CAST(:id AS uuid)", id=id)).scalar_one())


async def test_an_event_is_rolled_back_with_what_it_tells_of(service: Service, listening: Listening) -> None:
    made = await listening.make("switch.flipped")
    with pytest.raises(RuntimeError):
        async with service.database.work() as work:
            await events.emit(work, "switch.flipped", subject="switches/ai.enabled", data=FLIPPED)
            raise RuntimeError("what it tells of failed")
    assert await listening.deliveries(made) == []
    await listening.send()
    assert listening.receiver.received == []


async def test_only_who_listens_to_the_kind_and_the_use_case_is_told(service: Service, listening: Listening) -> None:
    mine = await listening.make("switch.flipped", usecases=("handbook",))
    every = await listening.make("switch.flipped")
    other = await listening.make("job.finished")
    one = await emitted(service, usecase="handbook")
    two = await emitted(service, usecase="triage")
    three = await emitted(service)
    told = [{str(row["event_id"]) for row in await listening.deliveries(made)} for made in (mine, every, other)]
    assert told == [{one, three}, {one, two, three}, set()], "what concerns all use cases concerns each"


async def test_a_receiver_that_is_off_is_told_nothing(service: Service, listening: Listening) -> None:
    made = await listening.make("switch.flipped")
    await service.webhooks.change(listening.who, made.row["id"], enabled=False, because="for now")
    await emitted(service)
    assert await listening.deliveries(made) == []


async def test_answers_are_written_down_only_while_somebody_listens(service: Service, listening: Listening) -> None:
    answer = {"turn_id": str(uuid4()), "outcome": "answered_model", "user_id": "sam.reyes"}
    unheard = await emitted(service, "answer.given", usecase="handbook", **answer)
    await listening.make("answer.given", usecases=("triage",))
    other = await emitted(service, "answer.given", usecase="handbook", **answer)
    await listening.make("answer.given")
    heard = await emitted(service, "answer.given", usecase="handbook", **answer)
    assert [await count(service, id) for id in (unheard, other, heard)] == [0, 0, 1]


async def test_an_event_with_a_field_that_its_kind_does_not_hold_is_not_written(service: Service) -> None:
    async with service.database.work() as work:
        before = (await work.sql("SELECT count(*) FROM events")).scalar_one()
        with pytest.raises(ValueError, match="holds no question"):
            await events.emit(work, "switch.flipped", subject="switches/x", data={"question": "who earns what?"})
        assert (await work.sql("SELECT count(*) FROM events")).scalar_one() == before


def erasure(user_id: str) -> Erasure:
    """A request that runs."""
    now = datetime.now(UTC)
    return Erasure(uuid4(), user_id, "dana", "a test", "running", now, None, uuid4(), "erased:1", (), {}, None, "")


@pytest.mark.proves("SEC-11")
async def test_a_person_takes_along_what_was_told_of_them_and_is_erased_from_it(
    service: Service, listening: Listening
) -> None:
    person = f"nora.{uuid4().hex[:8]}"
    made = await listening.make("switch.flipped")
    async with service.database.work() as work:
        await work.sql("UPDATE webhooks SET created_by = :person WHERE id = :id", person=person, id=made.row["id"])
    by_them = await emitted(service, **{**FLIPPED, "by": person, "reason": f"{person} wanted it"})
    of_them = await emitted(service, "complaint.filed", review_id="1", turn_id="2", user_id=person)
    async with service.database.work() as work:
        told = await belongings.events(work, person)
    assert [row["kind"] for row in told] == ["switch.flipped", "complaint.filed"]
    step = dict(forgetting.STEPS)["events"]
    async with service.data_life.keeper.work() as work:
        counts = await step(work, erasure(person))
        assert counts == {"events": 2, "webhooks": 1}
        again = await step(work, erasure(person))
        assert again == {"events": 0, "webhooks": 0}
    async with service.database.work() as work:
        rows = await work.sql(
            "SELECT id::text, data, people FROM events WHERE id IN (CAST(:a AS uuid), CAST(:b AS uuid))",
            a=by_them,
            b=of_them,
        )
        left = {row.id: (row.data, row.people) for row in rows}
        where = "SELECT count(*) FROM webhooks w WHERE w::text LIKE :person"
        assert (await work.sql(where, person=f"%{person}%")).scalar_one() == 0
    assert person not in str(left)
    assert "reason" not in left[by_them][0] and left[by_them][1] == left[of_them][1] == ["erased:1"]


@pytest.mark.proves("SEC-11")
async def test_events_are_deleted_with_their_deliveries_when_they_are_old(
    service: Service, listening: Listening
) -> None:
    made = await listening.make("switch.flipped")
    old, new = await emitted(service), await emitted(service)
    async with service.data_life.keeper.work() as work:
        aged = "UPDATE events SET at = now() - interval '31 days' WHERE id = CAST(:id AS uuid)"
        await work.sql(aged, id=old)
        assert await retention.remove(work, "events", Keeping(Days())) >= 1
    assert [str(row["event_id"]) for row in await listening.deliveries(made)] == [new]
    assert await count(service, old) == 0


async def test_an_incident_is_told_with_its_turn_and_none_of_its_words(service: Service, listening: Listening) -> None:
    await listening.make("incident.opened")
    turn_id = uuid4()
    async with service.database.work() as work:
        await incidents.open_(work, [Incident("leak", turn_id, "handbook", "sam.reyes", "api", "it told our secrets")])
        row = (await work.sql("SELECT id FROM incidents WHERE turn_id = :id", id=turn_id)).one()
    await listening.send()
    (event,) = listening.receiver.of("incident.opened")
    assert event["subject"] == f"incidents/{row.id}" and event["usecase"] == "handbook"
    assert event["data"] == {
        "incident_id": str(row.id),
        "kind": "leak",
        "turn_id": str(turn_id),
        "channel": "api",
        "user_id": "sam.reyes",
    }
    async with service.database.work() as work:
        await incidents.close(work, row.id, by="olga.petrov", because="a test")
