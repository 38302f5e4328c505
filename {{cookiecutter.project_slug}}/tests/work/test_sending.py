"""Events reach real receivers, signed; what fails is tried again, given up, and sent again by hand."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from app.domain import webhook
from app.store import audit, events
from app.wiring.service import Service
from app.work import sending
from tests.fakes.receiver import CUT, HANG
from tests.listening import Listening

pytestmark = pytest.mark.proves("OPS-1")


@pytest.fixture
async def quiet(listening: Listening) -> AsyncIterator[Listening]:
    """Nothing else waits."""
    async with listening.service.database.work() as work:
        await work.sql("UPDATE webhooks SET enabled = false")
    yield listening


async def test_an_event_arrives_once_signed_and_in_its_envelope(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    id = await quiet.tell(made)
    assert await quiet.send() == 1 and await quiet.send() == 0
    (got,) = quiet.receiver.received
    assert got.is_signed_with(made.secret) and not got.is_signed_with(webhook.new_secret())
    assert got.headers["content-type"] == "application/cloudevents+json" and got.headers["webhook-id"] == str(id)
    event = got.event
    assert {name: event[name] for name in ("specversion", "id", "type", "subject")} == {
        "specversion": "1.0",
        "id": str(id),
        "type": "webhook.tested",
        "subject": f"webhooks/{made.row['id']}",
    }
    assert event["source"] == quiet.service.settings.public_url
    assert event["data"] == {"webhook_id": str(made.row["id"]), "by": "olga.petrov"}
    (row,) = await quiet.deliveries(made)
    assert (row["status"], row["attempts"], row["last_status"]) == ("delivered", 1, 204)


@pytest.mark.parametrize(
    ("answer", "error"), [(500, "HTTP 500"), (404, "HTTP 404"), (302, "HTTP 302"), (CUT, "ServerDisconnectedError")]
)
async def test_what_fails_waits_and_is_sent_again_under_the_same_id(
    quiet: Listening, answer: int | str, error: str
) -> None:
    made = await quiet.make("switch.flipped")
    quiet.receiver.to = quiet.receiver.url  # a redirect that nobody follows
    quiet.receiver.will(answer)
    id = await quiet.tell(made)
    assert await quiet.send() == 1
    (row,) = await quiet.deliveries(made)
    assert (row["status"], row["attempts"], row["last_error"]) == ("waiting", 1, error)
    assert (row["next_at"] - row["created_at"]).total_seconds() >= 3.9
    assert await quiet.send() == 0, "not before its time"
    await quiet.hurry()
    assert await quiet.send() == 1
    assert [one.headers["webhook-id"] for one in quiet.receiver.received] == [str(id)] * 2
    (row,) = await quiet.deliveries(made)
    assert (row["status"], row["attempts"]) == ("delivered", 2)


async def test_a_receiver_that_never_answers_is_left_after_the_limit(
    quiet: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TOTAL_S", 0.5)
    made = await quiet.make("switch.flipped")
    quiet.receiver.will(HANG)
    await quiet.tell(made)
    await quiet.send()
    (row,) = await quiet.deliveries(made)
    assert (row["status"], row["last_error"]) == ("waiting", "TimeoutError")


async def test_a_machine_that_is_away_costs_a_try_and_no_more(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped", url="http://127.0.0.1:9/events")
    await quiet.tell(made)
    await quiet.send()
    (row,) = await quiet.deliveries(made)
    assert row["status"] == "waiting" and row["last_status"] is None and "Connector" in row["last_error"]
    assert (await quiet.row(made))["held_until"], "it is left alone for a while"


async def test_after_the_last_try_it_is_a_dead_letter_that_can_be_sent_again(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    quiet.receiver.will(*[503] * webhook.MOST_TRIES)
    id = await quiet.tell(made)
    for _ in range(webhook.MOST_TRIES):
        await quiet.hurry()
        await quiet.send()
    (row,) = await quiet.deliveries(made)
    assert (row["status"], row["attempts"]) == ("dead", webhook.MOST_TRIES)
    assert (await quiet.row(made))["dead"] == 1
    await quiet.hurry()
    assert await quiet.send() == 0, "given up"
    assert await quiet.service.webhooks.replay(quiet.who, made.row["id"], because="it is back") == 1
    assert await quiet.send() == 1
    (row,) = await quiet.deliveries(made)
    assert row["status"] == "delivered" and quiet.receiver.received[-1].headers["webhook-id"] == str(id)
    async with quiet.service.database.work() as work:
        noted = (await audit.history(work, subject=str(made.row["id"]), limit=1))[0]
    assert (noted["action"], noted["reason"], noted["after"]["deliveries"]) == ("webhook.replayed", "it is back", 1)


async def test_what_has_waited_for_days_is_given_up_at_its_next_failure(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    quiet.receiver.will(500)
    await quiet.tell(made)
    async with quiet.service.database.work() as work:
        await work.sql("UPDATE deliveries SET created_at = now() - interval '4 days' WHERE status = 'waiting'")
    await quiet.send()
    (row,) = await quiet.deliveries(made)
    assert (row["status"], row["attempts"]) == ("dead", 1)


async def test_a_receiver_that_is_gone_is_turned_off(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    quiet.receiver.will(410)
    await quiet.tell(made)
    await quiet.send()
    row = await quiet.row(made)
    assert not row["enabled"] and "410" in row["why_off"] and row["dead"] == 1
    async with quiet.service.database.work() as work:
        noted = (await audit.history(work, subject=str(made.row["id"]), limit=1))[0]
    assert (noted["actor"], noted["after"]) == ("sending", {"enabled": False})


async def test_one_bad_event_does_not_hold_up_the_others(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    quiet.receiver.will(400)
    for _ in range(5):
        await quiet.tell(made)
    await quiet.send()
    found = [row["status"] for row in await quiet.deliveries(made)]
    assert sorted(found) == ["delivered"] * 4 + ["waiting"]
    assert not (await quiet.row(made))["held_until"]


async def test_while_it_takes_nothing_one_batch_is_tried_and_the_rest_waits(
    quiet: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "AT_ONCE", 2)
    made = await quiet.make("switch.flipped")
    quiet.receiver.will(*[500] * 100)
    for _ in range(6):
        await quiet.tell(made)
    assert await quiet.send() == 2
    assert await quiet.send() == 0, "it is left alone for some seconds"


async def test_two_workers_do_not_send_the_same(quiet: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "AT_ONCE", 3)
    made = await quiet.make("switch.flipped")
    told = {str(await quiet.tell(made)) for _ in range(20)}
    await asyncio.gather(*(quiet.send() for _ in range(4)))
    assert sorted(event["id"] for event in quiet.receiver.events) == sorted(told)


async def test_a_worker_that_died_in_the_middle_keeps_nobody_from_sending_later(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    await quiet.tell(made)
    async with quiet.service.database.work() as work:
        held = "UPDATE webhooks SET lease = gen_random_uuid(), lease_until = now() + interval '1 hour' WHERE id = :id"
        await work.sql(held, id=made.row["id"])
    assert await quiet.send() == 0, "somebody else sends"
    async with quiet.service.database.work() as work:
        await work.sql("UPDATE webhooks SET lease_until = now() - interval '1 s' WHERE id = :id", id=made.row["id"])
    assert await quiet.send() == 1


@pytest.mark.proves("SEC-7")
async def test_for_a_while_the_former_secret_signs_as_well(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    new = await quiet.service.webhooks.rotate(quiet.who, made.row["id"], overlap_h=1, because="every quarter")
    await quiet.tell(made)
    await quiet.send()
    both = quiet.receiver.received[-1]
    assert both.is_signed_with(made.secret) and both.is_signed_with(new.secret) and len(both.signatures) == 2
    async with quiet.service.database.work() as work:
        await work.sql("UPDATE webhooks SET former_until = now() WHERE id = :id", id=made.row["id"])
    await quiet.tell(made)
    await quiet.send()
    after = quiet.receiver.received[-1]
    assert after.is_signed_with(new.secret) and not after.is_signed_with(made.secret)


@pytest.mark.proves("SEC-8")
async def test_secrets_lie_sealed_and_leave_no_trace(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    new = await quiet.service.webhooks.rotate(quiet.who, made.row["id"], overlap_h=1, because="every quarter")
    async with quiet.service.database.work() as work:
        kept = (await work.sql("SELECT row_to_json(w)::text FROM webhooks w WHERE id = :id", id=made.row["id"])).one()[
            0
        ]
        noted = str(await audit.history(work, subject=str(made.row["id"])))
    for secret in (made.secret, new.secret):
        assert secret.removeprefix("whsec_") not in kept + noted + str(await quiet.row(made))


async def test_no_private_network_is_asked_unless_that_is_meant(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped")
    await quiet.tell(made)
    service = quiet.service
    strict = sending.Sending(service.database, service.sending.envelopes, service.sending.relay, internal=False)
    assert await strict.send() == 1
    assert quiet.receiver.received == []
    (row,) = await quiet.deliveries(made)
    assert "not on the public internet" in row["last_error"] and "APP_WEBHOOKS_INTERNAL" in row["last_error"]


async def test_a_name_that_leads_inside_by_now_is_not_asked(quiet: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    port = quiet.receiver.url.rsplit(":", 1)[1]
    made = await quiet.make("switch.flipped", url=f"http://localhost:{port}")
    await quiet.tell(made)
    service = quiet.service
    strict = sending.Sending(service.database, service.sending.envelopes, service.sending.relay, internal=False)
    await strict.send()
    (row,) = await quiet.deliveries(made)
    assert quiet.receiver.received == [] and "not on the public internet" in row["last_error"]


async def test_the_address_that_is_dialled_is_looked_at_last_of_all(
    quiet: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await quiet.make("switch.flipped")
    await quiet.tell(made)
    service = quiet.service
    strict = sending.Sending(service.database, service.sending.envelopes, service.sending.relay, internal=False)
    # As if it had been written in a way that nobody thought of.
    monkeypatch.setattr(sending, "ensure_outside", lambda *_, **__: None)
    assert await strict.send() == 1
    (row,) = await quiet.deliveries(made)
    assert quiet.receiver.received == [] and "not on the public internet" in row["last_error"]


async def test_the_housekeeping_rings_only_while_something_is_due(quiet: Listening) -> None:
    rung: list[str] = []

    class Bell:
        async def ring(self, topic: str) -> None:
            rung.append(topic)

    service = quiet.service
    looking = sending.Sending(service.database, service.sending.envelopes, Bell(), internal=True)  # type: ignore[arg-type]
    made = await quiet.make("switch.flipped")
    await looking.look()
    assert rung == []
    await quiet.tell(made)
    await looking.look()
    assert rung == ["webhooks"]


async def flipped(service: Service, **data: Any) -> UUID:
    told = {"switch": "ai.enabled", "before": "on", "after": "off", "by": "olga.petrov", "reason": "it insulted Sam"}
    async with service.database.work() as work:
        return await events.emit(work, "switch.flipped", subject="switches/ai.enabled", data={**told, **data})


async def test_reasons_leave_only_to_receivers_with_words(quiet: Listening) -> None:
    plain, words = await quiet.make("switch.flipped"), await quiet.make("switch.flipped", words=True)
    await flipped(quiet.service)
    await quiet.send()
    by_secret = {
        made.row["name"]: next(one.event for one in quiet.receiver.received if one.is_signed_with(made.secret))
        for made in (plain, words)
    }
    assert "reason" not in by_secret[plain.row["name"]]["data"]
    assert by_secret[words.row["name"]]["data"]["reason"] == "it insulted Sam"


async def test_words_leave_no_more_once_their_receivers_maker_may_not_have_them(quiet: Listening) -> None:
    made = await quiet.make("switch.flipped", words=True)
    async with quiet.service.database.work() as work:
        await work.sql(
            "UPDATE webhooks SET created_by = 'sam.reyes', groups = '{sales}' WHERE id = :id", id=made.row["id"]
        )
    await flipped(quiet.service)
    await quiet.send()
    assert "reason" not in quiet.receiver.events[-1]["data"]
