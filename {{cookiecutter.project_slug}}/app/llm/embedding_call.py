"""One call of an embedding model: let in by its turnstile, repeated while it may, traced, priced, and on the tape."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from time import perf_counter

import orjson

from app.domain.turn import Call, Price, Tape, Usage
from app.llm import openai_embeddings
from app.llm.catalog import Catalog, ModelRef, Tokens
from app.llm.doorway import Doorway, recorded
from app.llm.line import Line
from app.llm.openai_embeddings import Embedded
from app.llm.providers import CONNECT_S, Vendor, openai_target
from app.llm.resilience import (
    CallLimits,
    Retries,
    RetryBudget,
    describe,
    was_billed,
)
from app.store.turnstile import Turnstile
from app.telemetry import metrics

RUNG = "embed"
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
        self._ref, self._catalog, self._doorway = ref, catalog, Doorway(catalog, turnstile)
        self._described = {
            "gen_ai.operation.name": "embeddings",
            "gen_ai.provider.name": ref.provider,
            "gen_ai.request.model": ref.name,
        }
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
        admitted = self._doorway.admitted(self._ref, hurries=batch.query, until_s=batch.until_s)
        async with admitted as wait_ms:
            if number > 1:
                metrics.record_retry(self._ref.provider, self._ref.name)
            sheet = _Sheet(number, wait_ms, perf_counter())
            with recorded(
                tape,
                f"embeddings {self._ref.name}",
                attributes=self._described,
                until_s=batch.until_s,
                row=lambda failure: self._row(sheet, failure),
            ):
                async with asyncio.timeout_at(batch.until_s):
                    wanted = openai_embeddings.body(self._ref.name, batch.texts, dimensions=self._dimensions)
                    answer = await self._line.whole(self._target, orjson.dumps(wanted))
                    sheet.result = openai_embeddings.read(answer)
            assert sheet.result is not None
            return sheet.result

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
