"""Conversations: listed page by page, renamed, deleted, and read again with how each answer came about."""

from uuid import uuid4

import pytest

from app.store import holds, sealed
from app.store.holds import Hold
from tests.api.asking import LEAVE, ask

pytestmark = pytest.mark.proves("OBS-1")


@pytest.fixture
async def session(client, as_):
    """Begin a conversation of Priya's."""
    return (await ask(client, as_("priya.nair"), LEAVE)).json()


async def test_a_conversation_gets_another_title_which_is_sealed_like_the_first(client, as_, service, session):
    title = f"Leave {uuid4().hex[:6]}"
    url = f"/v1/sessions/{session['session_id']}"
    answer = await client.patch(url, json={"title": f"  {title} "}, headers=as_("priya.nair"))
    assert (answer.status_code, answer.json()["title"]) == (200, title)
    listed = (await client.get("/v1/sessions", headers=as_("priya.nair"))).json()
    assert listed[0]["title"] == title
    async with service.database.work() as work:
        row = (
            (await work.sql("SELECT id, title FROM sessions WHERE id = :id", id=session["session_id"])).mappings().one()
        )
        assert sealed.opened(work.seals, "sessions", row)["title"] == title
    for title in ("", "   ", "a" * 201):
        assert (await client.patch(url, json={"title": title}, headers=as_("priya.nair"))).status_code == 422
    assert (await client.patch(url, json={"title": "mine"}, headers=as_("sam.reyes"))).status_code == 404


async def test_conversations_come_page_by_page_the_newest_first(client, as_):
    who = as_("tom.becker")
    made = [(await ask(client, who, LEAVE)).json()["session_id"] for _ in range(3)]
    first = (await client.get("/v1/sessions", params={"limit": 2}, headers=who)).json()
    assert [row["id"] for row in first] == made[:0:-1]
    rest = {"limit": 2, "before": first[-1]["updated_at"]}
    second = (await client.get("/v1/sessions", params=rest, headers=who)).json()
    assert second[0]["id"] == made[0]


async def test_a_conversation_under_a_hold_is_neither_renamed_nor_deleted(client, as_, service, session):
    async with service.data_life.keeper.work() as work:
        hold = await holds.place(work, Hold("a case", "a court asked for it", user_id="priya.nair"), by="dana.weiss")
    url = f"/v1/sessions/{session['session_id']}"
    try:
        renamed = await client.patch(url, json={"title": "x"}, headers=as_("priya.nair"))
        assert renamed.status_code == 409 and "a court asked for it" in renamed.json()["detail"]
        assert (await client.delete(url, headers=as_("priya.nair"))).status_code == 409
    finally:
        async with service.data_life.keeper.work() as work:
            await holds.release(work, hold, by="dana.weiss", because="it is over")
    assert (await client.delete(url, headers=as_("priya.nair"))).status_code == 204
    assert (await client.delete(url, headers=as_("priya.nair"))).status_code == 404


async def test_what_was_said_comes_with_how_it_ended_and_what_was_thought_of_it(client, as_, session):
    who = as_("priya.nair")
    opinion = {"thumbs": "down", "correction": "It depends on the country."}
    await client.post(f"/v1/turns/{session['turn_id']}/feedback", json=opinion, headers=who)
    said = (await client.get(f"/v1/sessions/{session['session_id']}", headers=who)).json()["messages"]
    question, answer = said
    assert (question["outcome"], question["thumbs"]) == ("", "")
    assert (answer["outcome"], answer["rung"]) == ("answered_extractive", "extractive")
    assert {name: answer[name] for name in opinion} == opinion
    assert not answer["reviewed"]
