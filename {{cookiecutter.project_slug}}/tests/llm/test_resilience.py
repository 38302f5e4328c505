"""Time is shared between rungs, and only what may pass is tried again."""

import asyncio

import pytest
from pydantic_ai.exceptions import (
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
)

from app.llm.resilience import RESERVE_S, describe, is_passing, now_s, rung_deadline_s, was_billed


@pytest.mark.proves("LAT-5")
@pytest.mark.parametrize(
    ("below", "left_s", "share_s"),
    [
        ((), 10, 10),
        (("extractive",), 10, 10 - RESERVE_S),
        (("cheap",), 10, 5),
        (("cheap", "extractive"), 10, (10 - RESERVE_S) / 2),
        (("rules",), 0.4, 0.2),
    ],
)
async def test_a_rung_leaves_time_for_those_below(below: tuple[str, ...], left_s: float, share_s: float) -> None:
    assert rung_deadline_s(now_s() + left_s, below) - now_s() == pytest.approx(share_s, abs=0.01)


@pytest.mark.proves("REL-6")
@pytest.mark.parametrize(
    ("error", "passes", "billed", "named"),
    [
        (ModelHTTPError(429, "m"), True, False, "429 rate limited"),
        (ModelHTTPError(503, "m"), True, False, "503 from the vendor"),
        (ModelHTTPError(400, "m", body="secret prompt"), False, False, "400 from the vendor"),
        (ModelHTTPError(401, "m"), False, False, "401 from the vendor"),
        (ModelConnectionError("m", "no route"), True, False, "ModelConnectionError"),
        (ModelTimeoutError("m", "slow"), False, False, "ModelTimeoutError"),
        (TimeoutError(), False, True, "timeout"),
        (UnexpectedModelBehavior("odd", body="secret prompt"), False, True, "UnexpectedModelBehavior"),
        (ValueError("secret prompt"), False, True, "ValueError"),
    ],
)
def test_errors_are_sorted_and_named_without_the_vendors_words(
    error: Exception, passes: bool, billed: bool, named: str
) -> None:
    assert is_passing(error) is passes
    assert was_billed(error) is billed
    assert describe(error) == named
    assert "secret" not in describe(error)


def test_a_cancelled_call_is_named_so() -> None:
    assert describe(asyncio.CancelledError()) == "cancelled"
