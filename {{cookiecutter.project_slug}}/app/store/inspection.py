"""What operators look up about documents and their readers; in transactions of the ingestion's role, which sees all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain.access import Access, Claims
from app.store.chunks import written
from app.store.db import Work
from app.store.documents import MAY_READ, claimed

# Documents of one name that are looked at: there may be one in each use case and source.
MOST_NAMESAKES = 5
MOST_CHANGES = 20


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on a document had this access, given by a job where one is known."""

    at: datetime
    access: Access
    job_id: UUID | None


@dataclass(frozen=True, slots=True)
class Held:
    """So many documents of a source carry this access."""

    usecase: str
    source: str
    access: Access
    documents: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk of a document, without its text; `place` counts from 1."""

    id: int
    place: int
    heading: str
    is_suspicious: bool


@dataclass(frozen=True, slots=True)
class Wording:
    """The stems of a question, in the language of a chunk, and those of them that the chunk holds."""

    wanted: tuple[str, ...]
    matched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """How far a chunk's vector is from a question's, and its place among those that a person may read."""

    space: str
    distance: float
    place: int


async def named(work: Work, name: str, *, usecase: str = "") -> list[UUID]:
    """Find documents by id, path or title; else by a part of path or title. Those of the use case come first."""
    for condition in (
        "CAST(id AS text) = lower(:name) OR path = :name OR lower(title) = lower(:name)",
        "position(lower(:name) IN lower(title)) > 0 OR position(lower(:name) IN lower(path)) > 0",
    ):
        rows = await work.sql(
            f"SELECT id FROM documents WHERE {condition}"  # noqa: S608 - two constants
            " ORDER BY usecase <> :usecase, superseded, title, path, id LIMIT :most",
            name=name,
            usecase=usecase,
            most=MOST_NAMESAKES,
        )
        if found := list(rows.scalars()):
            return found
    return []


@dataclass(frozen=True, slots=True)
class Listed:
    """What a source lists and no job has stored yet: its last outcome, "" while it waits, and why."""

    source: str
    path: str
    outcome: str
    detail: str
    tries: int


async def listed(work: Work, name: str, *, usecase: str) -> Listed | None:
    """Find a document of this path or title that a source of the use case lists, and that is not stored."""
    rows = await work.sql(
        "SELECT source, path, outcome, detail, tries FROM listed WHERE usecase = :usecase"
        " AND (path = :name OR lower(title) = lower(:name) OR position(lower(:name) IN lower(path)) > 0)"
        " ORDER BY path <> :name, source, path LIMIT 1",
        name=name,
        usecase=usecase,
    )
    row = rows.first()
    return Listed(row.source, row.path, row.outcome, row.detail, row.tries) if row else None


async def changes(work: Work, id: UUID) -> list[Change]:
    """Give since when a document has its access, and which it had before, the newest first."""
    rows = await work.sql(
        "SELECT c.at, c.job_id, a.readers, a.denied, a.classification, a.regions"
        " FROM access_changes c JOIN acls a ON a.id = c.acl_id WHERE c.document_id = :id"
        " ORDER BY c.id DESC LIMIT :most",
        id=id,
        most=MOST_CHANGES,
    )
    return [Change(row["at"], _access(row), row["job_id"]) for row in rows.mappings()]


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who ordered a job, and what kind of job it was."""

    kind: str
    user_id: str


async def submitters(work: Work, ids: Collection[UUID]) -> dict[UUID, Submitter]:
    """Give who ordered each of these jobs; in a transaction of the service's role."""
    rows = await work.sql("SELECT id, kind, user_id FROM jobs WHERE id = ANY(:ids)", ids=list(ids))
    return {row.id: Submitter(row.kind, row.user_id) for row in rows}


