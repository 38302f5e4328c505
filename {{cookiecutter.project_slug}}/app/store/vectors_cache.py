"""Vectors by the text they were made of: text that has not changed is embedded, and paid for, once.

Kept as numbers of 16 bits, as the spaces keep them. A text that no chunk holds any more is forgotten after a while: a
vector tells something of its text, and deleted documents shall go.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from app.store.db import Work

KEPT_DAYS = 30
Vectors = NDArray[np.float32]
# PostgreSQL computes the same of a chunk's columns.
_HASH = "sha256(convert_to(heading || E'\\n' || text, 'UTF8'))"


def passage_text(heading: str, text: str) -> str:
    """Give the text of a chunk as models read it: its heading, with the document's title, and its words."""
    return f"{heading}\n{text}"


def text_hash(text: str) -> bytes:
    """Give the key of a text."""
    return sha256(text.encode()).digest()


async def known(work: Work, space: str, hashes: Sequence[bytes]) -> Mapping[bytes, Vectors]:
    """Give the vectors of this space that were made before."""
    rows = await work.sql(
        "SELECT text_hash, vector FROM embedded_texts WHERE space = :space AND text_hash = ANY(:hashes)",
        space=space,
        hashes=list(hashes),
    )
    found = {bytes(row.text_hash): np.frombuffer(bytes(row.vector), dtype="<f2").astype(np.float32) for row in rows}
    if found:
        await work.sql(
            "UPDATE embedded_texts SET used_on = current_date"
            " WHERE space = :space AND text_hash = ANY(:hashes) AND used_on < current_date",
            space=space,
            hashes=list(found),
        )
    return found


async def keep(work: Work, space: str, vectors: Mapping[bytes, Vectors]) -> None:
    """Remember vectors of this space; who embedded the same text at the same moment is no conflict."""
    await work.sql(
        "INSERT INTO embedded_texts (space, text_hash, vector)"
        " SELECT :space, * FROM unnest(cast(:hashes AS bytea[]), cast(:vectors AS bytea[])) ORDER BY 1, 2"
        " ON CONFLICT DO NOTHING",
        space=space,
        hashes=list(vectors),
        vectors=[vector.astype("<f2").tobytes() for vector in vectors.values()],
    )


async def forget(work: Work, *, days: int = KEPT_DAYS) -> int:
    """Drop the vectors of texts that no chunk holds, and nobody asked for in so many days; gives their number."""
    await work.sql("SET LOCAL statement_timeout = 0")
    rows = await work.sql(
        f"WITH held AS MATERIALIZED (SELECT DISTINCT {_HASH} AS hash FROM chunks)"  # noqa: S608 - a constant
        " DELETE FROM embedded_texts e WHERE used_on <= current_date - cast(:days AS integer)"
        " AND NOT EXISTS (SELECT FROM held WHERE held.hash = e.text_hash)",
        days=days,
    )
    return int(rows.rowcount)
