"""Vectors of questions by a vendor's embedding model; every call is metered, priced and written to the turn's tape."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from time import perf_counter
from typing import TYPE_CHECKING

from httpx2 import AsyncClient, Timeout
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from app.domain.turn import Call, Price, Tape, Usage
from app.llm.catalog import Catalog, ModelRef, Tokens
from app.llm.providers import KEYLESS, Vendor
from app.llm.resilience import describe, now_s, was_billed

if TYPE_CHECKING:
    from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
    from pydantic_ai.embeddings.result import EmbeddingResult

_tracer = trace.get_tracer(__name__)
RUNG = "embed"
# A vector that takes longer costs more time than the answer it might find would save.
CALL_S = 2.0
CONNECT_S = 1.0
# Texts of one request; vendors allow some 2,000.
BATCH = 256
Vector = tuple[float, ...]


class NoVector(Exception):
    """The embedding model gave no vector; the message says why."""


class Embeddings:
    """The embedding model that config/models.toml names, at a vendor that speaks OpenAI's protocol."""

    def __init__(self, ref: ModelRef, vendor: Vendor, catalog: Catalog) -> None:
        self._ref, self._vendor, self._catalog = ref, vendor, catalog
        self._model: OpenAIEmbeddingModel | None = None
        self._client: AsyncClient | None = None

    @property
    def name(self) -> str:
        """Name the space: vectors of different names cannot be compared."""
        return str(self._ref)

    async def embed(
        self, texts: Sequence[str], *, tape: Tape, until_s: float = 0.0, longest_s: float = CALL_S
    ) -> list[Vector]:
        """Give one vector per text, by `until_s` on the event loop's clock. Raises NoVector."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            limit_s = now_s() + longest_s
            with self._recorded(tape) as held:
                async with asyncio.timeout_at(min(until_s, limit_s) if until_s else limit_s):
                    held.append(await self._built().embed(batch, input_type="query"))
            vectors += [tuple(map(float, vector)) for vector in held[0].embeddings]
        return vectors

    def warm(self) -> None:
        """Import the vendor's package; on the first turn that would stop the loop for seconds."""
        self._built()

    async def aclose(self) -> None:
        """Close the connections to the vendor."""
        if self._client is not None:
            await self._client.aclose()
        self._client = self._model = None

    @contextmanager
    def _recorded(self, tape: Tape) -> "Iterator[list[EmbeddingResult]]":
        """Yield a place for the result; on the way out there is a span and a ledger row, failed calls included."""
        held: list[EmbeddingResult] = []
        started = perf_counter()
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
                yield held
            except BaseException as error:
                failure = error
                span.set_status(Status(StatusCode.ERROR, describe(error)))
                if isinstance(error, Exception):
                    raise NoVector(describe(error)) from error
                raise
            finally:
                call = self._call(held, failure, ms=(perf_counter() - started) * 1000)
                tape.calls.append(call)
                span.set_attribute("gen_ai.usage.input_tokens", call.usage.input_tokens)

    def _call(self, held: "list[EmbeddingResult]", failure: BaseException | None, *, ms: float) -> Call:
        cost, price = self._cost(held, failure)
        return Call(
            rung=RUNG,
            provider=self._ref.provider,
            model=self._ref.name,
            revision="",
            latency_ms=ms,
            usage=Usage(input_tokens=held[0].usage.input_tokens if held else 0, cost_usd=cost),
            error=describe(failure) if failure else "",
            purpose="embed",
            price=price,
        )

    def _cost(self, held: "list[EmbeddingResult]", failure: BaseException | None) -> tuple[Decimal | None, Price]:
        if held and held[0].usage.input_tokens:
            return self._catalog.price(self._ref, Tokens(held[0].usage.input_tokens, 0))
        if failure and not was_billed(failure):
            return Decimal(0), "free"
        return None, "unpriced"

    def _built(self) -> "OpenAIEmbeddingModel":
        if self._model is None:
            from openai import AsyncOpenAI
            from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
            from pydantic_ai.providers.openai import OpenAIProvider

            self._client = AsyncClient(timeout=Timeout(None, connect=CONNECT_S))
            sdk = AsyncOpenAI(
                api_key=self._vendor.api_key or KEYLESS,
                base_url=self._vendor.base_url or None,
                http_client=self._client,
                max_retries=0,
            )
            self._model = OpenAIEmbeddingModel(self._ref.name, provider=OpenAIProvider(openai_client=sdk))
        return self._model
