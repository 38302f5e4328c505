"""One errand to a model: let in, retried, bounded in time, traced, and written to the turn's tape whatever happens."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import perf_counter

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from app.domain.turn import Call, Price, Tape, Usage
from app.llm.catalog import Catalog, ModelRef
from app.llm.chat import Chat, Reply
from app.llm.errand import Errand
from app.llm.exchange import Exchange, Step
from app.llm.preview import Preview
from app.llm.providers import Providers
from app.llm.resilience import (
    AnswerCut,
    BrokeOff,
    CallLimits,
    EmptyAnswer,
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
HELD_BACK = "held back: its calls keep failing"
BUSY = "too busy: no slot came free in time"


@dataclass(slots=True)
class _Sheet:
    """What is known of an attempt while it runs; times in ms."""

    wait_ms: float
    started: float
    first_token_ms: float | None = None
    reply: Reply | None = None

    def spent_ms(self) -> float:
        """Give the time since the model's door was passed."""
        return (perf_counter() - self.started) * 1000

    def note_first_token(self) -> None:
        """Remember how long the first token took."""
        self.first_token_ms = self.spent_ms()


class Caller:
    """Calls models of every configured vendor, each only when its turnstile lets it in."""

    def __init__(
        self, catalog: Catalog, providers: Providers, *, limits: CallLimits, turnstile: Turnstile | None = None
    ) -> None:
        self._catalog = catalog
        self._limits = limits
        self._exchange = Exchange(catalog, providers, limits)
        self._turnstile = turnstile or Turnstile(None)
        self._budgets: defaultdict[ModelRef, RetryBudget] = defaultdict(lambda: RetryBudget(limits))

    async def call(self, errand: Errand, said: Chat | Step, *, tape: Tape, preview: Preview | None = None) -> Reply:
        """Give the model's answer; repeats passing failures until `errand.until_s`, but nothing already shown.

        Raises Unavailable when the model is held back or busy, or whatever ended the last attempt.
        """

        def may_repeat() -> bool:
            return preview is None or not (preview.has_shown or preview.fault)

        budget = self._budgets[errand.ref]
        retries = Retries(errand.until_s, limits=self._limits, budget=budget, may_repeat=may_repeat)
        while True:
            try:
                return await self._attempt(errand, said, tape=tape, preview=preview, number=retries.number)
            except Exception as error:
                await retries.after(error)

    async def _attempt(
        self, errand: Errand, said: Chat | Step, *, tape: Tape, preview: Preview | None, number: int
    ) -> Reply:
        errand.before()
        async with self._admitted(errand, preview) as wait_ms:
            if number > 1:
                metrics.record_retry(errand.ref.provider, errand.ref.name)
            sheet = _Sheet(wait_ms, perf_counter())
            with self._recorded(errand, tape, sheet=sheet, attempt=number):
                sheet.reply = await self._exchange.ask(errand, said, preview=preview, on_first=sheet.note_first_token)
                _refuse_partial(sheet.reply)
            return sheet.reply

    @asynccontextmanager
    async def _admitted(self, errand: Errand, preview: Preview | None) -> AsyncIterator[float]:
        """Hold a slot of the model, having waited for it so many ms; the breaker hears how the call ended."""
        started = now_s()
        try:
            place = await self._turnstile.enter(
                str(errand.ref),
                self._catalog.calls_at_once(errand.ref),
                hurries=errand.interactive,
                until_s=errand.until_s,
            )
        except HeldBack:
            raise Unavailable(HELD_BACK) from None
        except Busy:
            raise Unavailable(BUSY) from None
        finally:
            waited_s = now_s() - started
            metrics.record_model_wait(errand.ref.provider, errand.ref.name, waited_s)
        ended: Verdict = "good"
        told_s = None
        begun, until_s = now_s(), min(errand.until_s, now_s() + self._limits.model_timeout_s)
        try:
            yield waited_s * 1000
        except BaseException as error:
            is_ours = preview is not None and error is preview.fault
            ended = "none" if is_ours else verdict(error, until_s=until_s, had_s=until_s - begun)
            told_s = retry_after_s(error)
            raise
        finally:
            await self._turnstile.leave(place, ended, retry_after_s=told_s or 0.0)

    @contextmanager
    def _recorded(self, errand: Errand, tape: Tape, *, sheet: _Sheet, attempt: int) -> Iterator[None]:
        """On the way out there is a span and a ledger row, failed calls included."""
        failure: BaseException | None = None
        with self._span(errand) as span:
            try:
                yield
            except asyncio.CancelledError as error:
                failure = error if now_s() < errand.until_s else TimeoutError()
                raise
            except BaseException as error:
                failure = error
                raise
            finally:
                usage, price = self._usage(errand.ref, sheet.reply, failure=failure)
                row = Call(
                    rung=errand.rung,
                    provider=errand.ref.provider,
                    model=errand.ref.name,
                    revision=errand.revision or errand.prompt.revision,
                    latency_ms=sheet.spent_ms(),
                    usage=usage,
                    error=describe(failure) if failure else "",
                    attempt=attempt,
                    purpose=errand.purpose,
                    price=price,
                    wait_ms=sheet.wait_ms,
                    first_token_ms=sheet.first_token_ms,
                )
                tape.calls.append(row)
                _mark(span, row, failure=failure)

    @contextmanager
    def _span(self, errand: Errand) -> Iterator[Span]:
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": errand.ref.provider,
            "gen_ai.request.model": errand.ref.name,
            "gen_ai.request.max_tokens": errand.max_tokens,
            "app.rung": errand.rung,
            "app.prompt": errand.prompt.key,
            "app.prompt.revision": errand.revision or errand.prompt.revision,
        }
        # The exception's text may quote the prompt, so the span gets the error's type only.
        with _tracer.start_as_current_span(
            f"chat {errand.ref.name}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def _usage(self, ref: ModelRef, reply: Reply | None, *, failure: BaseException | None) -> tuple[Usage, Price]:
        if reply is None:
            is_free = failure is not None and not was_billed(failure)
            return (Usage(), "free") if is_free else (Usage(cost_usd=None), "unpriced")
        tokens = reply.tokens
        if not (tokens.input or tokens.output):
            return Usage(cost_usd=None), "unpriced"
        # What broke off was not counted to its end, and is charged for all the same.
        is_counted = not isinstance(failure, BrokeOff)
        cost_usd, price = self._catalog.price(ref, tokens) if is_counted else (None, "unpriced")
        return Usage(tokens.input, tokens.output, cost_usd, cached_tokens=tokens.cached), price


def _refuse_partial(reply: Reply) -> None:
    if reply.finish == "length":
        raise AnswerCut("the answer was cut at the token limit")
    if reply.finish == "content_filter":
        raise AnswerCut("the vendor's filter stopped the answer")
    if reply.finish is None:
        raise BrokeOff("the answer broke off")
    if not reply.text.strip() and not (reply.response and reply.response.tool_calls):
        raise EmptyAnswer("the answer was empty")


def _mark(span: Span, row: Call, *, failure: BaseException | None) -> None:
    span.set_attribute("gen_ai.usage.input_tokens", row.usage.input_tokens)
    span.set_attribute("gen_ai.usage.output_tokens", row.usage.output_tokens)
    span.set_attribute("gen_ai.usage.cache_read.input_tokens", row.usage.cached_tokens)
    span.set_attribute("app.attempt", row.attempt)
    if row.usage.cost_usd is not None:
        span.set_attribute("app.cost_usd", float(row.usage.cost_usd))
    if failure is not None:
        span.set_attribute("error.type", type(failure).__name__)
        span.set_status(Status(StatusCode.ERROR, row.error))
