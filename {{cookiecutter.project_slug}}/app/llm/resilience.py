"""Time and second chances: how long a rung may take, what is worth another attempt, and when to stop trying."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from app.llm.catalog import LOCAL_RUNGS
from app.llm.faults import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
)
from app.store.door import Verdict

if TYPE_CHECKING:
    from app.domain.turn import Turn

log = structlog.get_logger(__name__)
RESERVE_S = 0.4
LEAST_S = 0.05
# Where a transport failed before the vendor saw the request.
NOT_SENT = "connect"
# Between attempts, where the vendor names no time: doubled each time, and a random share on top.
FIRST_WAIT_S, LONGEST_WAIT_S, JITTER_S = 0.1, 2.0, 0.1
# A call that was given less says nothing about the vendor when it runs out of time.
FAIR_S = 0.5


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The longest waits, in seconds: for one call, its first token, and the next piece of a stream.

    `attempts` counts the first one. A budget of retries keeps them from multiplying an outage: each errand earns
    `retry_earns` of a retry, and at most `retries_saved` are there at once.
    """

    model_timeout_s: float = 20.0
    first_token_s: float = 10.0
    idle_s: float = 10.0
    attempts: int = 3
    retry_earns: float = 0.2
    retries_saved: float = 10.0


class RetryBudget:
    """Retries that one process may still make at one model; a token bucket filled by calls, not by time."""

    def __init__(self, limits: CallLimits) -> None:
        self._earns, self._most = limits.retry_earns, limits.retries_saved
        self.left = self._most

    def earn(self) -> None:
        """Count an errand."""
        self.left = min(self._most, self.left + self._earns)

    def spend(self) -> bool:
        """Take one retry; False when there is none left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Unavailable(Exception):
    """No call is made: the model is held back after failures, or was busy for too long; the message says which."""


class ModelOff(Unavailable):
    """No call is made: an operator turned the model off; the message says what was turned off."""


class TurnedOff(Exception):
    """An operator turned the model off while it was answering; the message says what was turned off."""


class EmptyAnswer(Exception):
    """The model answered nothing at all."""


class AnswerCut(Exception):
    """The answer broke off at the token limit or by the vendor's filter: the vendor did as it was asked."""


class BrokeOff(AnswerCut):
    """The answer broke off although the vendor meant to say more."""


def now_s() -> float:
    """Give the event loop's clock, on which deadlines are kept."""
    return asyncio.get_running_loop().time()


def deadline_s(turn: "Turn") -> float:
    """Give the turn's deadline; a turn without one gets its contract's time limit, from now."""
    return turn.deadline_s or now_s() + turn.usecase.contract.latency.timeout_s


def rung_deadline_s(deadline: float, below: Sequence[str]) -> float:
    """Share the time left: a hanging model must leave enough for the rungs below it to answer."""
    left = deadline - now_s()
    models_below = sum(name not in LOCAL_RUNGS for name in below)
    reserve = min(RESERVE_S, left / 2) if any(name in LOCAL_RUNGS for name in below) else 0.0
    return now_s() + (left - reserve) / (1 + models_below)


class Retries:
    """The attempts of one errand: up to `limits.attempts`, as far apart as the vendor asks, but never past `until_s`.

    The first attempt costs nothing; `may_repeat` is asked before any other.
    """

    def __init__(
        self, until_s: float, *, limits: CallLimits, budget: RetryBudget, may_repeat: Callable[[], bool] = lambda: True
    ) -> None:
        self._until_s, self._limits, self._budget, self._may_repeat = until_s, limits, budget, may_repeat
        self._failure: Exception | None = None
        self.number = 1
        budget.earn()

    async def after(self, error: Exception) -> None:
        """Wait until it is time for another attempt; where there must be none, raise what ended the errand."""
        wait_s = self._wait_s(error)
        if wait_s is None:
            # What the vendor did before is the better reason why there is no answer.
            if self._failure is not None and isinstance(error, Unavailable):
                raise self._failure from None
            raise error
        self._failure = error
        self.number += 1
        log.info("model_retry", reason=describe(error), attempt=self.number)
        await asyncio.sleep(wait_s)

    def _wait_s(self, error: Exception) -> float | None:
        if self.number >= self._limits.attempts or not self._may_repeat() or not is_passing(error):
            return None
        told_s = retry_after_s(error)
        # Spread out, so that those who failed together do not come back together.
        wait_s = min(FIRST_WAIT_S * 2 ** (self.number - 1) + random.uniform(0, JITTER_S), LONGEST_WAIT_S)  # noqa: S311 - no secret
        wait_s = wait_s if told_s is None else told_s
        return wait_s if now_s() + wait_s + LEAST_S < self._until_s and self._budget.spend() else None


def is_passing(error: Exception) -> bool:
    """Say whether the same call may succeed in a moment: 429 (but no used-up quota), 5xx, no connection.

    A call that hung is not made again: the time it would take is better spent on the next rung.
    """
    if isinstance(error, ModelQuotaExceededError):
        return False
    if isinstance(error, ModelTimeoutError):
        return error.phase == NOT_SENT
    if isinstance(error, ModelHTTPError):
        return _is_vendors_fault(error.status_code)
    return isinstance(error, ModelConnectionError)


def retry_after_s(error: BaseException) -> float | None:
    """Give the seconds that the vendor asks us to wait; None when it did not."""
    return error.retry_after if isinstance(error, ModelAPIError) else None


def verdict(error: BaseException, *, until_s: float, had_s: float) -> Verdict:
    """Say what a failed call tells about the vendor: `bad` when it was its fault, `none` when not.

    `until_s` is when the call had to end, `had_s` the time it was given: a vendor is not judged by what it cannot do
    in a moment.
    """
    if isinstance(error, asyncio.CancelledError) and now_s() < until_s:
        return "none"
    if isinstance(error, TimeoutError | asyncio.CancelledError):
        return "bad" if had_s >= FAIR_S else "none"
    if isinstance(error, ModelHTTPError):
        return "bad" if _is_vendors_fault(error.status_code) else "none"
    return "bad" if isinstance(error, ModelAPIError | UnexpectedModelBehavior | BrokeOff) else "none"


def describe(error: BaseException) -> str:
    """Name the failure for the ledger, without the vendor's words: they may quote the prompt."""
    status = getattr(error, "status_code", None)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "429 rate limited"
    if status is not None:
        return f"{status} from the vendor"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if isinstance(error, EmptyAnswer | AnswerCut | Unavailable | TurnedOff):
        return str(error)
    return type(error).__name__


def was_billed(error: BaseException) -> bool:
    """Say whether the vendor may charge for a failed call: not when it refused, or was never reached."""
    if isinstance(error, ModelAPIError) and error.in_stream:
        return True
    if isinstance(error, ModelConnectionError):
        return error.phase != NOT_SENT
    return not isinstance(error, ModelHTTPError | Unavailable)


def _is_vendors_fault(status: int) -> bool:
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
