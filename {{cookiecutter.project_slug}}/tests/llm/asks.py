"""Asks a gateway, and waits for what the vendor sees."""

import asyncio
from collections.abc import Callable

from app.domain.turn import Turn
from app.llm.gateway import Gateway
from app.llm.resilience import CallLimits
from app.store.door import Rules
from app.store.turnstile import Turnstile
from tests.llm.conftest import Shown
from tests.llm.turns import answer_prompt, turn

LADDER = ("standard", "extractive")
# One attempt, and quick to give up; long enough to count against the vendor.
ONCE = CallLimits(attempts=1, model_timeout_s=0.6, first_token_s=0.6, idle_s=0.6)
GENEROUS_S = 20.0


async def ask(gateway: Gateway, *ladder: str, shown: Shown | None = None, seconds: float = 10.0) -> Turn:
    """Ask once; gives the turn with its tape."""
    asked = turn(*(ladder or LADDER), listener=shown, seconds=seconds)
    await gateway.answer(asked, answer_prompt())
    return asked


def lasting() -> Turnstile:
    """Build a turnstile that forgets no failure while a slow machine goes through a test."""
    return Turnstile(None, rules=Rules(window_s=600, open_s=600))


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(GENEROUS_S):
        while not condition():  # noqa: ASYNC110  the vendor runs in another thread
            await asyncio.sleep(0.01)
