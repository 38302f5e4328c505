"""Time is shared between rungs, and only what may pass is tried again."""

import asyncio

import pytest
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
)
from structlog.testing import capture_logs

from app.domain.turn import Skip
from app.llm.resilience import (
    RESERVE_S,
    AnswerCut,
    BrokeOff,
    CallLimits,
    EmptyAnswer,
    describe,
    is_passing,
    now_s,
    retry_after_s,
    rung_deadline_s,
    verdict,
    was_billed,
)
from app.store.door import Rules
from app.store.turnstile import Turnstile
from tests.fakes.fixtures import RunningVendor
from tests.llm.asks import ask
from tests.llm.conftest import Build


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
        (ModelHTTPError(408, "m"), False, False, "408 from the vendor"),
        (ModelQuotaExceededError("m", "secret prompt"), False, True, "ModelQuotaExceededError"),
        (ModelHTTPError(500, "m", in_stream=True), True, True, "500 from the vendor"),
        (ModelConnectionError("m", "no route", phase="connect"), True, False, "ModelConnectionError"),
        (ModelConnectionError("m", "broken off", phase="read"), True, True, "ModelConnectionError"),
        (ModelTimeoutError("m", "slow", phase="connect"), True, False, "ModelTimeoutError"),
        (ModelTimeoutError("m", "slow", phase="read"), False, True, "ModelTimeoutError"),
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


@pytest.mark.proves("REL-7")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModelHTTPError(429, "m"), "bad"),
        (ModelHTTPError(529, "m"), "bad"),
        (ModelHTTPError(400, "m"), "none"),
        (ModelConnectionError("m", "no route"), "bad"),
        (ModelTimeoutError("m", "slow"), "bad"),
        (ModelAPIError("m", "odd"), "bad"),
        (UnexpectedModelBehavior("odd"), "bad"),
        (BrokeOff("cut"), "bad"),
        (TimeoutError(), "bad"),
        (AnswerCut("filtered"), "none"),
        (ContentFilterError("filtered"), "none"),
        (EmptyAnswer("empty"), "none"),
        (asyncio.CancelledError(), "none"),
        (ValueError("ours"), "none"),
    ],
)
async def test_the_breaker_hears_of_the_vendors_faults_only(error: BaseException, said: str) -> None:
    assert verdict(error, until_s=now_s() + 10, had_s=10) == said


async def test_a_call_that_is_cancelled_by_its_own_deadline_ran_out_of_time() -> None:
    assert verdict(asyncio.CancelledError(), until_s=now_s(), had_s=10) == "bad"


async def test_a_vendor_is_not_judged_by_what_it_cannot_do_in_a_moment() -> None:
    assert verdict(TimeoutError(), until_s=now_s(), had_s=0.1) == "none"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0.25", 0.25), ("-1", None), ("nan", None), ("inf", None), ("soon", None)]
)
def test_what_the_vendor_asks_to_wait_is_read_or_ignored(header: str, seconds: float | None) -> None:
    assert retry_after_s(ModelHTTPError(429, "m", headers={"retry-after": header})) == seconds


@pytest.mark.proves("REL-6")
@pytest.mark.parametrize(
    ("provider", "told"),
    [("openai", "1"), ("openai", "date+2"), ("openai", "0.5"), ("anthropic", "1"), ("anthropic", "date+2")],
)
async def test_retry_after_is_honoured_as_seconds_and_as_a_date(
    provider: str, told: str, build: Build, vendor: RunningVendor
) -> None:
    vendor.will(f"429:retry-after={told}")
    started = asyncio.get_running_loop().time()
    asked = await ask(build(provider))
    # A date has no fractions of a second.
    least_s = {"1": 1.0, "date+2": 1.0, "0.5": 0.5}[told]
    assert asyncio.get_running_loop().time() - started >= least_s
    assert [call.error for call in asked.tape.calls] == ["429 rate limited", ""]


@pytest.mark.proves("REL-6", "LAT-5")
@pytest.mark.parametrize("told", ["30", "date+30"])
async def test_nothing_is_repeated_past_the_deadline(told: str, build: Build, vendor: RunningVendor) -> None:
    vendor.will(f"429:retry-after={told}", "ok")
    asked = await ask(build())
    assert len(asked.tape.calls) == 1
    assert asked.tape.skipped == [Skip("standard", "429 rate limited")]


@pytest.mark.proves("REL-6")
async def test_retries_do_not_multiply_an_outage(build: Build, vendor: RunningVendor) -> None:
    vendor.will("500*")
    never = Turnstile(None, rules=Rules(failures=10**6))
    gateway = build(turnstile=never)
    asked = await asyncio.gather(*(ask(gateway, seconds=120) for _ in range(60)))
    assert 60 + 10 <= vendor.state.count <= 60 * 1.2 + 10
    assert sum(len(one.tape.calls) for one in asked) == vendor.state.count


async def test_good_calls_earn_retries_again(build: Build, vendor: RunningVendor) -> None:
    gateway = build(limits=CallLimits(retries_saved=1, retry_earns=0.5))
    vendor.will("500", "500", "ok", "500", "ok")
    assert len((await ask(gateway)).tape.calls) == 2
    assert len((await ask(gateway)).tape.calls) == 1
    assert len((await ask(gateway)).tape.calls) == 2


@pytest.mark.proves("OBS-7")
async def test_a_retry_is_logged_without_the_vendors_words(build: Build, vendor: RunningVendor) -> None:
    vendor.will("503")
    with capture_logs() as lines:
        await ask(build())
    assert [line["reason"] for line in lines if line["event"] == "model_retry"] == ["503 from the vendor"]
    assert "on purpose" not in str(lines)
