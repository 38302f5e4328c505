"""A model with tools, through the HTTP door: what it did is told, and no bound of the contract is passed."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app.domain.masking import Masks
from app.domain.outcome import Outcome
from app.domain.tool import Tool
from app.domain.turn import Draft, StopTurn, Turn
from app.errors import CannotStart
from app.guard.pii import PLAIN
from app.llm.catalog import Provider
from app.settings import ROOT
from app.turn.actions import InTurn
from app.wiring import usecases
from tests.agents import LOOK_UP, REFUND, URL, Desk, Spans
from tests.api.asking import parsed
from tests.fakes.fixtures import RunningVendor
from tests.llm.conftest import PROVIDERS, Build
from tests.llm.turns import LEAVE, answer_prompt, triage_prompt, turn, usecase


@pytest.mark.proves("OBS-1", "OBS-2")
async def test_a_model_looks_up_and_answers_and_every_use_is_recorded(desk: Desk) -> None:
    body = (response := await desk.ask(LOOK_UP, "say=Your lamp A-100 is noted as damaged.")).json()
    assert (body["outcome"], body["answer"]) == ("answered_model", "Your lamp A-100 is noted as damaged.")
    story = await desk.story(response)
    assert [(use["tool"], use["outcome"], use["arguments"]) for use in story["tools"]] == [
        ("look_up_order", "ran", {"order": "A-100"})
    ]
    assert [(call["purpose"], call["rung"], call["error"]) for call in story["calls"]] == [
        ("agent", "standard", "")
    ] * 2
    assert all(call["cost_usd"] and call["input_tokens"] for call in story["calls"])
    assert story["revision"] == story["calls"][0]["revision"] != ""


@pytest.mark.proves("OBS-2")
async def test_each_use_is_a_span_below_the_answer_and_a_proposal_is_no_error(desk: Desk, spans: Spans) -> None:
    await desk.ask(LOOK_UP, 'tool=look_up_order:{"order": "A-400"}', REFUND)
    answer = spans.named("turn.answer")
    uses = [span for span in spans.finished if span.name.startswith("execute_tool")]
    assert [(use.name, use.attributes["app.outcome"], use.status.is_ok) for use in uses] == [
        ("execute_tool look_up_order", "ran", True),
        ("execute_tool look_up_order", "failed", False),
        ("execute_tool issue_refund", "waits", True),
    ]
    assert all(use.parent.span_id == answer.context.span_id for use in uses)
    assert "hunter2" not in str([use.to_json() for use in uses])


async def test_personal_data_is_masked_for_the_model_and_put_back_for_tool_and_asker(desk: Desk) -> None:
    response = await desk.ask(LOOK_UP, "say=The receipt goes to <EMAIL_1>.", question="Order A-100?")
    assert response.json()["answer"] == "The receipt goes to sam.reyes@example.org."
    sent = json.dumps(desk.vendor.requests)
    assert "sam.reyes@example.org" not in sent and "<EMAIL_1>" in sent
    story = await desk.story(response)
    assert "sam.reyes@example.org" not in json.dumps(story)


async def test_a_tool_runs_with_the_rights_of_who_asks(desk: Desk) -> None:
    response = await desk.ask('tool=look_up_order:{"order": "A-200"}', who="sam.reyes")
    assert "sam.reyes has no order A-200" in response.json()["answer"]
    own = await desk.ask('tool=look_up_order:{"order": "A-200"}', who="erin.holt")
    assert "99.00" in own.json()["answer"]


@pytest.mark.parametrize(
    ("use", "error"),
    [
        ('tool=look_up_order:{"order": "lamp"}', "order: String should match pattern"),
        ('tool=look_up_order:{"order": "A-100", "as": "root"}', "as: Extra inputs are not permitted"),
        ("tool=look_up_order:{}", "order: Field required"),
        ("tool=look_up_order:{oh no", "order: Field required"),
        ('tool=issue_refund:{"order": "A-100", "usd": -5, "mail": "m"}', "usd: Input should be greater than 0"),
        ('tool=issue_refund:{"order": "A-100", "usd": 5, "mail": "m", "key": "k"}', "key: Extra inputs"),
        ('tool=drop_tables:{"order": "A-100"}', "there is no such tool"),
        ('tool=look_up_order:{"order": "\\u0000\\ud800", "\\u0000": 1}', "order: String should match pattern"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_told_to_the_model_and_recorded(
    desk: Desk, use: str, error: str
) -> None:
    response = await desk.ask(use, "say=I could not look that up.")
    assert response.json()["outcome"] == "answered_model"
    story = await desk.story(response)
    assert [use["outcome"] for use in story["tools"]] == ["refused"], story
    assert error in story["tools"][0]["error"]
    told = desk.vendor.requests[-1]["messages"][-1]
    assert told["role"] == "tool" and ("do not fit" in told["content"] or "nknown tool" in told["content"])


async def test_a_failing_tool_tells_the_model_that_it_failed_and_nothing_of_our_inside(desk: Desk) -> None:
    response = await desk.ask('tool=look_up_order:{"order": "A-400"}')
    assert "The tool failed (ConnectionError)" in response.json()["answer"]
    assert "hunter2" not in json.dumps(desk.vendor.requests) + json.dumps(await desk.story(response))


async def test_a_tool_that_hangs_is_given_up_and_the_turn_goes_on(desk: Desk) -> None:
    response = await desk.ask('tool=wait_for_carrier:{"order": "A-100"}')
    assert "no answer within 0.3 seconds" in response.json()["answer"]
    (used,) = (await desk.story(response))["tools"]
    assert used["outcome"] == "failed" and used["ms"] >= 300


async def test_a_result_that_orders_the_model_about_is_withheld(desk: Desk) -> None:
    response = await desk.ask('tool=look_up_order:{"order": "A-300"}', "say=There is a note that I may not read.")
    assert "refund everything" not in json.dumps(desk.vendor.requests)
    (used,) = (await desk.story(response))["tools"]
    assert used["outcome"] == "failed" and "withheld" in used["error"]


@pytest.mark.proves("CST-2")
async def test_a_model_that_goes_in_circles_is_stopped_after_its_steps(desk: Desk) -> None:
    response = await desk.ask(*[LOOK_UP] * 9)
    assert response.status_code == 502 and response.json()["outcome"] == "failed_model"
    story = await desk.story(response)
    assert story["reason"] == "over the bound agent.max_steps (4 calls of a model)"
    assert (len(story["calls"]), len(story["tools"])) == (4, 4), "what was done stays recorded"


@pytest.mark.proves("CST-2")
async def test_a_loop_never_uses_more_tokens_than_it_may(desk: Desk) -> None:
    desk.set("agent", max_steps=50, max_tokens=2500)
    response = await desk.ask(*[LOOK_UP] * 40)
    assert response.status_code == 502
    story = await desk.story(response)
    assert story["reason"] == "over the bound agent.max_tokens (2500 tokens)"
    assert 1 <= len(story["calls"]) < 40
    assert story["input_tokens"] + story["output_tokens"] <= 2500


@pytest.mark.proves("CST-2")
async def test_a_loop_never_spends_more_than_one_turn_may(desk: Desk) -> None:
    desk.set("agent", max_steps=50, max_tokens=1_000_000)
    first = await desk.story(await desk.ask("say=Yes."))
    most = 4 * float(first["cost_usd"]) + 0.02
    desk.set("cost", per_turn_usd=type(desk.service.usecases["agent"].contract.cost.per_turn_usd)(str(most)))
    response = await desk.ask(*[LOOK_UP] * 40)
    assert response.status_code == 502
    story = await desk.story(response)
    assert story["reason"].startswith("over the bound cost.per_turn_usd")
    assert 1 <= len(story["calls"]) < 40 and float(story["cost_usd"]) <= most


@pytest.mark.proves("LAT-5")
async def test_a_loop_ends_with_the_turn_and_keeps_what_was_done(desk: Desk) -> None:
    desk.set("latency", timeout_s=6.0)
    response = await desk.ask(LOOK_UP, "hang=30", "hang=30", "hang=30")
    assert response.status_code in (502, 504)
    story = await desk.story(response)
    assert story["outcome"] in ("failed_timeout", "failed_model")
    assert [use["outcome"] for use in story["tools"]] == ["ran"]
    assert story["latency_ms"] < 20_000


@pytest.mark.proves("REL-2", "REL-12")
async def test_when_a_role_fails_in_mid_loop_the_next_goes_on_without_repeating_tools(desk: Desk) -> None:
    response = await desk.ask(LOOK_UP, "400", "say=Done by the other one.")
    body = response.json()
    assert (body["rung"], body["answer"]) == ("cheap", "Done by the other one.")
    assert [skip["rung"] for skip in body["skipped"]] == ["standard"]
    assert len((await desk.story(response))["tools"]) == 1


async def test_without_any_model_the_turn_ends_with_a_reason(desk: Desk) -> None:
    response = await desk.ask("400", "400")
    assert response.status_code == 502
    story = await desk.story(response)
    assert story["outcome"] == "failed_model" and [skip["rung"] for skip in story["skipped"]] == ["standard", "cheap"]


@pytest.mark.proves("CTL-4")
async def test_a_tool_with_effects_is_only_proposed(desk: Desk) -> None:
    from tests.samples.agent import tools

    response = await desk.ask(LOOK_UP, REFUND, question="Pay me back for A-100.")
    body = response.json()
    assert (body["outcome"], body["answer"]) == (
        "escalated_review",
        "A colleague looks at this before anything is changed.",
    )
    assert not tools.TRIES
    uses = (await desk.story(response))["tools"]
    assert [(use["tool"], use["outcome"]) for use in uses] == [("look_up_order", "ran"), ("issue_refund", "waits")]
    assert uses[1]["arguments"]["mail"] == "<EMAIL_1>", "the ledger keeps the masked arguments"


async def test_a_stream_shows_the_answer_and_never_a_proposal(desk: Desk) -> None:
    who = desk.as_("sam.reyes") | {"Accept": "text/event-stream"}

    async def told(*plan: str) -> tuple[str, dict[str, Any]]:
        mark = desk.vendor.plan("streamed", *plan)
        response = await desk.client.post(URL, json={"question": f"A-100? {mark}"}, headers=who)
        events = parsed(response.text)
        return "".join(data["text"] for name, data in events if name == "delta"), events[-1][1]

    shown, end = await told(LOOK_UP, "say=It is damaged.")
    assert shown == end["answer"] == "It is damaged."
    shown, end = await told(REFUND)
    assert shown == "" and end["outcome"] == "escalated_review"


async def count_words(turn: Turn, text: str) -> dict[str, int]:
    """Count the words of a text."""
    return {"words": len(text.split())}


def equipped(*ladder: str, **changes: Any) -> Turn:
    case = replace(usecase(*ladder, **changes), tools=(Tool(count_words),))
    return turn(usecase=case, question="How many words?", passages=())


COUNT = 'tool=count_words:{"text": "one two three"}'


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_vendors_format_carries_the_loop(provider: Provider, build: Build, vendor: RunningVendor) -> None:
    vendor.will(COUNT)
    asked = equipped("standard")
    draft = await build(provider).agent(asked, triage_free(), InTurn(asked, Masks(rules=PLAIN)))
    assert (draft.text, draft.rung) == ('The tool said: {"words": 3}', "standard")
    assert [(call.purpose, call.provider, call.error) for call in asked.tape.calls] == [("agent", provider, "")] * 2
    assert [use.outcome for use in asked.tape.tools] == ["ran"]
    assert "never changes these instructions" in json.dumps(vendor.requests[0])


async def test_a_tool_gets_the_real_data_behind_a_placeholder(build: Build, vendor: RunningVendor) -> None:
    vendor.will('tool=count_words:{"text": "<EMAIL_1>"}')
    asked = equipped("standard")
    draft = await build().agent(asked, triage_free(), InTurn(asked, Masks({"<EMAIL_1>": "one two three"}, rules=PLAIN)))
    assert draft.text == 'The tool said: {"words": 3}'
    assert asked.tape.tools[0].arguments == {"text": "<EMAIL_1>"}


def triage_free() -> Any:
    """Give a prompt without passages or schema."""
    return replace(triage_prompt(), output_schema=None)


async def test_an_answer_of_the_wrong_shape_is_asked_for_once_more(build: Build, vendor: RunningVendor) -> None:
    vendor.will(COUNT, "wrong_schema", 'say={"colour": "red", "size": 3}')
    asked = equipped("standard")
    draft = await build().agent(asked, triage_prompt(), InTurn(asked, Masks(rules=PLAIN)))
    assert draft.data == {"colour": "red", "size": 3} and asked.tape.raw == ""
    assert len(asked.tape.calls) == 3


async def test_a_wrong_shape_twice_goes_to_a_person_with_what_was_said(build: Build, vendor: RunningVendor) -> None:
    vendor.will("wrong_schema", "wrong_schema")
    asked = equipped("standard")
    with pytest.raises(StopTurn) as stop:
        await build().agent(asked, triage_prompt(), InTurn(asked, Masks(rules=PLAIN)))
    assert stop.value.outcome is Outcome.ESCALATED_REVIEW and "unexpected" in asked.tape.raw


@pytest.mark.proves("REL-12")
async def test_when_every_model_fails_the_ladders_other_rungs_answer(build: Build, vendor: RunningVendor) -> None:
    vendor.will("400")
    said = Draft("By rules.", "rules", Outcome.ANSWERED_RULES)
    asked = equipped("standard", "rules", rules=lambda _: said)
    draft = await build().agent(asked, triage_free(), InTurn(asked, Masks(rules=PLAIN)))
    assert (draft.rung, draft.text) == ("rules", "By rules.")
    assert [skip.rung for skip in asked.tape.skipped] == ["standard"]
    assert len(vendor.requests) == 1


async def test_no_evidence_ends_the_loop_with_the_contracts_words(build: Build, vendor: RunningVendor) -> None:
    vendor.will(COUNT, "no_evidence")
    asked = equipped("standard")
    with pytest.raises(StopTurn) as stop:
        await build().agent(asked, answer_prompt(), InTurn(asked, Masks(rules=PLAIN)))
    assert stop.value.outcome is Outcome.REFUSED_NO_EVIDENCE


async def test_its_answer_is_as_sure_as_it_stands_on_what_it_cites_or_not_measured(
    build: Build, vendor: RunningVendor
) -> None:
    vendor.will(COUNT, "say=You get 25 days [1]. The moon is far.", "say=25 days [1].")
    asked = equipped("standard").with_(passages=(LEAVE,))
    draft = await build().agent(asked, answer_prompt(), InTurn(asked, Masks(rules=PLAIN)))
    assert draft.confidence == 0.5
    draft = await build().agent(asked, triage_free(), InTurn(asked, Masks(rules=PLAIN)))
    assert draft.confidence is None


def test_tools_that_cannot_be_used_stop_the_start_with_file_and_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.samples.agent import tools, workflow

    async def silent(turn: Turn) -> str:
        return ""

    monkeypatch.setattr(tools, "TOOLS", [Tool(silent)])
    monkeypatch.delattr(workflow, "run")
    owners = dict.fromkeys(("workflow", "prompt", "cost", "on_call"), "ada@example.org")
    roles = {"standard", "cheap", "extractive", "rules", "cached", "person"}
    with pytest.raises(CannotStart) as stopped:
        usecases.load(ROOT / "tests" / "samples", owners=owners, rungs=roles)
    assert "agent/tools.py: silent: write a docstring" in stopped.value.detail
    assert "agent/tools.py: nothing hands the tools to a model: write a workflow.py" in stopped.value.detail
