"""What a person may see of the documents, as one short word that changes with every change of it."""

from collections.abc import Collection, Mapping
from uuid import UUID

from app.domain.access import Claims
from app.store.db import Work
from app.store.documents import MAY_READ, claimed


async def sight(work: Work, *, usecase: str, claims: Claims) -> str:
    """Give the fingerprint of the documents that these claims may read.

    The same for people with the same rights, another after any change of a document or right among them. It asks the
    versions, which a trigger keeps (migrations/platform/0003_recall.sql), and not the documents: there may be millions.
    """
    rows = await work.sql(
        "SELECT md5(coalesce(string_agg(v.acl_id || ':' || v.version, ',' ORDER BY v.acl_id), ''))"  # noqa: S608 - constants only
        f" FROM corpus_versions v WHERE v.usecase = :usecase AND v.documents > 0 AND v.acl_id {MAY_READ}",
        usecase=usecase,
        **claimed(claims),
    )
    return str(rows.scalar_one())


async def seen_by(work: Work, ids: Collection[UUID], *, claims: Claims) -> Mapping[UUID, tuple[str, ...]]:
    """Give, for each of these documents that these claims may read, those of their names that allow it."""
    rows = await work.sql(
        "SELECT d.id,"  # noqa: S608 - constants only
        " ARRAY(SELECT unnest(a.readers) INTERSECT SELECT unnest(CAST(:names AS text[])) ORDER BY 1) AS by"
        " FROM documents d JOIN acls a ON a.id = d.acl_id"
        f" WHERE d.id = ANY(:ids) AND d.acl_id {MAY_READ}",
        ids=list(ids),
        **claimed(claims),
    )
    return {row.id: tuple(row.by) for row in rows}
