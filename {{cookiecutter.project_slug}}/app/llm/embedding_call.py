"""One call of an embedding model: let in by its turnstile, repeated while it may, traced, priced, and on the tape."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from time import perf_counter

import orjson
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from app.domain.turn import Call, Price, Tape, Usage
from app.llm import openai_embeddings
from app.llm.catalog import Catalog, ModelRef, Tokens
from app.llm.line import Line
from app.llm.openai_embeddings import Embedded
from app.llm.providers import CONNECT_S, Vendor, openai_target
from app.llm.resilience import (
    CallLimits,
    Retries,
    RetryBudget,
    Unavailable,
    describe,
    now_s,
    retry_after_s,
    verdict,
    was_billed,
)
from app.store.door import HeldBack, Verdict
from app.store.turnstile import Busy, Turnstile
from app.telemetry import metrics

_tracer = trace.get_tracer(__name__)
RUNG = "embed"
HELD_BACK = "held back: its calls keep failing"
BUSY = "too busy: no slot came free in time"
MOST_CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of one request, and until when (event loop's clock) it must be answered; questions go before passages."""

    texts: Sequence[str]
    until_s: float
    query: bool


@dataclass(slots=True)
class _Sheet:
    """What is known of an attempt while it runs; times in ms."""

    number: int
    wait_ms: float
    started: float
    result: Embedded | None = None


class EmbeddingCaller:
    """Calls one embedding model of a vendor that speaks OpenAI's protocol."""

    def __init__(
        self, ref: ModelRef, vendor: Vendor, catalog: Catalog, *, dimensions: int | None, turnstile: Turnstile
    ) -> None:
        self._ref, self._vendor, self._catalog, self._turnstile = ref, vendor, catalog, turnstile
        self._dimensions = dimensions
        self._limits = CallLimits()
        self._budget = RetryBudget(self._limits)
        self._line = Line(max_connections=MOST_CONNECTIONS, connect_s=CONNECT_S)
        self._target = openai_target(vendor, openai_embeddings.PATH)

    async def call(self, batch: Batch, *, tape: Tape) -> Embedded:
        """Give the vectors of a batch; passing failures are repeated until its time is over.

        Raises Unavailable when the model is held back or busy, or whatever ended the last attempt.
        """
        retries = Retries(batch.until_s, limits=self._limits, budget=self._budget)
        while True:
            try:
                return await self._attempt(batch, tape=tape, number=retries.number)
            except Exception as error:
                await retries.after(error)

    async def aclose(self) -> None:
        """Close the connections to the vendor."""
        await self._line.aclose()

    async def _attempt(self, batch: Batch, *, tape: Tape, number: int) -> Embedded:
        async with self._admitted(batch) as wait_ms:
            if number > 1:
                metrics.record_retry(self._ref.provider, self._ref.name)
            sheet = _Sheet(number, wait_ms, perf_counter())
            with self._recorded(tape, sheet, until_s=batch.until_s):
                async with asyncio.timeout_at(batch.until_s):
                    wanted = openai_embeddings.body(self._ref.name, batch.texts, dimensions=self._dimensions)
                    answer = await self._line.whole(self._target, orjson.dumps(wanted))
                    sheet.result = openai_embeddings.read(answer)
            assert sheet.result is not None
            return sheet.result

    @asynccontextmanager
    async def _admitted(self, batch: Batch) -> AsyncIterator[float]:
        """Hold a slot of the model, having waited for it so many ms; the breaker hears how the call ended."""
        started = now_s()
        try:
            limit = self._catalog.calls_at_once(self._ref)
            place = await self._turnstile.enter(str(self._ref), limit, hurries=batch.query, until_s=batch.until_s)
        except HeldBack:
            raise Unavailable(HELD_BACK) from None
        except Busy:
            raise Unavailable(BUSY) from None
        finally:
            begun = now_s()
            metrics.record_model_wait(self._ref.provider, self._ref.name, begun - started)
        ended: Verdict = "good"
        told_s = None
        try:
            yield (begun - started) * 1000
        except BaseException as error:
            ended = verdict(error, until_s=batch.until_s, had_s=batch.until_s - begun)
            told_s = retry_after_s(error)
            raise
        finally:
            await self._turnstile.leave(place, ended, retry_after_s=told_s or 0.0)

    @contextmanager
    def _recorded(self, tape: Tape, sheet: _Sheet, *, until_s: float) -> Iterator[None]:
        """On the way out there is a span and a row for the ledger, failed calls included."""
        failure: BaseException | None = None
        attributes = {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.provider.name": self._ref.provider,
            "gen_ai.request.model": self._ref.name,
        }
        # The exception's text may quote the question, so the span gets the error's type only.
        with _tracer.start_as_current_span(
            f"embeddings {self._ref.name}",
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
                row = self._row(sheet, failure)
                tape.calls.append(row)
                _mark(span, row, failure=failure)

    def _row(self, sheet: _Sheet, failure: BaseException | None) -> Call:
        cost, price = self._cost(sheet.result, failure)
        return Call(
            rung=RUNG,
            provider=self._ref.provider,
            model=self._ref.name,
            revision="",
            latency_ms=(perf_counter() - sheet.started) * 1000,
            usage=Usage(input_tokens=sheet.result.input_tokens if sheet.result else 0, cost_usd=cost),
            error=describe(failure) if failure else "",
            attempt=sheet.number,
            purpose="embed",
            price=price,
            wait_ms=sheet.wait_ms,
        )

    def _cost(self, result: Embedded | None, failure: BaseException | None) -> tuple[Decimal | None, Price]:
        if result is not None and result.input_tokens:
            return self._catalog.price(self._ref, Tokens(result.input_tokens, 0))
        if failure and not was_billed(failure):
            return Decimal(0), "free"
        return None, "unpriced"


def _mark(span: Span, row: Call, *, failure: BaseException | None) -> None:
    span.set_attribute("gen_ai.usage.input_tokens", row.usage.input_tokens)
    span.set_attribute("app.attempt", row.attempt)
    if row.usage.cost_usd is not None:
        span.set_attribute("app.cost_usd", float(row.usage.cost_usd))
    if failure is not None:
        span.set_attribute("error.type", type(failure).__name__)
        span.set_status(Status(StatusCode.ERROR, row.error))
