"""Made-up documents whose rights follow their topic: the same for the same seed, loaded by COPY, indexed afterwards.

People ask about what they may read, but not always: the filter by rights is hard for a vector index exactly where the
neighbours of a question are somebody else's. So each topic lies in one of four areas, and each person sees an area and
all smaller ones: 0.1 %, 1 %, 10 % and 100 % of the chunks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector import HalfVector

USECASE = "measured"
SPACE = "lexical-1"
DIMENSIONS = 384
SEED = 20261121
# Chunks of a document, words of a chunk.
PIECES, WORDS = 8, 110
# The share of all chunks that lies in each area, with the number of reader sets that it is divided into.
AREAS = {"thousandth": (0.001, 2), "hundredth": (0.009, 6), "tenth": (0.09, 40), "rest": (0.9, 250)}
VISIBLE = {"0.1 %": 1, "1 %": 2, "10 %": 3, "100 %": 4}
GROUPS = 16
TOPICS, FEWEST_TOPICS = 600, 3
# Words of all topics, words of each; a question leaves out the most frequent ones, as people leave out stop words.
COMMON, OWN, ASKED_FROM = 30_000, 60, 100
# How much of a vector is its topic, its place within it (in so many directions), and noise in every direction.
TOPIC, PLACE, NOISE, DIRECTIONS = 0.6, 0.55, 0.2, 32
Matrix = NDArray[np.float32]


@dataclass(slots=True)
class Corpus:
    """What a corpus of `chunks` chunks is made of; `areas` gives the topics of each area."""

    chunks: int
    random: np.random.Generator = field(init=False)
    areas: list[NDArray[np.int64]] = field(init=False)
    centres: Matrix = field(init=False)
    frame: Matrix = field(init=False)
    vocabulary: NDArray[np.str_] = field(init=False)
    frequency: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Draw the topics and the words."""
        self.random = np.random.default_rng(SEED)
        counts = [max(FEWEST_TOPICS, round(TOPICS * share)) for share, _ in AREAS.values()]
        ends = np.cumsum(counts)
        self.areas = [np.arange(end - count, end) for end, count in zip(ends, counts, strict=True)]
        self.centres = _unit(self.random.standard_normal((int(ends[-1]), DIMENSIONS)))
        self.frame = _unit(self.random.standard_normal((DIRECTIONS, DIMENSIONS)))
        self.vocabulary = _words(self.random, COMMON + OWN * int(ends[-1]))
        ranks = np.arange(1, COMMON + 1)
        self.frequency = (1 / ranks) / np.sum(1 / ranks)

    def vectors(self, topics: NDArray[np.int64]) -> Matrix:
        """Draw one vector for each of these topics."""
        place = self.random.standard_normal((len(topics), DIRECTIONS)).astype(np.float32) @ self.frame
        noise = self.random.standard_normal((len(topics), DIMENSIONS)).astype(np.float32)
        return _unit(TOPIC * self.centres[topics] + PLACE * _unit(place) + NOISE * _unit(noise))

    def texts(self, topics: NDArray[np.int64], words: int = WORDS) -> list[str]:
        """Draw one text for each of these topics: a third of its words are the topic's own."""
        common = self.random.choice(COMMON, size=(len(topics), words), p=self.frequency)
        own = COMMON + topics[:, None] * OWN + (OWN * self.random.power(0.5, size=(len(topics), words))).astype(int)
        chosen = np.where(self.random.random((len(topics), words)) < 1 / 3, own, common)
        return [" ".join(self.vocabulary[row]) for row in chosen]

    def questions(self, topics: NDArray[np.int64]) -> list[str]:
        """Draw a question about each of these topics: three of its own words, three of all but the most frequent."""
        own = COMMON + topics[:, None] * OWN + (OWN * self.random.power(0.5, size=(len(topics), 3))).astype(int)
        rare = self.frequency[ASKED_FROM:] / self.frequency[ASKED_FROM:].sum()
        common = ASKED_FROM + self.random.choice(COMMON - ASKED_FROM, size=(len(topics), 3), p=rare)
        return [" ".join(self.vocabulary[row]) for row in np.concatenate([own, common], axis=1)]

    def batches(self, size: int = 2_500) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Give the area and the topics of the documents, so many at a time."""
        left = self.chunks
        for place, (share, _) in enumerate(AREAS.values()):
            wanted = min(left, round(self.chunks * share)) if place < len(AREAS) - 1 else left
            left -= wanted
            while wanted > 0:
                documents = min(size, -(-wanted // PIECES))
                yield place, self.random.choice(self.areas[place], size=documents)
                wanted -= documents * PIECES


def claims(visible: str) -> list[str]:
    """Give the names of the person who sees this share."""
    names = ["user:measurer"]
    for place, (_, sets) in enumerate(AREAS.values()):
        if place < VISIBLE[visible]:
            names += sorted({name for number in range(sets) for name in _readers(place, number)})
    return names


def _readers(area: int, number: int) -> list[str]:
    """Give the groups of a reader set: GROUPS^2 sets of two out of twice as many groups."""
    return [f"group:area-{area}-{number % GROUPS}", f"group:area-{area}-other-{number // GROUPS}"]


def load(connection: psycopg.Connection, corpus: Corpus, *, memory_gb: int = 2, workers: int = 2) -> dict[str, float]:
    """Fill an empty, migrated database; gives the seconds of each part."""
    seconds: dict[str, float] = {}
    # Triggers keep the counts row by row; a load counts once, at its end.
    connection.execute("SET session_replication_role = replica")
    connection.execute("DROP INDEX chunks_words, vectors_1_nearest, vectors_1_by_acl")
    began = perf_counter()
    _copy(connection, corpus)
    seconds["copy_s"], began = perf_counter() - began, perf_counter()
    connection.execute(f"SET maintenance_work_mem = '{memory_gb}GB'")
    connection.execute(f"SET max_parallel_maintenance_workers = {workers}")
    connection.execute("CREATE INDEX chunks_words ON chunks USING gin (words) WITH (fastupdate = off)")
    connection.execute("CREATE INDEX vectors_1_by_acl ON vectors_1 (usecase, acl_id) WHERE is_current")
    seconds["words_s"], began = perf_counter() - began, perf_counter()
    connection.execute("SELECT index_space(1::smallint)")
    seconds["vectors_s"] = perf_counter() - began
    connection.execute(
        "INSERT INTO chunk_counts SELECT usecase, acl_id, language, count(*) FROM chunks WHERE is_current"
        " GROUP BY 1, 2, 3"
    )
    connection.execute("SET session_replication_role = DEFAULT")
    connection.execute("VACUUM ANALYZE")
    return seconds


def _copy(connection: psycopg.Connection, corpus: Corpus) -> None:
    acls = _acls(connection)
    document = 0
    for area, topics in corpus.batches():
        numbers = corpus.random.choice(acls[area], size=len(topics))
        ids = [UUID(int=document + place + 1) for place in range(len(topics))]
        per_chunk = np.repeat(topics, PIECES)
        texts, vectors = corpus.texts(per_chunk), corpus.vectors(per_chunk).astype(np.float16)
        with connection.cursor().copy(
            "COPY documents (id, usecase, source, path, title, media_type, content_hash, acl_id, status) FROM STDIN"
        ) as copy:
            for id, topic, acl in zip(ids, topics, numbers, strict=True):
                copy.write_row((id, USECASE, "made", str(id), f"Topic {topic}", "text/plain", "", acl, "ready"))
        first = document * PIECES + 1
        with connection.cursor().copy(
            "COPY chunks (id, document_id, usecase, acl_id, ordinal, heading, text) FROM STDIN"
        ) as copy:
            for place, text in enumerate(texts):
                row = place // PIECES
                heading = f"Topic {topics[row]}"
                copy.write_row((first + place, ids[row], USECASE, numbers[row], place % PIECES, heading, text))
        with connection.cursor().copy(
            "COPY vectors_1 (chunk_id, usecase, acl_id, is_current, embedding) FROM STDIN WITH (FORMAT binary)"
        ) as copy:
            copy.set_types(["int8", "text", "int4", "bool", "halfvec"])
            for place, vector in enumerate(vectors):
                copy.write_row((first + place, USECASE, int(numbers[place // PIECES]), True, HalfVector(vector)))
        document += len(topics)


def _acls(connection: psycopg.Connection) -> list[list[int]]:
    made: list[list[int]] = []
    for place, (_, sets) in enumerate(AREAS.values()):
        made.append([])
        for number in range(sets):
            row = connection.execute(
                "INSERT INTO acls (readers) VALUES (%s) RETURNING id", (_readers(place, number),)
            ).fetchone()
            made[-1].append(row[0] if row else 0)
    return made


def _unit(rows: NDArray[np.floating]) -> Matrix:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _words(random: np.random.Generator, count: int) -> NDArray[np.str_]:
    """Words that no stemmer touches alike: consonants and vowels in turn, with a number of their own."""
    parts = np.array([a + b for a in "bdfgklmnprstvz" for b in "aiou"])
    drawn = parts[random.integers(len(parts), size=(count, 2))]
    return np.array([f"{first}{second}{number:x}x" for number, (first, second) in enumerate(drawn)])
