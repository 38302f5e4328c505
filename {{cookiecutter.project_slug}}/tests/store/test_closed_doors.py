"""Doors that an operator closes: nobody goes in, who waits is sent away, and what is under way breaks off."""

import asyncio

import pytest

from app.store.door import Rules
from app.store.turnstile import Closed, Turnstile, shut

DOOR = "openai:large"
GENEROUS_S = 30.0


class Switches:
    """What is closed, and why."""

    def __init__(self) -> None:
        self.closed: dict[str, str] = {}

    def why(self, door: str) -> str:
        return self.closed.get(door, "")


@pytest.fixture
def switches() -> Switches:
    return Switches()


@pytest.fixture
def turnstile(switches: Switches) -> Turnstile:
    made = Turnstile(None, rules=Rules(poll_s=0.01))
    made.heed(switches.why)
    return made


async def enter(turnstile: Turnstile, door: str = DOOR, limit: int = 1):
    until_s = asyncio.get_running_loop().time() + GENEROUS_S
    return await turnstile.enter(door, limit, hurries=True, until_s=until_s)


@pytest.mark.proves("CTL-1")
async def test_a_closed_door_lets_nobody_in_and_the_others_do(turnstile: Turnstile, switches: Switches) -> None:
    switches.closed[DOOR] = "model large is turned off"
    with pytest.raises(Closed, match="model large is turned off"):
        await enter(turnstile)
    await turnstile.leave(await enter(turnstile, "openai:small"), "good")
    switches.closed.clear()
    await turnstile.leave(await enter(turnstile), "good")


async def test_who_waits_before_a_door_that_closes_is_sent_away_and_takes_no_slot(
    turnstile: Turnstile, switches: Switches
) -> None:
    inside = await enter(turnstile)
    waiting = asyncio.create_task(enter(turnstile))
    await asyncio.sleep(0.05)
    switches.closed[DOOR] = "model large is turned off"
    await turnstile.leave(inside, "good")
    with pytest.raises(Closed):
        await waiting
    switches.closed.clear()
    async with asyncio.timeout(GENEROUS_S):
        await turnstile.leave(await enter(turnstile), "good")


@pytest.mark.proves("CTL-1")
async def test_what_is_under_way_breaks_off_behind_the_closed_door_alone(
    turnstile: Turnstile, switches: Switches
) -> None:
    begun = asyncio.Event()

    async def call(door: str) -> str:
        async with turnstile.answering(door):
            begun.set()
            await asyncio.sleep(0.5 if door != DOOR else GENEROUS_S)
            return "answered"

    calls = [asyncio.create_task(call(door)) for door in (DOOR, DOOR, "openai:small")]
    await begun.wait()
    await asyncio.sleep(0.05)
    switches.closed[DOOR] = "model large is turned off"
    turnstile.look_again()
    turnstile.look_again()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in ended] == [Closed, Closed, str] and ended[2] == "answered"


async def test_a_timeout_of_the_calls_own_stays_what_it_is(turnstile: Turnstile) -> None:
    with pytest.raises(TimeoutError):
        async with turnstile.answering(DOOR), asyncio.timeout(0.01):
            await asyncio.sleep(GENEROUS_S)


async def test_who_must_ask_no_model_finds_every_door_closed_and_nobody_else_does(turnstile: Turnstile) -> None:
    async def without() -> None:
        with shut("the AI is paused"):
            await asyncio.sleep(0.02)
            with pytest.raises(Closed, match="the AI is paused"):
                await enter(turnstile)

    async def usual() -> None:
        await asyncio.sleep(0.02)
        await turnstile.leave(await enter(turnstile), "good")

    await asyncio.gather(without(), usual())
