"""Asks questions of a loaded corpus, one person and one system at a time, and holds the answers against exact ones."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
import psycopg

from app.domain.access import Claims
from app.store import search
from app.store.chunks import written
from app.store.db import Database
from app.store.search import Query
from benchmarks.retrieval_corpus import SPACE, USECASE, VISIBLE, Corpus, claims
from benchmarks.retrieval_figures import Figures, Sample, figures

# Most people ask about what they may read; a filtered index is tried by those who do not.
OWN_SHARE = 0.8
WARM = 10
# Questions for which the whole hybrid search is also done without any bound, to hold it against; and the visible chunks
# up to which that ends within a statement's time.
UNBOUNDED, UNBOUNDED_CHUNKS = 20, 200_000
TAKE = 20
_NEAR = "SELECT chunk_id, plan FROM near_chunks(%s, %s, %s, %s, %s, 100) ORDER BY distance, chunk_id LIMIT 10"
_ALL = (
    "SELECT chunk_id, 'exact' FROM vectors_1 WHERE is_current AND usecase = %s AND acl_id = ANY (%s)"
    " ORDER BY (embedding <=> %s::halfvec) + 0 LIMIT 10"
)
_AFTER = (
    "SELECT chunk_id, 'index' FROM vectors_1 WHERE is_current AND (usecase = %s AND acl_id = ANY (%s)) IS TRUE"
    " ORDER BY embedding <=> %s::halfvec LIMIT 10"
)
_BOUNDS = (("bigint := 50000", "bigint := 1000000000"), ("bigint := 20000", "bigint := 1000000000"),
           ("integer := 300;", "integer := 100000000;"), ("integer := 150;", "integer := 100000000;"))  # fmt: skip


class Bench:
    """Connections to a loaded database; closes them."""

    def __init__(self, url: str, corpus: Corpus) -> None:
        self._url, self._corpus = url, corpus
        self._stack = ExitStack()
        self._owner = self._stack.enter_context(psycopg.connect(url, autocommit=True))

    def __enter__(self) -> Self:
        self._owner.execute("SET max_parallel_workers_per_gather = 0")
        self._owner.execute("SET jit = off")
        _unbounded(self._owner)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def person(self, visible: str, questions: int) -> dict[str, Figures]:
        """Ask as the person who may read this share."""
        names = claims(visible)
        mine = self._one("SELECT visible_acls(%s, 0, '{}')", names)
        readable = self._one(
            "SELECT coalesce(sum(chunks), 0)::bigint FROM chunk_counts WHERE usecase = %s AND acl_id = ANY (%s)",
            USECASE,
            mine,
        )
        asked = self._questions(visible, questions + WARM)
        vectors = [vector for _, vector in asked]
        exact = self._run(vectors, lambda vector: (_ALL, (USECASE, mine, vector)))
        truth = [one.ids for one in exact]
        near = self._run(vectors, lambda vector: (_NEAR, (mine, USECASE, SPACE, vector, readable)))
        self._set(iterative="off", ef=40)
        after = self._run(vectors, lambda vector: (_AFTER, (USECASE, mine, vector)))
        self._set(iterative="relaxed_order", ef=100)
        iterative = self._run(vectors, lambda vector: (_AFTER, (USECASE, mine, vector)))
        self._set(iterative="off", ef=40)
        hybrid = await self._hybrid(names, asked, search.SEARCH)
        few = asked[: WARM + UNBOUNDED] if readable <= UNBOUNDED_CHUNKS else []
        whole = await self._hybrid(names, few, search.SEARCH.replace("chunks(", "chunks_unbounded("))
        return {
            "hybrid": figures(hybrid, [one.ids for one in whole]),
            "vectors": figures(near, truth),
            "exact": figures(exact, truth),
            "index": figures(after, truth),
            "iterative": figures(iterative, truth),
        }

    def _questions(self, visible: str, count: int) -> list[tuple[str, str]]:
        """Draw words and a vector for each question."""
        corpus, random = self._corpus, np.random.default_rng(len(visible) + count)
        corpus.random = random
        own, every = np.concatenate(corpus.areas[: VISIBLE[visible]]), np.concatenate(corpus.areas)
        topics = np.where(random.random(count) < OWN_SHARE, random.choice(own, count), random.choice(every, count))
        return list(zip(corpus.questions(topics), map(written, corpus.vectors(topics)), strict=True))

    def _run(self, vectors: Sequence[str], asking: Callable[[str], tuple[str, tuple[Any, ...]]]) -> list[Sample]:
        clock, samples = _Clock(self._owner.info.backend_pid), []
        for vector in vectors:
            statement, values = asking(vector)
            clock.start()
            rows = self._owner.execute(statement, values).fetchall()
            samples.append(clock.sample([row[0] for row in rows], rows[0][1] if rows else ""))
        return samples[WARM:]

    async def _hybrid(self, names: Sequence[str], asked: Sequence[tuple[str, str]], statement: str) -> list[Sample]:
        """Ask as the service does: its own connection, role, statement and way of reading the answer."""
        database, samples = Database(self._url, pool_size=1, timeout_s=60), []
        held, search.SEARCH = search.SEARCH, statement
        try:
            clock = _Clock(int(await database.trip("SELECT pg_backend_pid()")))
            for words, vector in asked:
                numbers = np.array(vector[1:-1].split(","), dtype=np.float32)
                query = Query(words, SPACE, numbers, Claims(tuple(names)), USECASE, TAKE)
                clock.start()
                found = await search.find(database, query)
                samples.append(clock.sample([hit.passage.chunk_id for hit in found.hits], found.plan))
        finally:
            search.SEARCH = held
            await database.close()
        return samples[WARM:]

    def _set(self, *, iterative: str, ef: int) -> None:
        self._owner.execute(f"SET hnsw.iterative_scan = {iterative}")
        self._owner.execute(f"SET hnsw.ef_search = {ef}")

    def _one(self, statement: str, *values: Any) -> Any:
        row = self._owner.execute(statement, values).fetchone()
        return row[0] if row else None


class _Clock:
    """Time that passes, and time that a process of PostgreSQL computes, where Linux tells it."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/schedstat")
        self._began = self._cpu_ns = 0.0

    def start(self) -> None:
        """Begin a question."""
        self._cpu_ns, self._began = self._cpu(), perf_counter()

    def sample(self, ids: Sequence[int], plan: str) -> Sample:
        """End it."""
        ms = (perf_counter() - self._began) * 1000
        cpu_ms = (self._cpu() - self._cpu_ns) / 1e6 if self._cpu_ns else None
        return Sample(ms, cpu_ms, ids, plan)

    def _cpu(self) -> float:
        return float(self._path.read_text().split()[0]) if self._path.exists() else 0.0


def _unbounded(owner: psycopg.Connection) -> None:
    """Make twins of the search's functions that look at everything that is visible."""
    names = ("near_chunks", "worded_chunks", "find_chunks", "search_chunks")
    found: set[str] = set()
    owner.execute("GRANT CREATE ON SCHEMA public TO app_search")
    for name in names:
        row = owner.execute("SELECT pg_get_functiondef(%s::regproc)", (f"public.{name}",)).fetchone()
        text = str(row[0]) if row else ""
        for bounded, free in _BOUNDS:
            found.update({bounded} if bounded in text else ())
            text = text.replace(bounded, free)
        for other in names:
            text = text.replace(f"{other}(", f"{other}_unbounded(")
        owner.execute(text)
    owner.execute("ALTER FUNCTION find_chunks_unbounded OWNER TO app_search")
    owner.execute("REVOKE CREATE ON SCHEMA public FROM app_search")
    if missing := {bounded for bounded, _ in _BOUNDS} - found:
        raise ValueError(f"the functions of the search bound themselves otherwise now: {missing}")
