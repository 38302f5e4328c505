"""Vectors of texts by a vendor's embedding model: in batches, within limits, questions remembered for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import sha256
from http import HTTPStatus
from time import monotonic

import numpy as np
import structlog
from numpy.typing import NDArray

from app.domain.turn import Tape
from app.llm.catalog import Catalog, EmbeddingChoice, ref_of
from app.llm.embedding_call import Batch, EmbeddingCaller
from app.llm.providers import Vendor
from app.llm.request import CHARS_PER_TOKEN, tokens
from app.llm.resilience import ModelOff, describe, now_s
from app.store.turnstile import Turnstile

log = structlog.get_logger(__name__)
Vectors = NDArray[np.float32]
# Takes personal data out of texts.
Veil = Callable[[Sequence[str]], Awaitable[list[str]]]
# A question's vector that takes longer costs more time than the passages it might find are worth.
CALL_S = 2.0
# A batch of passages has nobody waiting for it.
BATCH_S = 60.0
# Batches that one task has under way at once; the turnstile holds all tasks of all processes together.
AT_ONCE = 4
# Questions of which a process remembers the vector, and for how long.
REMEMBERED, REMEMBERED_S = 1_000, 600.0
# A text that the model refuses is cut to its half so many times before it goes without a vector.
HALVINGS = 3
_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


class NoVector(Exception):
    """The embedding model gave no vector; the message says why."""


class ModelIsOff(NoVector):
    """Nobody asks the model until somebody turns it on again."""


class Embeddings:
    """An embedding model at a vendor that speaks OpenAI's protocol; what is not `trusted` gets no personal data."""

    def __init__(
        self,
        choice: EmbeddingChoice,
        vendor: Vendor,
        catalog: Catalog,
        *,
        turnstile: Turnstile | None = None,
        veil: Veil | None = None,
    ) -> None:
        self._choice, self._veil = choice, veil
        self._dimensions = choice.dimensions or 0
        ref = ref_of(choice.model, at_home="openai")
        door = turnstile or Turnstile(None)
        self._caller = EmbeddingCaller(ref, vendor, catalog, dimensions=choice.dimensions, turnstile=door)
        self._remembered: OrderedDict[bytes, tuple[float, Vectors]] = OrderedDict()

    @property
    def name(self) -> str:
        """Name the space: vectors of different names cannot be compared."""
        return self._choice.name

    @property
    def is_own(self) -> bool:
        """Say whether the model is one's own, which may read texts as they are."""
        return self._choice.trusted

    @property
    def dimensions(self) -> int:
        """Give the length of its vectors; 0 as long as nobody has seen one."""
        return self._dimensions

    async def embed(
        self,
        texts: Sequence[str],
        *,
        tape: Tape | None = None,
        query: bool = False,
        until_s: float = 0.0,
        longest_s: float = 0.0,
    ) -> Vectors:
        """Give one vector of length 1 per text, of questions (`query`) or passages; an empty text gets zeros.

        Each call ends by `until_s` on the event loop's clock and after `longest_s` seconds. Raises NoVector.
        """
        if self._veil and not self.is_own:
            texts = await self._veil(texts)
        limit_s = now_s() + (longest_s or (CALL_S if query else BATCH_S))
        known = self._known(texts) if query else {}
        prefix = self._choice.query_prefix if query else self._choice.document_prefix
        todo = {
            place: prefix + text[: int(self._choice.text_tokens * CHARS_PER_TOKEN)]
            for place, text in enumerate(texts)
            if place not in known and text.strip()
        }
        if todo:
            batch = Batch(tuple(todo.values()), min(until_s, limit_s) if until_s else limit_s, query)
            found = dict(zip(todo, await self._embedded(batch, tape=tape or Tape()), strict=True))
            if query:
                self._remember({texts[place]: vector for place, vector in found.items()})
            known |= found
        nothing = np.zeros(self._dimensions, dtype=np.float32)
        return np.array([known.get(place, nothing) for place in range(len(texts))], dtype=np.float32)

    async def aclose(self) -> None:
        """Close the connections to the vendor."""
        await self._caller.aclose()

    async def _embedded(self, batch: Batch, *, tape: Tape) -> list[Vectors]:
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(texts: Sequence[str]) -> Vectors:
            async with slots:
                return await self._whole(Batch(texts, batch.until_s, batch.query), tape=tape)

        parts = list(_parts(batch.texts, most=self._choice.batch_texts, tokens_most=self._choice.batch_tokens))
        made = await asyncio.gather(*(one(texts) for texts in parts), return_exceptions=True)
        for each in made:
            if isinstance(each, BaseException):
                raise each
        return [vector for vectors in made if not isinstance(vectors, BaseException) for vector in vectors]

    async def _whole(self, batch: Batch, *, tape: Tape) -> Vectors:
        """Embed a batch; where the model refuses it, find the text that it refuses, and shorten that one."""
        try:
            return self._checked(await self._asked(batch, tape=tape), batch)
        except _Refused as refused:
            if batch.query or not await self._takes_any(batch, tape=tape):
                raise NoVector(str(refused)) from refused
        if len(batch.texts) == 1:
            return await self._shortened(batch, tape=tape)
        middle = len(batch.texts) // 2
        halves = (batch.texts[:middle], batch.texts[middle:])
        return np.concatenate([await self._whole(Batch(half, batch.until_s, False), tape=tape) for half in halves])

    async def _shortened(self, batch: Batch, *, tape: Tape) -> Vectors:
        (text,) = batch.texts
        for _ in range(HALVINGS):
            text = text[: len(text) // 2]
            try:
                shorter = Batch((text,), batch.until_s, False)
                return self._checked(await self._asked(shorter, tape=tape), shorter)
            except _Refused:
                continue
        # Found by its words alone: one strange text must not keep all others waiting.
        log.warning("embedding.refused_text", model=self.name, chars=len(batch.texts[0]))
        return np.zeros((1, self._dimensions), dtype=np.float32)

    async def _takes_any(self, batch: Batch, *, tape: Tape) -> bool:
        """Say whether the model takes the simplest text: else it is the request that is wrong, not a text in it."""
        try:
            probe = Batch(("text",), batch.until_s, False)
            self._checked(await self._asked(probe, tape=tape), probe)
        except _Refused:
            return False
        return True

    async def _asked(self, batch: Batch, *, tape: Tape) -> Sequence[Vectors]:
        try:
            return (await self._caller.call(batch, tape=tape)).embeddings
        except Exception as error:
            if getattr(error, "status_code", None) in _REFUSED:
                raise _Refused(describe(error)) from error
            raise (ModelIsOff if isinstance(error, ModelOff) else NoVector)(describe(error)) from error

    def _checked(self, vectors: Sequence[Vectors], batch: Batch) -> Vectors:
        made = np.array(vectors, dtype=np.float32)
        wanted = self._dimensions or (made.shape[1] if made.ndim == 2 else 0)
        if made.shape != (len(batch.texts), wanted) or not np.isfinite(made).all():
            raise NoVector(f"it gave {made.shape} numbers for {len(batch.texts)} texts of {wanted}")
        self._dimensions = wanted
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        np.divide(made, lengths, out=made, where=lengths > 0)
        return made

    def _known(self, texts: Sequence[str]) -> dict[int, Vectors]:
        now, found = monotonic(), {}
        for place, text in enumerate(texts):
            expires, vector = self._remembered.get(_key(text), (0.0, None))
            if vector is not None and expires > now:
                found[place] = vector
        return found

    def _remember(self, vectors: dict[str, Vectors]) -> None:
        for text, vector in vectors.items():
            self._remembered[_key(text)] = (monotonic() + REMEMBERED_S, vector)
            self._remembered.move_to_end(_key(text))
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


class _Refused(Exception):
    """The model was reached and takes these texts not; the message is the failure's name."""


def _key(text: str) -> bytes:
    # Not the words themselves: a dump of the memory should not be a list of what people asked.
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _parts(texts: Sequence[str], *, most: int, tokens_most: int) -> Iterator[Sequence[str]]:
    start, weight = 0, 0
    for place, text in enumerate(texts):
        size = tokens(text)
        if place > start and (place - start == most or weight + size > tokens_most):
            yield texts[start:place]
            start, weight = place, 0
        weight += size
    if start < len(texts):
        yield texts[start:]
