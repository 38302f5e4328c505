"""From a question to the passages that the asker may read: embedded, searched, without doubles, cut by score."""

import re
from collections.abc import Iterable

from app.domain.identity import Principal
from app.domain.turn import Passage
from app.retrieval.embed import Embedder
from app.retrieval.words import subject
from app.store import documents
from app.store.db import Database
from app.store.documents import Query

# Passages fetched for each one wanted, so that doubles leave no gap.
_SPARE = 3
_SAID = re.compile(r"\w+")
# A passage that covers less than this share of what the best one covers only distracts.
_CUT = 0.35


class Searcher:
    """Searches documents with the rights of the person who asks."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def search(self, question: str, *, principal: Principal, usecase: str, limit: int) -> tuple[Passage, ...]:
        """Give at most `limit` passages, best first; `score` is the share of the question that one covers, 0 to 1."""
        about = subject(question)
        vectors = await self._embedder.embed([about])
        query = Query(about, vectors[0], principal.readers, usecase, limit * _SPARE)
        async with self._database.work(readers=principal.readers) as work:
            found = await documents.search(work, query)
        return tuple(_cut(_distinct(found))[:limit])


def _distinct(passages: Iterable[Passage]) -> list[Passage]:
    # Only what differs in nothing but case, spacing and punctuation: one word or figure may be the whole difference.
    first: dict[tuple[str, ...], Passage] = {}
    for passage in passages:
        first.setdefault(tuple(_SAID.findall(passage.text.lower())), passage)
    return list(first.values())


def _cut(passages: list[Passage]) -> list[Passage]:
    best = max((passage.score for passage in passages), default=0.0)
    return [passage for passage in passages if passage.score >= _CUT * best]
