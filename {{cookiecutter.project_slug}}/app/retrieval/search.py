"""From a question to the passages that the asker may read: searched by words and vectors, reranked, sifted."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol

from app.domain.identity import Principal
from app.domain.turn import Passage, Retrieval, Tape
from app.retrieval import sift
from app.retrieval.embed import LexicalEmbedder, Sought
from app.retrieval.sift import Bounds, Candidate
from app.retrieval.words import subject
from app.store import search
from app.store.db import Database
from app.store.search import Hit, Query

# Passages fetched for each one wanted, so that doubles leave no gap; and how many a reranker looks at.
_SPARE = 3
_RERANKED = 30
# What goes on when nobody says otherwise.
_MAX_TOKENS = 2400


class Questions(Protocol):
    """Gives the vector of a question in the space that is searched now."""

    async def question(self, text: str, *, outside: str = "", tape: Tape | None = None) -> Sought:
        """Give it, by a model of others from the words of `outside`; without one `because` says why."""
        ...


class Reranker(Protocol):
    """Judges passages against a question."""

    async def rerank(
        self, question: str, texts: Sequence[str], *, tape: Tape | None = None, until_s: float = 0.0
    ) -> Sequence[float] | None:
        """Give a score from 0 to 1 for each text; None when it is away or late, which is noted on the tape."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search is for: a question of somebody in a use case, and how much of an answer there may be.

    `outside` is the question as models of others may read it; `until_s` is on the event loop's clock.
    """

    question: str
    principal: Principal
    usecase: str
    bounds: Bounds
    until_s: float = 0.0
    outside: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a search found, and how it went about it."""

    passages: tuple[Passage, ...]
    retrieval: Retrieval


class Searcher:
    """Searches documents with the rights of the person who asks."""

    def __init__(self, database: Database, questions: Questions, reranker: Reranker | None = None) -> None:
        self._database = database
        self._questions = questions
        self._reranker = reranker

    async def search(self, question: str, *, principal: Principal, usecase: str, limit: int) -> tuple[Passage, ...]:
        """Give at most `limit` passages, best first, in the room that is usual."""
        asked = Asked(question, principal, usecase, Bounds(limit, _MAX_TOKENS))
        return (await self.look(asked)).passages

    async def look(self, asked: Asked, *, tape: Tape | None = None) -> Looked:
        """Give passages, best first, and what was considered.

        `score` is the reranker's; without one the share of the question that a passage covers, or how near it is in
        meaning where the vectors know meanings: 0 to 1. Raises DependencyDown.
        """
        began = perf_counter()
        about = subject(asked.question)
        sought = await self._questions.question(about, outside=subject(asked.outside), tape=tape)
        take = max(asked.bounds.passages * _SPARE, _RERANKED if self._reranker else 0)
        query = Query(about, sought.space, sought.vector, asked.principal.claims, asked.usecase, take)
        found = await search.find(self._database, query)
        candidates = [Candidate(hit, _score(hit, sought)) for hit in found.hits]
        candidates = sift.newest(await self._reranked(asked, candidates, tape))
        sift.cut(candidates)
        passages = sift.kept(candidates, asked.bounds)
        retrieval = Retrieval(
            subject=about,
            filter={"names": list(query.claims.names), "clearance": query.claims.clearance,
                    "regions": list(query.claims.regions)},
            plan=found.plan,
            space=sought.space,
            visible_chunks=found.visible,
            considered=tuple(candidate.noted for candidate in candidates),
            ms=(perf_counter() - began) * 1000,
            without_vectors=sought.because,
        )  # fmt: skip
        return Looked(passages, retrieval)

    async def aclose(self) -> None:
        """Let go of the reranker's connections."""
        if self._reranker is not None:
            await self._reranker.aclose()

    async def _reranked(self, asked: Asked, candidates: list[Candidate], tape: Tape | None) -> list[Candidate]:
        """Order by the reranker's scores; as they are when it is away."""
        if self._reranker is None or not candidates:
            return candidates
        texts = [
            f"{each.hit.passage.title}\n{each.hit.passage.heading}\n{each.hit.passage.text}" for each in candidates
        ]
        scores = await self._reranker.rerank(asked.outside or asked.question, texts, tape=tape, until_s=asked.until_s)
        if scores is None:
            return candidates
        for candidate, score in zip(candidates, scores, strict=True):
            candidate.rerank = candidate.score = score
        return sorted(candidates, key=lambda candidate: candidate.score, reverse=True)


def _score(hit: Hit, sought: Sought) -> float:
    # The lexical embedder's vectors know no meanings: how near they are says less than the words themselves.
    is_meant = sought.space != LexicalEmbedder.name and hit.near is not None
    return max(hit.covered, hit.near or 0.0) if is_meant else hit.covered
