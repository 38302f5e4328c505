"""One errand to a model: let in, retried, bounded in time, traced, and written to the turn's tape whatever happens."""

from collections import defaultdict
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from time import perf_counter

from app.domain.turn import Call, Price, Tape, Usage
from app.llm.catalog import Catalog, ModelRef
from app.llm.chat import Chat, Reply
from app.llm.doorway import Doorway, recorded
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
    describe,
    was_billed,
)
from app.store.turnstile import Turnstile
from app.telemetry import metrics


@dataclass(slots=True)
class _Sheet:
    """What is known of an attempt while it runs; times in ms."""

    number: int
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
        self._doorway = Doorway(catalog, turnstile or Turnstile(None))
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
            sheet = _Sheet(number, wait_ms, perf_counter())
            with recorded(
                tape,
                f"chat {errand.ref.name}",
                attributes=_described(errand),
                until_s=errand.until_s,
                row=lambda failure: self._row(errand, sheet, failure),
            ):
                async with self._doorway.answering(errand.ref):
                    sheet.reply = await self._exchange.ask(
                        errand, said, preview=preview, on_first=sheet.note_first_token
                    )
                _refuse_partial(sheet.reply)
            return sheet.reply

    def _admitted(self, errand: Errand, preview: Preview | None) -> AbstractAsyncContextManager[float]:
        return self._doorway.admitted(
            errand.ref,
            hurries=errand.interactive,
            until_s=errand.until_s,
            longest_s=self._limits.model_timeout_s,
            is_ours=lambda error: preview is not None and error is preview.fault,
        )

    def _row(self, errand: Errand, sheet: _Sheet, failure: BaseException | None) -> Call:
        usage, price = self._usage(errand.ref, sheet.reply, failure=failure)
        return Call(
            rung=errand.rung,
            provider=errand.ref.provider,
            model=errand.ref.name,
            revision=errand.revision or errand.prompt.revision,
            latency_ms=sheet.spent_ms(),
            usage=usage,
            error=describe(failure) if failure else "",
            attempt=sheet.number,
            purpose=errand.purpose,
            price=price,
            wait_ms=sheet.wait_ms,
            first_token_ms=sheet.first_token_ms,
        )

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


def _described(errand: Errand) -> dict[str, str | int]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": errand.ref.provider,
        "gen_ai.request.model": errand.ref.name,
        "gen_ai.request.max_tokens": errand.max_tokens,
        "app.rung": errand.rung,
        "app.prompt": errand.prompt.key,
        "app.prompt.revision": errand.revision or errand.prompt.revision,
    }
