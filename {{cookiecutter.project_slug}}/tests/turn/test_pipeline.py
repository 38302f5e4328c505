"""The list of steps: what runs however the others end, and with what."""

import asyncio
from dataclasses import replace

import pytest

from app.domain.outcome import Outcome
from app.domain.turn import Draft, Ticket
from app.errors import DependencyDown
from app.turn.pipeline import Pipeline
from tests.llm.turns import turn

TICKET = Ticket("key", "token", leads=True)
DRAFT = Draft("Yes.", "standard", Outcome.ANSWERED_MODEL)


class Steps:
    """A pipeline whose steps only note that they ran."""

    def __init__(self, **changed):
        self.ran, self.remembered = [], []
        names = ("admit", "screen", "recall", "retrieve", "answer", "check", "unmask", "record", "remember")
        steps = {name: self.step(name) for name in names}
        self.pipeline = Pipeline(**{**steps, **changed})

    def step(self, name):
        async def run(seen):
            self.ran.append(name)
            if name == "remember":
                self.remembered.append(seen)
            changes = {"recall": {"ticket": TICKET}, "answer": {"draft": DRAFT}, "check": {"outcome": DRAFT.outcome}}
            return seen.with_(**changes.get(name, {}))

        return run


async def breaks(error):
    async def step(_):
        raise error

    return step


async def test_every_step_runs_in_its_place():
    steps = Steps()
    ended = await steps.pipeline.run(turn("standard"))
    assert steps.ran == ["admit", "screen", "recall", "retrieve", "answer", "check", "unmask", "record", "remember"]
    assert [step.step for step in ended.tape.steps] == steps.ran[:-1]
    assert steps.remembered[0].outcome is Outcome.ANSWERED_MODEL


async def test_what_was_recalled_is_not_looked_up_again():
    async def recalled(seen):
        return seen.with_(draft=replace(DRAFT, rung="cached"))

    steps = Steps()
    steps.pipeline = replace(steps.pipeline, recall=recalled)
    await steps.pipeline.run(turn("standard"))
    assert "retrieve" not in steps.ran and {"answer", "check", "record", "remember"} <= set(steps.ran)


@pytest.mark.parametrize("error", [DependencyDown("away"), RuntimeError("broken")])
async def test_what_cannot_be_recorded_is_not_kept_but_those_who_wait_are_told(error):
    steps = Steps()
    steps.pipeline = replace(steps.pipeline, record=await breaks(error))
    if isinstance(error, RuntimeError):
        with pytest.raises(RuntimeError):
            await steps.pipeline.run(turn("standard"))
    else:
        assert (await steps.pipeline.run(turn("standard"))).draft is None
    (seen,) = steps.remembered
    assert seen.ticket == TICKET and seen.outcome is not None and seen.outcome.family == "failed"


async def test_who_leaves_leaves_a_record_and_nobody_waiting():
    started = asyncio.Event()

    async def hangs(_):
        started.set()
        await asyncio.sleep(60)

    steps = Steps()
    steps.pipeline = replace(steps.pipeline, answer=hangs)
    running = asyncio.create_task(steps.pipeline.run(turn("standard")))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (seen,) = steps.remembered
    assert "record" in steps.ran and seen.ticket == TICKET and seen.outcome is Outcome.FAILED_CANCELLED


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same():
    steps = Steps()
    steps.pipeline = replace(steps.pipeline, remember=await breaks(RuntimeError("no room")))
    assert (await steps.pipeline.run(turn("standard"))).outcome is Outcome.ANSWERED_MODEL
