"""From a question to the passages that the asker may read: embedded, searched, without doubles, cut by score."""

from collections.abc import Iterable

from app.domain.identity import Principal
from app.domain.turn import Passage
from app.retrieval.embed import Embedder
from app.retrieval.words import stems, subject
from app.store import documents
from app.store.db import Database
from app.store.documents import Query

# Passages fetched for each one wanted, so that doubles leave no gap.
_SPARE = 3
# Share of common stems from which two passages say the same.
_DOUBLE = 0.9
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
    kept: list[tuple[Passage, frozenset[str]]] = []
    for passage in passages:
        said = frozenset(stems(passage.text))
        if not any(_likeness(said, other) >= _DOUBLE for _, other in kept):
            kept.append((passage, said))
    return [passage for passage, _ in kept]


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def _cut(passages: list[Passage]) -> list[Passage]:
    best = max((passage.score for passage in passages), default=0.0)
    return [passage for passage in passages if passage.score >= _CUT * best]
