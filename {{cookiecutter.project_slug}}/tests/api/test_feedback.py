"""Opinions through the door: a correction is proposed as a case, and what is taken back is gone everywhere."""

from uuid import UUID

import pytest

from app.store import captured
from tests.api.asking import LEAVE, ask

pytestmark = pytest.mark.proves("EVL-8")


async def proposed(service, turn_id):
    async with service.database.work() as work:
        return [case for case in await captured.listed(work) if case.turn_id == UUID(turn_id)]


async def test_a_correction_is_proposed_as_a_case_and_goes_with_the_opinion(client, as_, service):
    who, turn = as_("sam.reyes"), (await ask(client, as_("sam.reyes"), LEAVE)).json()["turn_id"]
    url = f"/v1/turns/{turn}/feedback"
    for words in ("It is 30 days.", "It is 28 days."):
        answer = await client.post(url, json={"thumbs": "down", "correction": words}, headers=who)
        assert answer.status_code == 204
        (case,) = await proposed(service, turn)
        assert (case.expected, case.kind, case.proposed_by, case.status) == (
            words,
            "correction",
            "sam.reyes",
            "proposed",
        )
    assert (await client.post(url, json={"thumbs": "up"}, headers=who)).status_code == 204
    assert await proposed(service, turn) == [], "an opinion without a correction replaces the one that had one"
    await client.post(url, json={"thumbs": "down", "correction": "It is 27 days."}, headers=who)
    assert (await client.delete(url, headers=who)).status_code == 204
    assert await proposed(service, turn) == []
    async with service.database.work() as work:
        assert not (await work.sql("SELECT 1 FROM feedback WHERE turn_id = :id", id=turn)).all()
    assert (await client.delete(url, headers=who)).status_code == 404


async def test_nobody_takes_back_or_gives_anothers_opinion(client, as_, service):
    turn = (await ask(client, as_("sam.reyes"), LEAVE)).json()["turn_id"]
    url = f"/v1/turns/{turn}/feedback"
    await client.post(url, json={"thumbs": "up"}, headers=as_("sam.reyes"))
    assert (await client.delete(url, headers=as_("olga.petrov"))).status_code == 404
    opinion = {"thumbs": "down", "correction": "No."}
    assert (await client.post(url, json=opinion, headers=as_("olga.petrov"))).status_code == 404
    assert await proposed(service, turn) == []
