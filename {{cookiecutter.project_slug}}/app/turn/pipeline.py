"""The list of steps. Read this first: nothing reaches a model or an asker except through here.

admit     may this person, now, within rate and budget?  session held, Idempotency-Key taken
screen    clean the text, refuse instructions to the model, mask personal data
retrieve  passages that the asker may read, screened and masked too
answer    the use case's workflow, or one call down the ladder
check     the platform's checks, then the use case's own
unmask    put personal data back
record    always: turn, calls, session, result of the job item, in one transaction
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from app.domain.outcome import Outcome
from app.domain.turn import StepTime, StopTurn, Turn
from app.errors import AppError, DeadlinePassed, DependencyDown
from app.telemetry import metrics, tracing

log = structlog.get_logger(__name__)
Step = Callable[[Turn], Awaitable[Turn]]
# Recording may take a little longer than the turn itself was given.
RECORD_S = 5.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps in their order; `record` runs however the others ended."""

    admit: Step
    screen: Step
    retrieve: Step
    answer: Step
    check: Step
    unmask: Step
    record: Step

    @property
    def steps(self) -> tuple[tuple[str, Step], ...]:
        """Give the names and steps that may end a turn, in order."""
        names = ("admit", "screen", "retrieve", "answer", "check", "unmask")
        return tuple((name, getattr(self, name)) for name in names)

    async def run(self, turn: Turn) -> Turn:
        """Take a question to its end; never raises for what happens to the turn, but for cancellation."""
        started = time.perf_counter()
        timeout_s = turn.usecase.contract.latency.timeout_s
        with tracing.span("turn", usecase=turn.usecase.name, turn_id=str(turn.id), channel=turn.channel):
            turn = turn.with_(
                deadline_s=asyncio.get_running_loop().time() + timeout_s, trace_id=tracing.current_trace_id()
            )
            try:
                turn = await self._steps(turn)
            except asyncio.CancelledError:
                ended = _stopped(turn, StopTurn(Outcome.FAILED_CANCELLED, reason="the asker left"))
                await asyncio.shield(self._record(ended, started))
                raise
            return await self._record(turn, started)

    async def _steps(self, turn: Turn) -> Turn:
        seen = turn
        try:
            async with asyncio.timeout_at(turn.deadline_s):
                for name, step in self.steps:
                    seen = await _timed(name, step, seen)
        except StopTurn as stop:
            return _stopped(seen, stop)
        except TimeoutError:
            return _stopped(seen, _too_late(seen))
        except DependencyDown as error:
            return _stopped(seen, StopTurn(Outcome.FAILED_DEPENDENCY, error=error))
        except AppError as error:
            return _stopped(seen, StopTurn(Outcome.REFUSED_INPUT, error=error))
        except Exception as error:
            log.exception("turn.broke", turn_id=str(turn.id))
            return _stopped(seen, StopTurn(Outcome.FAILED_INTERNAL, error=AppError(), reason=type(error).__name__))
        return seen

    async def _record(self, turn: Turn, started: float) -> Turn:
        turn = turn.with_(latency_ms=(time.perf_counter() - started) * 1000)
        try:
            async with asyncio.timeout(RECORD_S):
                turn = await _timed("record", self.record, turn)
        except (AppError, TimeoutError) as error:
            # Unrecorded work is not handed out: the caller may safely send it again.
            log.error("turn.unrecorded", turn_id=str(turn.id), error=str(error))
            down = DependencyDown(
                "The answer could not be recorded, so it is not given; send it again.", retry_after_s=2
            )
            turn = turn.with_(answer="", draft=None, outcome=Outcome.FAILED_DEPENDENCY, reason=down.detail, error=down)
        metrics.record_turn(turn)
        return turn


async def _timed(name: str, step: Step, turn: Turn) -> Turn:
    started = time.perf_counter()
    try:
        with tracing.span(f"turn.{name}"):
            return await step(turn)
    finally:
        turn.tape.steps.append(StepTime(name, round((time.perf_counter() - started) * 1000, 3)))


def _too_late(turn: Turn) -> StopTurn:
    limit = turn.usecase.contract.latency.timeout_s
    return StopTurn(Outcome.FAILED_TIMEOUT, error=DeadlinePassed(f"No answer was ready within {limit:g} seconds."))


def _stopped(turn: Turn, stop: StopTurn) -> Turn:
    return turn.with_(outcome=stop.outcome, answer=stop.answer, reason=stop.reason, error=stop.error)
