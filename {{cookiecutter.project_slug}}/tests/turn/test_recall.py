"""Answers given again: to whom, for how long, and when not; seen at the HTTP door and in the vendor's own count."""

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest

from app.domain.contract import Cache
from app.domain.identity import Permission, Principal
from app.domain.turn import Turn
from app.store.shared import SharedAway
from app.turn.likeness import normal
from tests.api.asking import parsed
from tests.turn.caching import URL, served, with_model


@pytest.fixture(scope="module")
async def asking(settings, vendor_server):
    async with served(with_model(settings, vendor_server), samples=True) as running:
        yield running


@pytest.fixture
def leave():
    """A question that nobody has asked before."""
    return f"How many days of annual leave do employees have in year {uuid4().int % 10**9}?"


@pytest.mark.proves("LAT-4", "CST-5")
async def test_the_same_question_is_answered_again_without_a_call_and_costs_nothing(asking, as_, vendor, leave):
    first = await asking.ask(as_("sam.reyes"), leave)
    again = await asking.ask(as_("maya.okafor"), f"  {leave.upper()} ")

    assert first["outcome"] == "answered_model" and len(vendor.requests) == 1
    assert again["outcome"] == "answered_cached" and again["rung"] == "cached"
    assert (again["answer"], again["citations"]) == (first["answer"], first["citations"]) and first["citations"]
    assert again["age_s"] >= 0 and again["usage"]["cost_usd"] == "0" and first["age_s"] is None

    was, now = await asking.row(first), await asking.row(again)
    assert now["saved_usd"] == was["cost_usd"] > 0 and was["saved_usd"] == 0
    assert first["turn_id"] in now["reason"] and now["calls"] == [] and now["model"] == was["model"]
    assert [each["document_id"] for each in now["passages"]] == [each["document_id"] for each in was["passages"]]
    steps = [step["step"] for step in now["steps"]]
    assert "recall" in steps and "retrieve" not in steps


async def test_a_cached_answer_streams_like_any_other_and_is_said_in_its_session(asking, as_, vendor, leave):
    await asking.ask(as_("sam.reyes"), leave)
    headers = as_("sam.reyes") | {"Accept": "text/event-stream"}
    response = await asking.client.post(URL, json={"question": leave}, headers=headers)
    told = parsed(response.text)

    end = told[-1][1]
    assert end["outcome"] == "answered_cached" and len(vendor.requests) == 1
    assert "".join(data["text"] for name, data in told if name == "delta") == end["answer"]
    session = await asking.client.get(f"/v1/sessions/{end['session_id']}", headers=as_("sam.reyes"))
    assert session.json()["messages"][-1]["text"] == end["answer"]


@pytest.mark.proves("SEC-4")
async def test_people_with_other_rights_never_share_an_answer(asking, as_, vendor, leave):
    bonus = f"How much is the bonus of the sales team in year {uuid4().int % 10**9}?"
    mine = await asking.ask(as_("sam.reyes"), bonus)
    colleague = await asking.ask(as_("maya.okafor"), bonus)
    stranger = await asking.ask(as_("priya.nair"), bonus)

    assert "8 percent" in mine["answer"] and colleague["outcome"] == "answered_cached"
    assert stranger["outcome"] != "answered_cached" and "8 percent" not in str(stranger)
    # What was said to who may read less is not given to who may read more, either.
    for who in ("priya.nair", "sam.reyes", "erin.holt"):
        assert (await asking.ask(as_(who), leave))["outcome"] == "answered_model", who
    seen = (await asking.row(colleague))["passages"]
    assert {tuple(passage["visible_by"]) for passage in seen} >= {("group:sales",)}


