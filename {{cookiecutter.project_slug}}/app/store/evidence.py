"""What searches looked at, as the ledger keeps it; and what of it a person may know of now."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from app.domain.access import Claims
from app.domain.turn import Considered, Retrieval
from app.store.db import Work
from app.store.documents import HEADING_SEPARATOR, MAY_READ, claimed

# Passages of one search that a row keeps: all that were kept, and the best of those that were cut.
MOST_CONSIDERED = 30


def row(searches: Iterable[Retrieval]) -> list[dict[str, Any]] | None:
    """Give what the ledger keeps of a turn's searches: pointers and scores; None when nothing was looked for."""
    return [_search(search) for search in searches] or None


def _search(search: Retrieval) -> dict[str, Any]:
    best_first = sorted(search.considered, key=lambda each: not each.kept)
    return {
        "subject": search.subject,
        "filter": dict(search.filter),
        "plan": search.plan,
        "space": search.space,
        "without_vectors": search.without_vectors,
        "visible_chunks": search.visible_chunks,
        "ms": round(search.ms, 3),
        "considered": [_considered(each) for each in best_first[:MOST_CONSIDERED]],
        "left_out": max(0, len(best_first) - MOST_CONSIDERED),
    }


def _considered(each: Considered) -> dict[str, Any]:
    return {
        "chunk_id": each.chunk_id,
        "document_id": str(each.document_id),
        "scores": {stage: round(score, 4) for stage, score in each.scores.items()},
        "kept": each.kept,
        "because": each.because,
    }


async def readable(work: Work, ids: Collection[UUID], *, claims: Claims) -> Mapping[UUID, str]:
    """Give the titles of those of these documents that these claims may read."""
    rows = await work.sql(
        f"SELECT id, title FROM documents WHERE id = ANY(:ids) AND acl_id {MAY_READ}",  # noqa: S608 - a constant
        ids=list(ids),
        **claimed(claims),
    )
    return {found.id: found.title for found in rows}


async def titles(work: Work, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """Give the titles of these documents, whoever may read them; for operators' looks, which see all."""
    rows = await work.sql("SELECT id, title FROM documents WHERE id = ANY(:ids)", ids=list(ids))
    return {found.id: found.title for found in rows}


async def headings(work: Work, chunk_ids: Collection[int], titles: Mapping[UUID, str]) -> Mapping[int, str]:
    """Give the headings of those of these pieces that are still there, in documents with these titles."""
    rows = await work.sql(
        "SELECT id, document_id, heading FROM chunks WHERE id = ANY(:ids) AND document_id = ANY(:documents)",
        ids=list(chunk_ids),
        documents=list(titles),
    )
    return {
        found.id: found.heading.removeprefix(titles[found.document_id]).removeprefix(HEADING_SEPARATOR)
        for found in rows
    }
