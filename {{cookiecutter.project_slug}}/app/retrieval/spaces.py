"""Texts as vectors of the spaces that are in use: questions of the one that is searched, passages of each live one."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from time import monotonic
from typing import Any

import numpy as np
import structlog

from app.domain.turn import Tape
from app.llm.embeddings import NoVector
from app.retrieval.embed import Embedder, LexicalEmbedder, Sought, Vectors
from app.store import booking, spaces, vectors_cache
from app.store.booking import Payer
from app.store.db import Database
from app.store.spaces import Space
from app.telemetry import metrics

log = structlog.get_logger(__name__)
# Every process follows a change of the searched space within so many seconds; the old space is there for longer.
FRESH_S = 1.0
# Texts that are embedded, remembered and booked together: so much is paid for again when a worker dies.
AT_ONCE = 256
NOT_CONFIGURED = "the embedding model of the space that is searched has no key or address here"
NO_SPACE = "no space of vectors is in use"
BUDGET = "the month's budget of the use case is used up"


class Spaces:
    """Knows which spaces are live, asks their models, remembers what was embedded, and books what it cost.

    `embedder` gives the model of a space by name and maker, or None where it cannot be asked; `limit_usd` the month's
    budget of a use case.
    """

    def __init__(
        self,
        database: Database,
        ingest_database: Database,
        embedder: Callable[[str, Mapping[str, Any]], Embedder | None],
        *,
        limit_usd: Callable[[str], Decimal | None] = lambda _: None,
    ) -> None:
        self._database, self._ingest_database = database, ingest_database
        self._embedder, self._limit_usd = embedder, limit_usd
        self._live: Sequence[Space] = ()
        self._read_at = -FRESH_S

    async def live(self) -> Sequence[Space]:
        """Give the space that is searched and the one being built, as they were at most a second ago."""
        if monotonic() - self._read_at >= FRESH_S:
            async with self._database.work() as work:
                self._live = await spaces.live(work)
            self._read_at = monotonic()
        return self._live

    def forget(self) -> None:
        """Look at the table again at the next question."""
        self._read_at = -FRESH_S

    def embedder(self, space: Space) -> Embedder | None:
        """Give the model of a space; None where it cannot be asked from here."""
        return self._embedder(space.name, space.maker)

    async def question(self, text: str, *, outside: str = "", tape: Tape | None = None) -> Sought:
        """Give a question's vector in the space that is searched; no model's failure is the asker's.

        A model that is not our own is given `outside` in its place.
        """
        space = next((space for space in await self.live() if space.status == "active"), None)
        if space is None:
            return Sought("", None, NO_SPACE)
        embedder = self.embedder(space)
        if embedder is None:
            return Sought(space.name, None, NOT_CONFIGURED)
        try:
            said = outside if outside and not embedder.is_own else text
            (vector,) = await embedder.embed([said], tape=tape, query=True)
            if len(vector) != space.dimensions:
                raise NoVector(f"{len(vector)} numbers instead of {space.dimensions}")
        except NoVector as error:
            log.warning("search.no_vector", space=space.name, reason=str(error))
            return Sought(space.name, None, f"the embedding model gave no vector: {error}")
        return Sought(space.name, vector)

    async def passages(self, texts: Sequence[str], payer: Payer) -> Mapping[int, Vectors]:
        """Give one row per text for each live space, by its id.

        A space whose model did not answer is left out: the passages are found by their words, and a job of the kind
        embed makes up for it.
        """
        found = {}
        for space in await self.live() if texts else ():
            try:
                found[space.id] = await self.vectors(space, texts, payer)
            except NoVector as error:
                log.warning("ingestion.no_vectors", space=space.name, passages=len(texts), reason=str(error))
        return found

    async def vectors(self, space: Space, texts: Sequence[str], payer: Payer) -> Vectors:
        """Give one row per text; the model is asked for those only that it was never asked for. Raises NoVector."""
        embedder = self.embedder(space)
        if embedder is None:
            raise NoVector(NOT_CONFIGURED)
        if isinstance(embedder, LexicalEmbedder):
            return await embedder.embed(texts)
        rows = [
            await self._remembered(embedder, space, texts[start : start + AT_ONCE], payer)
            for start in range(0, len(texts), AT_ONCE)
        ]
        return np.concatenate(rows) if rows else np.zeros((0, space.dimensions), dtype=np.float32)

    async def _remembered(self, embedder: Embedder, space: Space, texts: Sequence[str], payer: Payer) -> Vectors:
        hashes = [vectors_cache.text_hash(text) for text in texts]
        async with self._ingest_database.work() as work:
            known = await vectors_cache.known(work, space.name, hashes)
        new = {hash_: text for hash_, text in zip(hashes, texts, strict=True) if hash_ not in known}
        if new:
            made = dict(zip(new, await self._paid(embedder, list(new.values()), payer), strict=True))
            if any(len(vector) != space.dimensions for vector in made.values()):
                raise NoVector(f"{embedder.dimensions} numbers instead of {space.dimensions}")
            async with self._ingest_database.work() as work:
                await vectors_cache.keep(work, space.name, made)
            known = {**known, **made}
        return np.array([known[hash_] for hash_ in hashes], dtype=np.float32)

    async def _paid(self, embedder: Embedder, texts: Sequence[str], payer: Payer) -> Vectors:
        async with self._database.work() as work:
            if not await booking.has_room(work, payer.usecase, most_usd=self._limit_usd(payer.usecase)):
                raise NoVector(BUDGET)
        tape = Tape()
        try:
            return await embedder.embed(texts, tape=tape)
        finally:
            # Failed calls have their row too, and may have to be paid.
            async with self._database.work() as work:
                await booking.book(work, payer, tape.calls)
            metrics.record_calls(tape.calls, usecase=payer.usecase, unit=payer.unit)
