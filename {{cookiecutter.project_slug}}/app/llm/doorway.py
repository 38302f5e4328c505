"""The way into a model, and what stays of a call: a slot held, a breaker told, a span, a row for the ledger."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from math import inf

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from app.domain.turn import Call, Tape
from app.llm.catalog import Catalog, ModelRef
from app.llm.resilience import ModelOff, TurnedOff, Unavailable, now_s, retry_after_s, verdict
from app.store.door import HeldBack, Verdict
from app.store.turnstile import Busy, Closed, Turnstile
from app.telemetry import metrics

_tracer = trace.get_tracer(__name__)
HELD_BACK = "held back: its calls keep failing"
BUSY = "too busy: no slot came free in time"


class Doorway:
    """Lets calls in, as many as a model takes at once; times are on the event loop's clock."""

    def __init__(self, catalog: Catalog, turnstile: Turnstile) -> None:
        self._catalog, self._turnstile = catalog, turnstile

    @asynccontextmanager
    async def admitted(
        self,
        ref: ModelRef,
        *,
        hurries: bool,
        until_s: float,
        longest_s: float = inf,
        is_ours: Callable[[BaseException], bool] = lambda _: False,
    ) -> AsyncIterator[float]:
        """Hold a slot of the model, having waited for it so many ms; the breaker hears how the call ended.

        A call may take `longest_s`; what `is_ours` is no end of the model's. Raises Unavailable.
        """
        started = now_s()
        try:
            place = await self._turnstile.enter(
                str(ref), self._catalog.calls_at_once(ref), hurries=hurries, until_s=until_s
            )
        except HeldBack:
            raise Unavailable(HELD_BACK) from None
        except Busy:
            raise Unavailable(BUSY) from None
        except Closed as closed:
            raise ModelOff(str(closed)) from None
        finally:
            begun = now_s()
            metrics.record_model_wait(ref.provider, ref.name, begun - started)
        ended: Verdict = "good"
        told_s = None
        over_s = min(until_s, begun + longest_s)
        try:
            yield (begun - started) * 1000
        except BaseException as error:
            ended = "none" if is_ours(error) else verdict(error, until_s=over_s, had_s=over_s - begun)
            told_s = retry_after_s(error)
            raise
        finally:
            await self._turnstile.leave(place, ended, retry_after_s=told_s or 0.0)

    @asynccontextmanager
    async def answering(self, ref: ModelRef) -> AsyncIterator[None]:
        """Let a call run for as long as nobody turns its model off. Raises TurnedOff."""
        try:
            async with self._turnstile.answering(str(ref)):
                yield
        except Closed as closed:
            raise TurnedOff(f"{closed}: the call was broken off") from None


@contextmanager
def recorded(
    tape: Tape,
    name: str,
    *,
    attributes: Mapping[str, str | int],
    until_s: float,
    row: Callable[[BaseException | None], Call],
) -> Iterator[None]:
    """On the way out there is a span `name` and on the tape a `row`, failed calls included."""
    failure: BaseException | None = None
    # The exception's text may quote what was asked, so the span gets the error's type only.
    with _tracer.start_as_current_span(
        name,
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except asyncio.CancelledError as error:
            failure = error if now_s() < until_s else TimeoutError()
            raise
        except BaseException as error:
            failure = error
            raise
        finally:
            call = row(failure)
            tape.calls.append(call)
            _mark(span, call, failure=failure)


def _mark(span: Span, call: Call, *, failure: BaseException | None) -> None:
    span.set_attribute("gen_ai.usage.input_tokens", call.usage.input_tokens)
    if call.purpose != "embed":
        span.set_attribute("gen_ai.usage.output_tokens", call.usage.output_tokens)
        span.set_attribute("gen_ai.usage.cache_read.input_tokens", call.usage.cached_tokens)
    span.set_attribute("app.attempt", call.attempt)
    if call.usage.cost_usd is not None:
        span.set_attribute("app.cost_usd", float(call.usage.cost_usd))
    if failure is not None:
        span.set_attribute("error.type", type(failure).__name__)
        span.set_status(Status(StatusCode.ERROR, call.error))
