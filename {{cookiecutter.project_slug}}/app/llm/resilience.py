"""Time and second chances: how long a rung may take, what is worth another attempt, and when to stop trying."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import stamina

from app.llm.catalog import LOCAL_RUNGS

if TYPE_CHECKING:
    from app.domain.turn import Turn

RESERVE_S = 0.4
LEAST_S = 0.05


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The longest waits, in seconds, for one call and for its first token, and the number of attempts."""

    model_timeout_s: float = 20.0
    first_token_s: float = 10.0
    attempts: int = 3


class EmptyAnswer(Exception):
    """The model answered nothing at all."""


class AnswerCut(Exception):
    """The answer broke off: at the token limit, by the vendor's filter, or with the connection."""


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


async def attempts(
    until_s: float, *, limits: CallLimits, may_repeat: Callable[[], bool]
) -> AsyncIterator[stamina.Attempt]:
    """Yield up to `limits.attempts` attempts; waits as long as the vendor asks, but never past `until_s`."""

    def on(error: Exception) -> bool | float:
        if not may_repeat() or not is_passing(error):
            return False
        wait_s = getattr(error, "retry_after", None)
        left = until_s - now_s()
        if wait_s is None:
            return left > LEAST_S
        return float(wait_s) if wait_s + LEAST_S < left else False

    retries = stamina.retry_context(
        on=on,
        attempts=limits.attempts,
        timeout=max(until_s - now_s(), LEAST_S),
        wait_initial=0.1,
        wait_max=2.0,
        wait_jitter=0.1,
    )
    async for attempt in retries:
        yield attempt


def is_passing(error: Exception) -> bool:
    """Say whether the same call may succeed in a moment: 408, 429, 5xx or no connection, but no timeout."""
    from pydantic_ai.exceptions import ModelAPIError, ModelConnectionError, ModelHTTPError, ModelTimeoutError

    if isinstance(error, ModelHTTPError):
        return error.status_code in (408, 409, 429) or error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, ModelTimeoutError):
        return False
    return isinstance(error, ModelConnectionError | ModelAPIError) and not _was_rejected(error)


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
    if isinstance(error, EmptyAnswer | AnswerCut):
        return str(error)
    return type(error).__name__


def was_billed(error: BaseException) -> bool:
    """Say whether the vendor may charge for a failed call: not when it refused, or was never reached."""
    from pydantic_ai.exceptions import ModelConnectionError, ModelHTTPError

    return not isinstance(error, ModelHTTPError | ModelConnectionError)


def _was_rejected(error: Exception) -> bool:
    from pydantic_ai.exceptions import ModelRequestRejectedError, ModelRequestTimeout

    return isinstance(error, ModelRequestRejectedError | ModelRequestTimeout)
