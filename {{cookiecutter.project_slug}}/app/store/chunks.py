"""The pieces of a document, and their vectors in every space that is in use.

A piece whose heading, page and text stay as they are keeps its id, and with it its vectors: what the ledger and older
answers point to is still there after the document was read again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from app.store.db import Work

HEADING_SEPARATOR = " > "
LANGUAGE = "english"


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk ready to be stored; `embeddings` by the id of their space, which may come later."""

    heading: str
    page: int | None
    text: str
    suspicious: bool
    embeddings: Mapping[int, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Home:
    """What the pieces of a document have in common; `language` names a text search configuration of PostgreSQL."""

    document_id: UUID
    usecase: str
    title: str
    acl_id: int
    is_current: bool
    language: str = LANGUAGE


async def replace(work: Work, home: Home, pieces: Sequence[Piece]) -> None:
    """Have these pieces and no others, in this order; those that are there already stay."""
    rows = [(stored_heading(home.title, piece.heading), piece.page, piece.text) for piece in pieces]
    known = await _known(work, home.document_id)
    ids = [known[row].pop(0) if known.get(row) else None for row in rows]
    gone = [id for left in known.values() for id in left]
    if gone:
        await work.sql("DELETE FROM chunks WHERE id = ANY(:ids)", ids=gone)
    await _keep(work, home, pieces, ids)
    added = [place for place, id in enumerate(ids) if id is None]
    made = await _insert(work, home, added, [rows[place] for place in added], pieces)
    await _embed(work, {id or made[place]: piece for place, (id, piece) in enumerate(zip(ids, pieces, strict=True))})


async def add_vectors(work: Work, space_id: int, vectors: Mapping[int, NDArray[np.float32]]) -> None:
    """Give these chunks their vectors in a space; chunks that are gone, or have one, are left out.

    The chunks are locked: a change of rights that commits meanwhile would miss the new rows.
    """
    await work.sql(
        f"INSERT INTO vectors_{space_id:d} (chunk_id, usecase, acl_id, is_current, embedding)"  # noqa: S608 - a number
        " SELECT c.id, c.usecase, c.acl_id, c.is_current, CAST(v.embedding AS halfvec)"
        " FROM unnest(CAST(:ids AS bigint[]), CAST(:vectors AS text[])) AS v (id, embedding)"
        " JOIN chunks c ON c.id = v.id ORDER BY c.id FOR SHARE OF c ON CONFLICT DO NOTHING",
        ids=list(vectors),
        vectors=[written(vector) for vector in vectors.values()],
    )


def written(vector: NDArray[np.float32]) -> str:
    """Write a vector as PostgreSQL reads it."""
    return "[" + ",".join(f"{number:.5g}" for number in vector.tolist()) + "]"


async def _known(work: Work, document_id: UUID) -> dict[tuple[str, int | None, str], list[int]]:
    rows = await work.sql(
        "SELECT id, heading, page, text FROM chunks WHERE document_id = :id ORDER BY ordinal", id=document_id
    )
    known: dict[tuple[str, int | None, str], list[int]] = {}
    for row in rows:
        known.setdefault((row.heading, row.page, row.text), []).append(row.id)
    return known


async def _keep(work: Work, home: Home, pieces: Sequence[Piece], ids: Sequence[int | None]) -> None:
    kept = [(id, place, pieces[place].suspicious) for place, id in enumerate(ids) if id is not None]
    if not kept:
        return
    await work.sql(
        "UPDATE chunks c SET ordinal = k.ordinal, suspicious = k.suspicious, acl_id = :acl_id,"
        " is_current = :is_current, language = :language"
        " FROM unnest(CAST(:ids AS bigint[]), CAST(:places AS integer[]), CAST(:suspicious AS boolean[]))"
        " AS k (id, ordinal, suspicious)"
        " WHERE c.id = k.id AND (c.ordinal, c.suspicious, c.acl_id, c.is_current, c.language) IS DISTINCT FROM"
        " (k.ordinal, k.suspicious, :acl_id, :is_current, :language)",
        **_shared(home),
        ids=[id for id, _, _ in kept],
        places=[place for _, place, _ in kept],
        suspicious=[is_suspicious for _, _, is_suspicious in kept],
    )


async def _insert(
    work: Work, home: Home, places: Sequence[int], rows: Sequence[tuple[str, int | None, str]], pieces: Sequence[Piece]
) -> dict[int, int]:
    """Give the ids of the new chunks by their places."""
    if not places:
        return {}
    found = await work.sql(
        "INSERT INTO chunks (document_id, usecase, acl_id, is_current, language, ordinal, heading, page, text,"
        " suspicious) SELECT :document_id, :usecase, :acl_id, :is_current, :language, n.*"
        " FROM unnest(CAST(:places AS integer[]), CAST(:headings AS text[]), CAST(:pages AS integer[]),"
        " CAST(:texts AS text[]), CAST(:suspicious AS boolean[])) AS n RETURNING id, ordinal",
        **_shared(home),
        document_id=home.document_id,
        usecase=home.usecase,
        places=list(places),
        headings=[heading for heading, _, _ in rows],
        pages=[page for _, page, _ in rows],
        texts=[text for _, _, text in rows],
        suspicious=[pieces[place].suspicious for place in places],
    )
    return {row.ordinal: row.id for row in found}


async def _embed(work: Work, pieces: Mapping[int, Piece]) -> None:
    for space_id in sorted({space_id for piece in pieces.values() for space_id in piece.embeddings}):
        vectors = {id: piece.embeddings[space_id] for id, piece in pieces.items() if space_id in piece.embeddings}
        await add_vectors(work, space_id, vectors)


def _shared(home: Home) -> dict[str, Any]:
    return {"acl_id": home.acl_id, "is_current": home.is_current, "language": home.language or LANGUAGE}


def stored_heading(title: str, heading: str) -> str:
    """Give the heading of a piece as it is stored, with the title of its document in front."""
    # The title stands in every heading, so that its words find every chunk.
    path = [title, *(part for part in heading.split(HEADING_SEPARATOR) if part and part != title)]
    return HEADING_SEPARATOR.join(path)
