"""The list of steps. Read this first: nothing reaches a model or an asker except through here.

admit     may this person, now, within rate and budget?  session held, Idempotency-Key taken
screen    clean the text, refuse instructions to the model, mask personal data
recall    the same was answered before: give that again; or wait for who is answering it right now
retrieve  passages that the asker may read, screened and masked too
answer    the use case's workflow, or one call down the ladder
check     the platform's checks, then the use case's own
unmask    put personal data back
record    always: turn, calls, session, result of the job item, in one transaction
remember  always: keep the answer for those who ask the same, or tell them not to wait
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass

import structlog

from app.domain.outcome import Outcome
from app.domain.turn import StepTime, StopTurn, Turn
from app.errors import AppError, DeadlinePassed, DependencyDown
from app.store.turnstile import shut
from app.telemetry import metrics, tracing

log = structlog.get_logger(__name__)
Step = Callable[[Turn], Awaitable[Turn]]
# Recording may take a little longer than the turn itself was given.
RECORD_S = 5.0
REMEMBER_S = 1.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps in their order; `record` runs however the others ended."""

    admit: Step
    screen: Step
    recall: Step
    retrieve: Step
    answer: Step
    check: Step
    unmask: Step
    record: Step
    remember: Step

    @property
    def steps(self) -> tuple[tuple[str, Step], ...]:
        """Give the names and steps that may end a turn, in order."""
        names = ("admit", "screen", "recall", "retrieve", "answer", "check", "unmask")
        return tuple((name, getattr(self, name)) for name in names)

    async def run(self, turn: Turn) -> Turn:
        """Take a question to its end; never raises for what happens to the turn, but for cancellation."""
        started = time.perf_counter()
        timeout_s = turn.usecase.contract.latency.timeout_s
        with tracing.span("turn", usecase=turn.usecase.name, turn_id=str(turn.id), channel=turn.channel):
            turn = turn.with_(
                deadline_s=asyncio.get_running_loop().time() + timeout_s, trace_id=tracing.current_trace_id()
            )
            seen = [turn]
            try:
                turn = await self._steps(seen)
            except asyncio.CancelledError:
                ended = _stopped(seen[-1], StopTurn(Outcome.FAILED_CANCELLED, reason="the asker left"))
                await asyncio.shield(self._end(ended, started))
                raise
            return await self._end(turn, started)

    async def _steps(self, seen: list[Turn]) -> Turn:
        """Take the steps; `seen` grows, so that whoever stops them knows how far they came."""
        try:
            async with asyncio.timeout_at(seen[-1].deadline_s):
                for name, step in self.steps:
                    # What was recalled brings its passages along.
                    if name != "retrieve" or seen[-1].draft is None:
                        seen.append(await _timed(name, step, seen[-1]))
        except StopTurn as stop:
            return _stopped(seen[-1], stop)
        except TimeoutError:
            return _stopped(seen[-1], _too_late(seen[-1]))
        except DependencyDown as error:
            return _stopped(seen[-1], StopTurn(Outcome.FAILED_DEPENDENCY, error=error))
        except AppError as error:
            return _stopped(seen[-1], StopTurn(Outcome.REFUSED_INPUT, error=error))
        except Exception as error:
            log.exception("turn.broke", turn_id=str(seen[-1].id))
            return _stopped(seen[-1], StopTurn(Outcome.FAILED_INTERNAL, error=AppError(), reason=type(error).__name__))
        return seen[-1]

    async def _end(self, turn: Turn, started: float) -> Turn:
        # Whatever becomes of the record, those who wait for this answer are told.
        ended = turn.with_(outcome=Outcome.FAILED_INTERNAL)
        try:
            ended = await self._record(turn, started)
            return ended
        finally:
            await self._remember(ended)

    async def _remember(self, turn: Turn) -> None:
        try:
            async with asyncio.timeout(REMEMBER_S):
                await self.remember(turn)
        except Exception as error:
            # The answer stands and is recorded; only others may have to make it again.
            log.warning("turn.not_remembered", turn_id=str(turn.id), error=type(error).__name__)

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


async def as_it_is(turn: Turn) -> Turn:
    """Take the place of a step that has nothing to do."""
    return turn


async def _timed(name: str, step: Step, turn: Turn) -> Turn:
    started = time.perf_counter()
    try:
        # What is paused may still be answered by what needs no model.
        with tracing.span(f"turn.{name}"), shut("the AI is paused") if turn.paused else nullcontext():
            return await step(turn)
    finally:
        turn.tape.steps.append(StepTime(name, round((time.perf_counter() - started) * 1000, 3)))


def _too_late(turn: Turn) -> StopTurn:
    limit = turn.usecase.contract.latency.timeout_s
    return StopTurn(Outcome.FAILED_TIMEOUT, error=DeadlinePassed(f"No answer was ready within {limit:g} seconds."))


def _stopped(turn: Turn, stop: StopTurn) -> Turn:
    turn = stop.turn or turn
    findings = stop.findings or turn.findings
    return turn.with_(outcome=stop.outcome, answer=stop.answer, reason=stop.reason, error=stop.error, findings=findings)
