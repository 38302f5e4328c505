"""Time is shared between rungs, and only what may pass is tried again."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.domain.turn import Skip
from app.llm.faults import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    refused,
)
from app.llm.resilience import (
    RESERVE_S,
    AnswerCut,
    BrokeOff,
    CallLimits,
    EmptyAnswer,
    describe,
    is_passing,
    now_s,
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
        (ModelHTTPError(429), True, False, "429 rate limited"),
        (ModelHTTPError(503), True, False, "503 from the vendor"),
        (ModelHTTPError(400), False, False, "400 from the vendor"),
        (ModelHTTPError(401), False, False, "401 from the vendor"),
        (ModelHTTPError(408), False, False, "408 from the vendor"),
        (ModelQuotaExceededError(429), False, False, "429 rate limited"),
        (ModelHTTPError(500, in_stream=True), True, True, "500 from the vendor"),
        (ModelConnectionError("no route", phase="connect"), True, False, "ModelConnectionError"),
        (ModelConnectionError("secret prompt", phase="read"), True, True, "ModelConnectionError"),
        (ModelTimeoutError("slow", phase="connect"), True, False, "ModelTimeoutError"),
        (ModelTimeoutError("slow", phase="read"), False, True, "ModelTimeoutError"),
        (TimeoutError(), False, True, "timeout"),
        (UnexpectedModelBehavior("secret prompt"), False, True, "UnexpectedModelBehavior"),
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
        (ModelHTTPError(429), "bad"),
        (ModelHTTPError(529), "bad"),
        (ModelHTTPError(400), "none"),
        (ModelConnectionError("no route"), "bad"),
        (ModelTimeoutError("slow"), "bad"),
        (ModelAPIError("odd"), "bad"),
        (UnexpectedModelBehavior("odd"), "bad"),
        (BrokeOff("cut"), "bad"),
        (TimeoutError(), "bad"),
        (AnswerCut("filtered"), "none"),
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


@pytest.mark.proves("REL-6")
@pytest.mark.parametrize(
    ("headers", "least_s", "most_s"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after": "0.25"}, 0.25, 0.25),
        ({"retry-after": "9", "retry-after-ms": "1500"}, 1.5, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9, 9),
        ({"retry-after": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}, 600, 3600),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:00"}, 0, 0),
    ],
)
def test_the_vendors_time_to_wait_is_read(headers: dict[str, str], least_s: float, most_s: float) -> None:
    told = refused(429, {}, headers=headers).retry_after
    assert told is not None and least_s <= told <= most_s


@pytest.mark.parametrize("said", ["-1", "nan", "inf", "soon", ""])
def test_a_time_to_wait_that_is_none_is_ignored(said: str) -> None:
    assert refused(429, {}, headers={"retry-after": said}).retry_after is None
    assert refused(429, {}).retry_after is None


@pytest.mark.proves("REL-6")
@pytest.mark.parametrize(
    ("status", "body", "passes"),
    [
        (429, {"error": {"code": "rate_limit_exceeded"}}, True),
        (429, {"error": {"code": "insufficient_quota"}}, False),
        (429, {"error": {"type": "insufficient_quota", "code": None}}, False),
        (429, {"code": "billing_hard_limit_reached"}, False),
        (402, {"type": "error", "error": {"type": "billing_error"}}, False),
        (400, {"error": {"type": "invalid_request_error", "message": "Your credit balance is too low."}}, False),
        (429, {"error": "text"}, True),
        (429, None, True),
        (529, [], True),
    ],
)
def test_a_used_up_quota_is_not_asked_again(status: int, body: Any, passes: bool) -> None:
    error = refused(status, body)
    assert is_passing(error) is passes
    assert isinstance(error, ModelQuotaExceededError) is (
        "quota" in str(body) or "bill" in str(body) or "credit" in str(body)
    )
    assert "credit" not in str(error)


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