@pytest.mark.proves("SEC-4")
async def test_the_ledger_names_the_rights_of_who_asked_not_of_who_asked_first(asking, as_, vendor):
    word = f"rule{uuid4().hex[:8]}"
    await asking.write(f"{word}.md", f"The {word} is 40 days.", "user:maya.okafor", "group:engineering")
    question = f"What is the {word}?"
    maya = await asking.ask(as_("maya.okafor"), question)
    priya = await asking.ask(as_("priya.nair"), question)
    # Maya sees what sales sees; their rights differ, and so do their answers' places.
    assert maya["outcome"] == priya["outcome"] == "answered_model"

    await asking.write(f"{word}.md", f"The {word} is 40 days.", "user:tom.becker", "group:engineering")
    tom = await asking.ask(as_("tom.becker"), question)
    again = await asking.ask(as_("priya.nair"), question)
    assert tom["outcome"] == "answered_model" and again["outcome"] == "answered_cached"
    row = await asking.row(again)
    assert [p["visible_by"] for p in row["passages"] if p["title"] == word] == [["group:engineering"]]


@pytest.mark.proves("LAT-4", "SEC-4")
@pytest.mark.parametrize("change", ["text", "added", "revoked", "removed", "widened"])
async def test_a_change_that_the_asker_can_see_makes_the_next_answer_a_new_one(asking, as_, vendor, leave, change):
    path = f"{change}-{uuid4().hex[:8]}.md"
    id = await asking.write(path, "A note on leave for all employees.", "everyone")
    await asking.ask(as_("sam.reyes"), leave)
    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_cached"

    if change == "text":
        await asking.write(path, "Another note on leave.", "everyone")
    elif change == "added":
        await asking.write(f"new-{path}", "One more note on leave.", "group:sales")
    elif change == "revoked":
        await asking.rights(id, "group:executives")
    elif change == "removed":
        await asking.drop(id)
    elif change == "widened":
        await asking.rights(id, "everyone", "group:executives")

    calls = len(vendor.requests)
    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_model"
    assert len(vendor.requests) == calls + 1
    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_cached"


@pytest.mark.proves("LAT-4")
async def test_a_change_that_the_asker_cannot_see_leaves_the_answer_where_it_is(asking, as_, vendor, leave):
    id = await asking.write(f"secret-{uuid4().hex[:8]}.md", "A secret note on leave.", "group:executives")
    await asking.ask(as_("sam.reyes"), leave)

    await asking.rights(id, "user:erin.holt")
    await asking.write(f"secret-{uuid4().hex[:8]}.md", "Another secret note on leave.", "group:executives")
    await asking.drop(id)
    await asking.write(f"elsewhere-{uuid4().hex[:8]}.md", "Leave.", "everyone", usecase="handbook")

    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_cached"
    assert len(vendor.requests) == 1


@pytest.mark.proves("LAT-4", "SEC-5")
async def test_turns_with_personal_data_history_or_other_fields_share_nothing(asking, as_, vendor, leave):
    who = as_("sam.reyes")
    personal = f"{leave} Send it to {uuid4().hex[:6]}@example.com"
    for question in (personal, f"Who replaces a lost badge of the helpdesk, case {uuid4().int % 10**9}?"):
        answers = [await asking.ask(who, question) for _ in range(2)]
        assert [answer["outcome"] for answer in answers] == ["answered_model"] * 2

    first = await asking.ask(who, leave)
    assert (await asking.ask(who, leave, session_id=first["session_id"]))["outcome"] == "answered_model"
    assert (await asking.ask(who, leave, fields={"region": "north"}))["outcome"] == "answered_model"
    assert (await asking.ask(who, leave, fields={"region": "south"}))["outcome"] == "answered_model"
    assert (await asking.ask(who, leave, fields={"region": "north"}))["outcome"] == "answered_cached"


@pytest.mark.parametrize("fault", ["500", "no_evidence", "leak"])
async def test_what_no_model_answered_well_is_not_given_again(asking, as_, vendor, leave, fault):
    vendor.will(*[fault] * 3)
    first = await asking.ask(as_("sam.reyes"), leave)
    assert first["outcome"] != "answered_model"
    vendor.state.plan.clear()
    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_model"


