"""A model that judges passages against a question: one call, in time or not at all, traced, priced, on the tape."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from time import perf_counter

import orjson
import structlog

from app.domain.turn import Call, Price, Tape, Usage
from app.llm import rerank_shape
from app.llm.catalog import Catalog, ModelRef, RerankChoice, Tokens
from app.llm.doorway import recorded
from app.llm.embeddings import Veil
from app.llm.line import Line, target
from app.llm.rerank_shape import PATH, Judged
from app.llm.resilience import describe, now_s, retry_after_s, verdict, was_billed
from app.store.door import HeldBack, Verdict
from app.store.turnstile import Busy, Closed, Place, Turnstile

log = structlog.get_logger(__name__)
PROVIDER = "rerank"
RUNG = "rerank"
CONNECT_S = 1.0
MOST_CONNECTIONS = 50
# Characters of a passage that are judged: a longer one is judged by its beginning.
MOST_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Server:
    """Where the reranker is; the key may be empty."""

    base_url: str
    api_key: str = ""


class Reranker:
    """The reranker that config/models.toml names; the search goes on without it when it is away or late."""

    def __init__(
        self,
        choice: RerankChoice,
        server: Server,
        catalog: Catalog,
        *,
        turnstile: Turnstile,
        veil: Veil | None = None,
    ) -> None:
        self._veil = None if choice.trusted else veil
        self._choice, self._catalog, self._turnstile = choice, catalog, turnstile
        self._door = f"{PROVIDER}:{choice.model}"
        self._line = Line(max_connections=MOST_CONNECTIONS, connect_s=CONNECT_S)
        headers = {"Authorization": f"Bearer {server.api_key}"} if server.api_key else {}
        self._target = target(server.base_url, PATH, headers)

    async def rerank(
        self, question: str, texts: Sequence[str], *, tape: Tape | None = None, until_s: float = 0.0
    ) -> Sequence[float] | None:
        """Give a score from 0 to 1 for each text; None when it is away, busy, or late by the event loop's clock.

        There is no second attempt: what is late by then is no use any more.
        """
        texts = [text[:MOST_CHARS] for text in texts]
        if self._veil:
            question, *texts = await self._veil((question, *texts))
        limit_s = now_s() + self._choice.timeout_ms / 1000
        until_s = min(until_s, limit_s) if until_s else limit_s
        try:
            place = await self._turnstile.enter(self._door, self._calls_at_once, hurries=True, until_s=until_s)
        except (HeldBack, Busy, Closed) as error:
            log.info("search.not_reranked", reason=type(error).__name__)
            return None
        wanted = rerank_shape.body(self._choice.shape, self._choice.model, question=question, texts=texts)
        try:
            async with asyncio.timeout_at(until_s):
                recording = self._recorded(tape if tape is not None else Tape(), until_s)
                judged = await self._judged(orjson.dumps(wanted), len(texts), place, recording)
        except Exception as error:
            log.warning("search.not_reranked", reason=describe(error))
            return None
        return judged.scores

    async def aclose(self) -> None:
        """Close the connections."""
        await self._line.aclose()

    @property
    def _calls_at_once(self) -> int:
        limits = self._catalog.limits
        return limits.models.get(self._choice.model) or limits.concurrent_calls

    async def _judged(
        self, body: bytes, texts: int, place: Place, recording: AbstractContextManager[list[Judged]]
    ) -> Judged:
        ended: Verdict = "good"
        told_s = None
        began = now_s()
        try:
            with recording as held:
                held.append(rerank_shape.read(await self._line.whole(self._target, body), texts=texts))
            return held[0]
        except BaseException as error:
            had_s = self._choice.timeout_ms / 1000
            # Cut off by our own limit is as bad an end as any other.
            late = isinstance(error, asyncio.CancelledError) and now_s() - began >= had_s
            ended = "bad" if late else verdict(error, until_s=began + had_s, had_s=had_s)
            told_s = retry_after_s(error)
            raise
        finally:
            await self._turnstile.leave(place, ended, retry_after_s=told_s or 0.0)

    @contextmanager
    def _recorded(self, tape: Tape, until_s: float) -> Iterator[list[Judged]]:
        held: list[Judged] = []
        started = perf_counter()
        with recorded(
            tape,
            f"rerank {self._choice.model}",
            attributes={"gen_ai.operation.name": "rerank", "gen_ai.request.model": self._choice.model},
            until_s=until_s,
            row=lambda failure: self._row(held, failure, ms=(perf_counter() - started) * 1000),
        ):
            yield held

    def _row(self, held: Sequence[Judged], failure: BaseException | None, *, ms: float) -> Call:
        cost, price = self._cost(held, failure)
        return Call(
            rung=RUNG,
            provider=PROVIDER,
            model=self._choice.model,
            revision="",
            latency_ms=ms,
            usage=Usage(input_tokens=held[0].input_tokens if held else 0, cost_usd=cost),
            error=describe(failure) if failure else "",
            purpose="rerank",
            price=price,
        )

    def _cost(self, held: Sequence[Judged], failure: BaseException | None) -> tuple[Decimal | None, Price]:
        """Price a call: by search where that is what the contract says, else by tokens."""
        if held and self._choice.usd_per_search is not None:
            return self._choice.usd_per_search * max(1, held[0].searches), "own"
        if held and held[0].input_tokens:
            ref = ModelRef("openai_compatible", self._choice.model)
            return self._catalog.price(ref, Tokens(held[0].input_tokens, 0))
        if failure and not was_billed(failure):
            return Decimal(0), "free"
        return None, "unpriced"
