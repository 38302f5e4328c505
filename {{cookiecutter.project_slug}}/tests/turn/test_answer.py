"""The answer step: what a listener is told, and what becomes of a draft that is there already."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from app.domain.outcome import Outcome
from app.domain.turn import Draft, Remembered
from app.sdk import Finding, while_streaming
from app.turn.answer import Answer
from app.turn.check import Check
from tests.llm import turns

DRAFT = Draft(text="25 days [1]\nAsk your manager.", rung="standard", outcome=Outcome.ANSWERED_MODEL, model="sol")


class Seen:
    def __init__(self):
        self.deltas = []

    async def __call__(self, delta):
        self.deltas.append(delta)


class Gateway:
    """Stands in for the gateway: one draft, told in pieces."""

    def __init__(self, draft=DRAFT, pieces=()):
        self.draft, self.pieces, self.asked = draft, pieces, 0

    async def answer(self, turn, prompt):
        self.asked += 1
        for piece in self.pieces:
            await turn.listener(piece)
        return self.draft


class Flags:
    """Nobody pauses anything."""

    async def until_paused(self, usecase, who, *, hard):
        await asyncio.Event().wait()

    def why_tool_off(self, usecase, tool):
        return ""


def answer(gateway):
    return Answer(gateway, searcher=None, flags=Flags())


def turn(seen=None, *, checks=(), **changes):
    case = replace(turns.usecase("standard"), prompts={"answer.v1": turns.answer_prompt()}, checks=checks)
    return turns.turn(usecase=case, listener=seen, **changes)


@pytest.mark.proves("LAT-4")
async def test_a_recalled_draft_is_told_and_no_model_is_asked():
    seen, gateway = Seen(), Gateway()
    recalled = replace(DRAFT, rung="cached", outcome=Outcome.ANSWERED_CACHED, age_s=3.0)
    done = await answer(gateway)(turn(seen, draft=recalled))
    assert done.draft is recalled and gateway.asked == 0
    assert "".join(seen.deltas) == recalled.text


async def test_a_recalled_structured_draft_is_told_as_its_fields():
    seen = Seen()
    recalled = replace(DRAFT, data={"days": 25})
    await answer(Gateway())(turn(seen, draft=recalled))
    assert seen.deltas == [{"days": 25}]


async def test_without_a_listener_nothing_is_told():
    assert (await answer(Gateway())(turn())).draft is DRAFT


@pytest.mark.proves("REL-2")
async def test_an_old_answer_brings_the_passages_it_stands_on():
    old = turns.passage("You had 20 days.", uri="old.md")
    stale = Remembered(DRAFT, (old,), uuid4(), datetime.now(UTC), Decimal(0))
    given = replace(DRAFT, rung="cached", outcome=Outcome.ANSWERED_CACHED, age_s=90.0)
    assert (await answer(Gateway(given))(turn(stale=stale))).passages == (old,)
    assert (await answer(Gateway())(turn(stale=stale))).passages == (turns.LEAVE,)


@pytest.mark.proves("REL-4", "SEC-10")
async def test_a_stopped_stream_ends_as_refused_with_its_finding_and_what_was_said():
    seen = Seen()
    gateway = Gateway(pieces=["You get 25 days.\n", "And a refund. ", "Bye."])
    begun = turn(seen, checks=(no_refund,))
    done = await Check()(await answer(gateway)(begun))
    assert done.outcome is Outcome.REFUSED_CHECK and done.answer == "No." and done.reason == "it promises a refund"
    assert [finding.check for finding in done.findings] == ["refund"]
    assert done.draft.text == "You get 25 days.\nAnd a refund."
    assert seen.deltas == ["You get 25 days.\n"]


async def test_what_stopped_a_stream_counts_although_nobody_finds_it_again():
    told = []

    def once(turn, draft):
        told.append(draft.text)
        return Finding("once", "it was there") if len(told) == 1 else None

    begun = turn(Seen(), checks=(while_streaming(once),))
    done = await Check()(await answer(Gateway(pieces=["You get 25 days.\n"]))(begun))
    assert done.outcome is Outcome.REFUSED_CHECK and [finding.check for finding in done.findings] == ["once"]


@while_streaming
def no_refund(turn, draft):
    return Finding("refund", "it promises a refund") if "refund" in draft.text else None