async def held(work: Work) -> list[Held]:
    """Count the documents by source and access."""
    rows = await work.sql(
        "SELECT d.usecase, d.source, a.readers, a.denied, a.classification, a.regions, count(*) AS documents"
        " FROM documents d JOIN acls a ON a.id = d.acl_id"
        " GROUP BY d.usecase, d.source, a.id ORDER BY d.usecase, d.source, a.id"
    )
    return [Held(row["usecase"], row["source"], _access(row), row["documents"]) for row in rows.mappings()]


async def pieces(work: Work, id: UUID) -> list[Piece]:
    """List the chunks of a document in order."""
    rows = await work.sql("SELECT id, heading, suspicious FROM chunks WHERE document_id = :id ORDER BY ordinal", id=id)
    return [Piece(row.id, place, row.heading, row.suspicious) for place, row in enumerate(rows, start=1)]


async def wordings(work: Work, ids: Sequence[int], *, subject: str) -> dict[int, Wording]:
    """Compare the words of a question with those of chunks, both stemmed."""
    rows = await work.sql(
        "SELECT id, ARRAY(SELECT lexeme FROM unnest(asked) ORDER BY lexeme) AS wanted,"
        " ARRAY(SELECT lexeme FROM unnest(asked) INTERSECT SELECT unnest(tsvector_to_array(words)) ORDER BY 1)"
        " AS matched"
        " FROM chunks, LATERAL to_tsvector(CAST(language AS regconfig), :subject) AS asked WHERE id = ANY(:ids)",
        ids=list(ids),
        subject=subject.replace("\x00", ""),
    )
    return {row.id: Wording(tuple(row.wanted), tuple(row.matched)) for row in rows}


@dataclass(frozen=True, slots=True)
class Around:
    """What a vector's place is counted among: those of a use case in one space, seen from a question's vector."""

    usecase: str
    space: str
    vector: NDArray[np.float32] | None


async def distances(work: Work, ids: Sequence[int], around: Around) -> dict[int, float]:
    """Give the distance of each of these chunks from the question; chunks without a vector are left out."""
    table = await _vectors(work, around.space)
    if table is None or around.vector is None:
        return {}
    rows = await work.sql(
        f"SELECT chunk_id, embedding <=> CAST(:vector AS halfvec) AS distance FROM {table}"  # noqa: S608 - a number
        " WHERE chunk_id = ANY(:ids)",
        ids=list(ids),
        vector=written(around.vector),
    )
    return {row.chunk_id: row.distance for row in rows}


async def place_of(work: Work, distance: float, around: Around, *, claims: Claims) -> int:
    """Count the vectors that are nearer than this and that these claims may read, and one more."""
    table, vector = await _vectors(work, around.space), around.vector
    assert table is not None and vector is not None, "a distance was measured in this space"
    rows = await work.sql(
        f"SELECT count(*) FROM {table} WHERE is_current AND usecase = :usecase AND acl_id {MAY_READ}"  # noqa: S608
        " AND embedding <=> CAST(:vector AS halfvec) < :distance",
        **claimed(claims),
        usecase=around.usecase,
        vector=written(vector),
        distance=distance,
    )
    return int(rows.scalar_one()) + 1


async def _vectors(work: Work, space: str) -> str | None:
    number = (await work.sql("SELECT id FROM spaces WHERE name = :name", name=space)).scalar()
    return f"vectors_{int(number)}" if number is not None else None


async def in_directory(work: Work) -> Sequence[str]:
    """Give the people that the company's directory named last."""
    return list((await work.sql("SELECT user_id FROM directory_people ORDER BY user_id")).scalars())


async def last_names(work: Work, user_id: str) -> list[str] | None:
    """Give the names by which documents were filtered in this person's last search; None when there was none."""
    rows = await work.sql(
        "SELECT retrieval -> 0 -> 'filter' -> 'names' AS names FROM turns"
        " WHERE user_id = :user_id AND retrieval IS NOT NULL ORDER BY started_at DESC LIMIT 1",
        user_id=user_id,
    )
    return rows.scalar()


def _access(row: Any) -> Access:
    return Access(tuple(row["readers"]), tuple(row["denied"]), row["classification"], tuple(row["regions"]))