async def test_an_answer_by_a_flag_is_not_given_again_so_that_a_change_of_it_holds_at_once(
    asking, as_, leave, monkeypatch
):
    async def greet(turn, kit):
        draft = await kit.ask(turn)
        return replace(draft, text=f"{kit.flag(key, 'Hello')}! {draft.text}")

    key, cases, flags = f"greeting.{uuid4().hex[:8]}", asking.service.usecases, asking.service.flags
    monkeypatch.setitem(cases, "cached", replace(cases["cached"], workflow=greet))
    assert (await asking.ask(as_("sam.reyes"), leave))["answer"].startswith("Hello!")
    morning = {"state": "ENABLED", "variants": {"morning": "Good morning"}, "defaultVariant": "morning"}
    await flags.define(key, owner="ada", expires_on=date(2099, 1, 1), definition=morning)
    again = await asking.ask(as_("sam.reyes"), leave)
    assert again["outcome"] == "answered_model" and again["answer"].startswith("Good morning!")


@pytest.mark.proves("REL-2")
async def test_an_old_answer_stands_in_when_the_model_fails_and_says_how_old_it_is(asking, as_, vendor, leave):
    await asking.ask(as_("sam.reyes"), leave)
    await grow_old(asking, hours=0.5)
    vendor.will(*["500"] * 3)
    answer = await asking.ask(as_("maya.okafor"), leave)

    assert answer["outcome"] == "answered_cached" and answer["rung"] == "cached"
    assert 1800 <= answer["age_s"] < 1900 and answer["citations"]
    assert answer["skipped"][0]["rung"] == "standard"
    row = await asking.row(answer)
    assert row["calls"] and row["passages"]
    assert [search["plan"] for search in row["retrieval"]] == ["exact", "cached"]
    # The model is back: a new answer, kept in place of the old one.
    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_model"
    assert (await asking.ask(as_("sam.reyes"), leave))["age_s"] < 1000


@pytest.mark.proves("REL-2")
async def test_yesterdays_answer_is_no_answer_of_today_but_may_stand_in(asking, as_, vendor, leave):
    await asking.ask(as_("sam.reyes"), leave)
    await grow_old(asking, hours=0.02, day="2020-01-01")
    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_model"
    await grow_old(asking, hours=0.02, day="2020-01-01")
    vendor.will(*["500"] * 3)
    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_cached"


async def test_what_is_too_old_to_stand_in_does_not(asking, as_, vendor, leave):
    await asking.ask(as_("sam.reyes"), leave)
    await grow_old(asking, hours=2)
    vendor.will(*["500"] * 3)
    assert (await asking.ask(as_("sam.reyes"), leave))["outcome"] == "answered_extractive"


@pytest.mark.proves("REL-2")
async def test_where_nothing_is_given_again_at_once_old_answers_still_stand_in(asking, vendor, leave):
    case = asking.service.usecases["cached"]
    only_old = case.contract.model_copy(update={"cache": Cache(stale_s=100)})
    who = Principal("user", permissions=frozenset(Permission))
    turns = [Turn(usecase=replace(case, contract=only_old), principal=who, question=leave) for _ in range(3)]
    ended = [await asking.service.pipeline.run(turn) for turn in turns[:2]]
    vendor.will(*["500"] * 3)
    ended.append(await asking.service.pipeline.run(turns[2]))
    assert [turn.outcome.value for turn in ended] == ["answered_model", "answered_model", "answered_cached"]
    # The newest one stands in.
    assert ended[2].stale.turn_id == ended[1].id and ended[2].passages


