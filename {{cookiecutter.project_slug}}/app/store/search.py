"""The one statement that finds passages: what it asks the function search_chunks (0008_search_functions.sql).

Rights hold twice in it. find_chunks filters by the claims it is given, as a role that sees every row, because behind
row-level security PostgreSQL uses no index for words; search_chunks then reads the passages as the asker.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any, LiteralString
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.domain.access import Claims
from app.domain.turn import Passage
from app.store.chunks import HEADING_SEPARATOR, written
from app.store.db import Database

# Tests put functions without the filter in its place, to prove that row-level security alone holds.
SEARCH: LiteralString = (
    "SELECT search_chunks(%s::text[], %s::integer, %s::text[], %s::text, %s::text, %s::text, %s::text, %s::integer)"
)
# The filter as it is written in the functions: by the numbers of what the claims allow.
RIGHTS = ("acl_id = ANY (mine)", "acl_id = ANY ($3)")
# Characters of a question that the words are taken from: longer ones are pasted documents.
_MOST_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Query:
    """A question with everything the search needs; `subject` is the question without the words that only ask.

    Without a vector, or in a space that is not there, only the words are searched.
    """

    subject: str
    space: str
    vector: NDArray[np.float32] | None
    claims: Claims
    usecase: str
    take: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, its place in the document, and its scores.

    `words` is the rank by rare words, `covered` the share of the question's words it holds, `near` the cosine of the
    angle between the two, `fused` what both rankings make of it. None where a ranking did not name it.
    """

    passage: Passage
    ordinal: int
    covered: float
    fused: float
    words: float | None = None
    near: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave, best first; `visible` counts the current chunks that the asker may read.

    `plan` is exact, index, index+exact (the index gave too few), words (no vector), or none (nothing visible).
    """

    plan: str
    visible: int
    hits: tuple[Hit, ...]


async def find(database: Database, query: Query) -> Found:
    """Find the best passages that these claims may read, in one round trip. Raises DependencyDown."""
    claims = query.claims
    told = await database.trip(
        SEARCH,
        list(claims.names),
        claims.clearance,
        list(claims.regions),
        query.usecase,
        query.subject.replace("\x00", "")[:_MOST_CHARS],
        query.space,
        None if query.vector is None else written(query.vector),
        query.take,
    )
    return Found(told["plan"], int(told["visible"]), tuple(_hit(row) for row in told["passages"]))


def _hit(row: Mapping[str, Any]) -> Hit:
    return Hit(
        passage=_passage(row),
        ordinal=row["ordinal"],
        covered=round(float(row["covered"]), 4),
        fused=float(row["fused"]),
        words=None if row["words"] is None else float(row["words"]),
        near=None if row["distance"] is None else 1 - float(row["distance"]),
    )


def _passage(row: Mapping[str, Any]) -> Passage:
    return Passage(
        chunk_id=row["id"],
        document_id=UUID(row["document_id"]),
        title=row["title"],
        uri=row["path"],
        text=row["text"],
        score=round(float(row["covered"]), 4),
        heading=row["heading"].removeprefix(row["title"]).removeprefix(HEADING_SEPARATOR),
        page=row["page"],
        effective_on=date.fromisoformat(row["effective_on"]) if row["effective_on"] else None,
        visible_by=tuple(row["visible_by"]),
        suspicious=row["suspicious"],
        anchor=anchor_of(row),
    )


def anchor_of(row: Mapping[str, Any]) -> str:
    """Name a place for good: the same document, heading, page and text have the same one, whenever they were read."""
    place = f"{row['document_id']}\n{row['heading']}\n{row['page']}\n{row['text']}"
    return blake2b(place.encode(), digest_size=8).hexdigest()
