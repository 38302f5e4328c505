"""What flows before an answer is final, over a real connection: nothing that must not be said, ever."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import httpx2
import orjson
import pytest

from app.guard.output import LEAK_WORDS, WORD, leaks
from app.sdk import Finding, while_streaming
from app.telemetry import metrics
from app.turn.check import instructions_of
from tests.api.serving import until

LEAVE = "How many days of annual leave do employees have?"


@pytest.fixture
async def http(served, as_):
    async with httpx2.AsyncClient(base_url=served.url, timeout=60, headers=as_("sam.reyes")) as opened:
        yield opened


async def events(http, question, *, usecase="handbook", before=lambda name, data: None):
    """Ask, and collect the events as they arrive."""
    found, event = [], ""
    url, accept = f"/v1/usecases/{usecase}/turns", {"Accept": "text/event-stream"}
    async with http.stream("POST", url, json={"question": question}, headers=accept) as response:
        assert response.status_code == 200, await response.aread()
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((event, orjson.loads(line.removeprefix("data: "))))
                before(*found[-1])
    return found


def shown(found):
    return "".join(data["text"] for name, data in found if name == "delta")


def of(found, name):
    return [data for event, data in found if event == name]


@pytest.mark.proves("SEC-10", "REL-4", "REL-12")
@pytest.mark.parametrize("pace", [0, 40])
async def test_our_instructions_are_stopped_before_they_are_sent(http, vendor, served, pace):
    """The vendor repeats its system prompt: deltas flow until it begins, the call is hung up, the end says why."""
    vendor.state.tokens_per_s = pace
    case = served.service.usecases["handbook"]
    orders = " ".join(instructions_of(case).split())
    said = f"You get 25 days of annual leave, and this is what I was told about it: {orders}" + " and so on" * 400
    found = await events(http, f"{LEAVE} {vendor.plan(uuid4().hex, f'say={said}')}")
    (end,) = of(found, "end")
    assert found[-1] == ("end", end) and end["outcome"] == "refused_check"
    assert end["answer"] == case.contract.sentences.unsafe and end["citations"] == []
    words = [word.lower() for word in WORD.findall(orders)]
    text = " ".join(WORD.findall(shown(found))).lower()
    assert not leaks(text, orders)
    assert " ".join(words[:4]) not in text and len(words) > LEAK_WORDS
    if pace:
        assert "25 days of annual leave" in text
        await until(lambda: vendor.state.disconnects == 1)
    row = await served.story(end["turn_id"])
    assert row["outcome"] == "refused_check" and row["findings"][0]["check"] == "leak"
    assert row["rung"] == "standard" and row["model"] and leaks(row["answer"], orders)
    assert [call["rung"] for call in row["calls"]] == ["standard"]
    assert not row["skipped"], "the next rung was tried"
    told = (await http.get(f"/v1/turns/{end['turn_id']}")).json()
    assert told["outcome"] == "refused_check" and not leaks(str(told), orders), "the asker reads it in the story"
    counted = metrics.render()[0].decode()
    assert any('outcome="refused_check"' in line and 'channel="api"' in line for line in counted.splitlines())


@pytest.mark.proves("SEC-10")
async def test_a_leak_that_comes_all_at_once_is_not_shown_either(http, vendor, served):
    found = await events(http, f"{LEAVE} {vendor.plan(uuid4().hex, 'leak')}")
    assert of(found, "end")[0]["outcome"] == "refused_check"
    assert not leaks(shown(found), instructions_of(served.service.usecases["handbook"]))


@pytest.mark.proves("SEC-10")
async def test_a_placeholder_nobody_gave_out_is_not_shown(http, vendor, served):
    said = "Ask jane.doe@example.org, that is <EMAIL_1>, or <EMAIL_9> instead."
    question = f"I am joe@example.org. {LEAVE} {vendor.plan(uuid4().hex, f'say={said}')}"
    found = await events(http, question)
    assert of(found, "end")[0]["outcome"] == "refused_check"
    assert "EMAIL" not in shown(found)
    row = await served.story(of(found, "end")[0]["turn_id"])
    assert row["findings"][0]["check"] == "placeholder"


@while_streaming
def no_promises(turn, draft):
    return Finding("promise", "it promises a refund") if "refund" in draft.text else None


@pytest.mark.proves("REL-4", "REL-12")
async def test_a_use_cases_own_check_stops_a_stream_before_the_sentence_that_it_objects_to(
    http, vendor, served, monkeypatch
):
    case = served.service.usecases["handbook"]
    monkeypatch.setitem(served.service.usecases, "handbook", replace(case, checks=(no_promises,)))
    vendor.state.tokens_per_s = 40
    said = "We are sorry. You get a refund. " + "And more. " * 300
    found = await events(http, f"{LEAVE} {vendor.plan(uuid4().hex, f'say={said}')}")
    end = of(found, "end")[0]
    assert shown(found) == "We are sorry. "
    assert end["outcome"] == "refused_check" and end["answer"] == case.contract.sentences.unsafe
    assert (await served.story(end["turn_id"]))["findings"][0]["check"] == "promise"
    await until(lambda: vendor.state.disconnects == 1)


@pytest.mark.proves("LAT-3")
async def test_personal_data_comes_back_in_what_flows_and_stays_masked_in_the_ledger(http, vendor, served):
    vendor.state.tokens_per_s = 80
    plan = vendor.plan(uuid4().hex, "say=Write to <EMAIL_1> or call <PHONE_1> about your 25 days. [1]")
    found = await events(http, f"I am jane.doe@example.org, +44 20 7946 0958. {LEAVE} {plan}")
    end = of(found, "end")[0]
    assert (
        shown(found)
        == end["answer"]
        == "Write to jane.doe@example.org or call +44 20 7946 0958 about your 25 days. [1]"
    )
    assert len(of(found, "delta")) > 2
    assert "<EMAIL_1>" in (await served.story(end["turn_id"]))["answer"]


@pytest.mark.proves("LAT-3", "OBS-1")
async def test_the_end_says_all_that_is_known_of_the_answer(http, vendor):
    end = of(await events(http, LEAVE), "end")[0]
    assert end["outcome"] == "answered_model" and end["rung"] == "standard" and end["model"] and end["revision"]
    assert end["citations"][0]["title"] == "Annual leave" and end["citations"][0]["quote"]
    assert float(end["usage"]["cost_usd"]) > 0 and end["usage"]["output_tokens"] > 0
    assert end["turn_id"] and end["session_id"] and "trace_id" in end
    assert end["age_s"] is None and end["route"] == "" and end["skipped"] == []


@pytest.mark.proves("LAT-3")
async def test_a_structured_answer_flows_field_by_field_and_ends_equal(http, vendor):
    vendor.state.tokens_per_s = 25
    form = '{"topic": "leave", "days": 12, "note": "Dear <EMAIL_1>, enjoy your holidays."}'
    found = await events(http, f"For jo@example.org {vendor.plan(uuid4().hex, f'say={form}')}", usecase="forms")
    partial, end = [data["data"] for data in of(found, "partial")], of(found, "end")[0]
    assert [*partial[0]] == ["topic"] and len(partial) >= 2 and not of(found, "delta")
    for earlier, later in zip(partial, [*partial[1:], end["data"]], strict=True):
        assert later.items() >= earlier.items()
    assert (
        partial[-1]
        == end["data"]
        == {"topic": "leave", "days": 12, "note": "Dear jo@example.org, enjoy your holidays."}
    )


@pytest.mark.proves("SEC-10")
async def test_a_field_that_holds_our_instructions_is_not_shown(http, vendor, served):
    orders = " ".join(WORD.findall(instructions_of(served.service.usecases["forms"]))[:20])
    form = f'{{"topic": "leave", "note": "I was told: {orders}", "days": 12}}'
    found = await events(http, f"Hello {vendor.plan(uuid4().hex, f'say={form}')}", usecase="forms")
    end = of(found, "end")[0]
    assert end["outcome"] == "refused_check" and end["data"] is None
    assert all(set(data["data"]) <= {"topic"} for data in of(found, "partial"))


async def test_a_draft_that_waits_for_a_person_does_not_flow(served, vendor, as_):
    async with httpx2.AsyncClient(base_url=served.url, timeout=60, headers=as_("olga.petrov")) as http:
        found = await events(http, "An invoice is wrong.", usecase="triage")
    assert [name for name, _ in found] == ["end"] and found[0][1]["outcome"] == "escalated_review"


@pytest.mark.proves("LAT-5")
async def test_who_waits_without_a_stream_and_leaves_takes_the_call_along(served, vendor, as_):
    async with httpx2.AsyncClient(base_url=served.url, headers=as_("erin.holt")) as http:
        plan = vendor.plan(uuid4().hex, "hang=60")
        question = f"{LEAVE} {plan}"
        asking = asyncio.create_task(http.post("/v1/usecases/handbook/turns", json={"question": question}, timeout=60))
        await until(lambda: vendor.state.count == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: vendor.state.disconnects == 1)
    assert (await served.ended(plan, outcome="failed_cancelled"))["reason"] == "the asker left"


async def test_who_gave_a_key_and_leaves_finds_the_answer_when_they_ask_again(served, vendor, as_):
    headers = as_("erin.holt") | {"Idempotency-Key": uuid4().hex}
    body = {"question": f"{LEAVE} {vendor.plan(uuid4().hex, 'slow_first_token=2')}"}
    vendor.state.latency_s = 2
    async with httpx2.AsyncClient(base_url=served.url, headers=headers, timeout=60) as http:
        asking = asyncio.create_task(http.post("/v1/usecases/handbook/turns", json=body))
        await until(lambda: vendor.state.count == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        again = await http.post("/v1/usecases/handbook/turns", json=body)
        while again.status_code == 409:
            await asyncio.sleep(int(again.headers.get("retry-after", 1)))
            again = await http.post("/v1/usecases/handbook/turns", json=body)
    assert again.status_code == 200 and again.json()["outcome"] == "answered_model"
    assert again.headers["idempotency-replayed"] == "true" and vendor.state.count == 1


@pytest.mark.proves("REL-9")
async def test_a_stream_that_its_asker_left_frees_its_key(served, vendor, as_):
    headers = as_("erin.holt") | {"Idempotency-Key": uuid4().hex, "Accept": "text/event-stream"}
    plan = vendor.plan(uuid4().hex, "say=" + "word " * 2000)
    body = {"question": f"{LEAVE} {plan}"}
    vendor.state.tokens_per_s = 20
    async with httpx2.AsyncClient(base_url=served.url, headers=headers, timeout=60) as http:
        async with http.stream("POST", "/v1/usecases/handbook/turns", json=body) as response:
            async for _ in response.aiter_lines():
                break
        await served.ended(plan, outcome="failed_cancelled")
        again = await http.post("/v1/usecases/handbook/turns", json=body, headers={"Accept": "application/json"})
    assert again.status_code == 200 and again.json()["outcome"] == "answered_model"
