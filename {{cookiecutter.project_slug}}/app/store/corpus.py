"""What a person may see of the documents, as one short word that changes with every change of it."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from app.store.db import Work


async def sight(work: Work, *, usecase: str, readers: Sequence[str]) -> str:
    """Give the fingerprint of the documents that these readers may read.

    The same for people with the same rights, another after any change of a document or right among them. It asks the
    versions, which a trigger keeps (migrations/platform/0003_recall.sql), and not the documents: there may be millions.
    """
    rows = await work.sql(
        "SELECT md5(coalesce(string_agg(v.acl_id || ':' || v.version, ',' ORDER BY v.acl_id), ''))"
        " FROM corpus_versions v JOIN acls a ON a.id = v.acl_id"
        " WHERE v.usecase = :usecase AND v.documents > 0 AND a.readers && CAST(:readers AS text[])",
        usecase=usecase,
        readers=list(readers),
    )
    return str(rows.scalar_one())


async def seen_by(work: Work, ids: Collection[UUID], *, readers: Sequence[str]) -> Mapping[UUID, tuple[str, ...]]:
    """Give, for each of these documents that these readers may read, those of their names that allow it."""
    rows = await work.sql(
        "SELECT d.id,"
        " ARRAY(SELECT unnest(a.readers) INTERSECT SELECT unnest(CAST(:readers AS text[])) ORDER BY 1) AS by"
        " FROM documents d JOIN acls a ON a.id = d.acl_id"
        " WHERE d.id = ANY(:ids) AND a.readers && CAST(:readers AS text[])",
        ids=list(ids),
        readers=list(readers),
    )
    return {row.id: tuple(row.by) for row in rows}