async def grow_old(asking, *, hours, day=""):
    """Make every cached answer as old as that."""
    script = """
    for _, key in ipairs(redis.call('KEYS', 'answer:{*}')) do
      local at, body = redis.call('HGET', key, 'at'), redis.call('HGET', key, 'body')
      redis.call('HSET', key, 'at', tonumber(at) - ARGV[1], 'body',
        (string.gsub(body, '"said_at":"[^"]*"', '"said_at":' .. string.format('%.3f', tonumber(at) - ARGV[1]))))
      if ARGV[2] ~= '' then redis.call('HSET', key, 'day', ARGV[2]) end
    end
    """
    await asking.service.shared.run(script, [], [hours * 3600, day])


@pytest.mark.proves("LAT-4", "REL-9")
async def test_without_redis_every_turn_is_answered_by_the_model(asking, as_, vendor, leave, monkeypatch):
    async def away(*_, **__):
        raise SharedAway

    monkeypatch.setattr(asking.service.recalling.answers._shared, "run", away)
    answers = [await asking.ask(as_("sam.reyes"), leave) for _ in range(2)]
    assert [answer["outcome"] for answer in answers] == ["answered_model"] * 2 and len(vendor.requests) == 2


@pytest.mark.proves("CST-5")
async def test_what_the_cache_did_and_saved_is_in_the_metrics(asking, as_, vendor, leave):
    before = await metrics(asking)
    spent = Decimal((await asking.ask(as_("sam.reyes"), leave))["usage"]["cost_usd"])
    await asking.ask(as_("sam.reyes"), leave)
    await asking.ask(as_("sam.reyes"), f"{leave} Write to a@example.com")
    after = await metrics(asking)

    def grown(name):
        return after.get(name, 0.0) - before.get(name, 0.0)

    for result in ("hit", "miss", "off"):
        assert grown(f'cache_total{{result="{result}",usecase="cached"}}') == 1
    assert abs(grown('saved_usd_total{by="cache",usecase="cached"}') - float(spent)) < 1e-9


async def metrics(asking):
    text = (await asking.client.get("/metrics")).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(("cache_total{", "saved_usd"))]
    return {",".join([name]): float(value) for name, value in lines}


@pytest.mark.proves("LAT-4")
async def test_fifty_who_ask_at_once_cost_one_call(asking, as_, vendor, leave):
    vendor.state.latency_s = 1.0
    people = ["sam.reyes", "maya.okafor"]
    answers = await asyncio.gather(*(asking.ask(as_(people[n % 2]), leave) for n in range(50)))

    assert len(vendor.requests) == 1
    assert sorted(answer["outcome"] for answer in answers) == ["answered_cached"] * 49 + ["answered_model"]
    assert len({answer["answer"] for answer in answers}) == 1


async def asked(vendor):
    for _ in range(3000):
        if vendor.requests:
            return
        await asyncio.sleep(0.01)


@pytest.mark.proves("LAT-4")
async def test_when_the_first_one_leaves_another_answers_for_all(asking, as_, vendor, leave):
    vendor.state.latency_s = 1.0
    first = asyncio.create_task(asking.ask(as_("sam.reyes"), leave))
    await asked(vendor)
    others = [asyncio.create_task(asking.ask(as_("sam.reyes"), leave)) for _ in range(5)]
    await asyncio.sleep(0.3)
    first.cancel()
    answers = await asyncio.gather(*others)
    assert {answer["outcome"] for answer in answers} <= {"answered_model", "answered_cached"}


@pytest.mark.parametrize(
    ("one", "other"),
    [("How long is  probation?", "how long is probation"), ("Cafe\u0301 costs?!", "CAFÉ COSTS"), ("\uff21bc.", "abc")],
)
def test_case_spacing_composition_and_the_mark_at_the_end_do_not_make_another_question(one, other):
    assert normal(one) == normal(other)


@pytest.mark.parametrize(("one", "other"), [("Is it 10?", "Is it 1 0?"), ("May I?", "May I not?"), ("???", "!!!")])
def test_what_may_mean_something_else_stays_another_question(one, other):
    assert normal(one) != normal(other)
