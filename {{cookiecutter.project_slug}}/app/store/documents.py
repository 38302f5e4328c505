"""Documents, and who may read them.

Rights hold twice. Every query here names the asker's claims itself; behind it row-level security shows the role
`app_service` only what the claims of the transaction allow, so that a query which forgot its filter finds nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from app.domain.access import Access, Claims
from app.errors import NotFound
from app.store import chunks, sealed
from app.store.chunks import HEADING_SEPARATOR, Home, Piece
from app.store.db import Work

__all__ = ["HEADING_SEPARATOR", "Content", "Document", "Facts", "Piece", "Upload"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a document besides its text; `access` says who may read it."""

    usecase: str
    source: str
    path: str
    title: str
    access: Access
    media_type: str
    effective_on: date | None = None
    superseded: bool = False
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it stands; `status` is ready or failed, and `detail` says why."""

    id: UUID
    facts: Facts
    status: str
    detail: str
    content_hash: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """What was read from the bytes with this hash: pieces, or the reason why there are none.

    `language` names a text search configuration of PostgreSQL, such as german; without one it is english.
    """

    hash: str
    pieces: tuple[Piece, ...] = ()
    failure: str = ""
    note: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes that somebody sent and no job has read yet."""

    id: UUID
    user_id: str
    filename: str
    media_type: str
    content: bytes


_COLUMNS = """
    d.id, d.usecase, d.source, d.path, d.title, a.readers, a.denied, a.classification, a.regions, d.media_type,
    d.effective_on, d.superseded, d.owner, d.status, d.detail, d.content_hash, d.updated_at
    FROM documents d JOIN acls a ON a.id = d.acl_id
"""
# The filter by rights as other statements name it; its parameters are those of `claimed`.
MAY_READ = "= ANY (visible_acls(CAST(:names AS text[]), CAST(:clearance AS integer), CAST(:regions AS text[])))"


def claimed(claims: Claims) -> dict[str, Any]:
    """Give the parameters of MAY_READ."""
    return {"names": list(claims.names), "clearance": claims.clearance, "regions": list(claims.regions)}


def document_id(usecase: str, source: str, path: str) -> UUID:
    """Give the id that the document at this place has, now and after it was removed and came back."""
    return uuid5(NAMESPACE_URL, f"document:{usecase}/{source}/{path}")


async def visible(
    work: Work, *, claims: Claims, usecase: str = "", status: str = "", limit: int = 100, offset: int = 0
) -> list[Document]:
    """List what these claims may read, by title; an empty `usecase` or `status` means every one."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} WHERE d.acl_id {MAY_READ} AND (:usecase = '' OR d.usecase = :usecase)"
        " AND (:status = '' OR d.status = :status)"
        " ORDER BY d.title, d.id LIMIT :limit OFFSET :offset",
        **claimed(claims),
        usecase=usecase,
        status=status,
        limit=limit,
        offset=offset,
    )
    return [_document(row) for row in rows.mappings()]


async def get(work: Work, id: UUID, *, claims: Claims) -> Document:
    """Give a document; raises NotFound when there is none, or none that these claims may read."""
    rows = await work.sql(f"SELECT {_COLUMNS} WHERE d.id = :id AND d.acl_id {MAY_READ}", id=id, **claimed(claims))
    row = rows.mappings().first()
    if row is None:
        raise NotFound("There is no such document, or you may not read it.")
    return _document(row)


async def find(work: Work, id: UUID) -> Document | None:
    """Give a document, whoever may read it; for ingestion, which sees all."""
    rows = await work.sql(f"SELECT {_COLUMNS} WHERE d.id = :id", id=id)
    row = rows.mappings().first()
    return _document(row) if row else None


async def of_source(work: Work, usecase: str, source: str) -> dict[str, Document]:
    """Give every document of a source by its path; for ingestion, which sees all."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} WHERE d.usecase = :usecase AND d.source = :source",
        usecase=usecase,
        source=source,
    )
    return {row["path"]: _document(row) for row in rows.mappings()}


async def save(work: Work, id: UUID, facts: Facts, content: Content) -> None:
    """Store a document in place of what stood at its path; two that save the same one take turns."""
    values = await _values(work, facts)
    rows = await work.sql(
        "INSERT INTO documents (id, usecase, source, path, title, media_type, content_hash, effective_on, superseded,"
        " acl_id, owner, status, detail) VALUES (:id, :usecase, :source, :path, :title, :media_type, :hash,"
        " :effective_on, :superseded, :acl_id, :owner, :status, :detail)"
        " ON CONFLICT (usecase, source, path) DO UPDATE SET title = excluded.title, media_type = excluded.media_type,"
        " content_hash = excluded.content_hash, effective_on = excluded.effective_on, superseded = excluded.superseded,"
        " acl_id = excluded.acl_id, owner = excluded.owner, status = excluded.status, detail = excluded.detail,"
        " updated_at = now() RETURNING id",
        **values,
        id=id,
        hash=content.hash,
        status="failed" if content.failure else "ready",
        detail=content.failure or content.note,
    )
    stored_id = rows.scalar_one()
    language = content.language or chunks.LANGUAGE
    home = Home(stored_id, facts.usecase, facts.title, values["acl_id"], not facts.superseded, language)
    await chunks.replace(work, home, content.pieces)


async def change(work: Work, id: UUID, facts: Facts) -> None:
    """Set the facts of a document whose text stays as it is; its access holds for the next search.

    Triggers take access and validity on to its pieces and their vectors (0008_search.sql).
    """
    values = await _values(work, facts)
    await work.sql(
        "UPDATE documents SET title = :title, media_type = :media_type, effective_on = :effective_on,"
        " superseded = :superseded, acl_id = :acl_id, owner = :owner, updated_at = now() WHERE id = :id",
        **{name: value for name, value in values.items() if name not in ("usecase", "source", "path")},
        id=id,
    )


async def remove(work: Work, ids: Sequence[UUID]) -> int:
    """Delete documents with all their chunks; gives how many there were."""
    rows = await work.sql("DELETE FROM documents WHERE id = ANY(:ids) RETURNING id", ids=list(ids))
    return len(rows.all())


async def add_upload(work: Work, *, user_id: str, filename: str, media_type: str, content: bytes) -> UUID:
    """Keep the bytes until a job has read them; the document gets the id of the upload."""
    id = uuid4()
    kept = sealed.closed(work.seals, "uploads", {"id": id, "content": content})
    await work.sql(
        "INSERT INTO uploads (id, user_id, filename, media_type, content)"
        " VALUES (:id, :user_id, :filename, :media_type, :content)",
        **kept,
        user_id=user_id,
        filename=filename,
        media_type=media_type,
    )
    return id


async def upload(work: Work, id: UUID) -> Upload | None:
    """Give an upload, or None when a job has read it already. Raises Unsealable."""
    rows = await work.sql("SELECT id, user_id, filename, media_type, content FROM uploads WHERE id = :id", id=id)
    row = rows.mappings().first()
    if row is None:
        return None
    content = sealed.field("uploads", "content").opened(work.seals, row)
    return Upload(**{**row, "content": content})


async def forget_upload(work: Work, id: UUID) -> None:
    """Delete the bytes of an upload."""
    await work.sql("DELETE FROM uploads WHERE id = :id", id=id)


async def _values(work: Work, facts: Facts) -> dict[str, Any]:
    values = {name: getattr(facts, name) for name in Facts.__slots__ if name != "access"}
    return values | {"acl_id": await acl(work, facts.access)}


async def acl(work: Work, access: Access) -> int:
    """Give the number of this access; a new one gets a new number, and a trigger the level of its classification."""
    wanted = {
        "readers": list(access.readers),
        "denied": list(access.denied),
        "classification": access.classification,
        "regions": list(access.regions),
    }
    found = (await work.sql(_ACL, **wanted)).scalar()
    if found is None:
        await work.sql(
            "INSERT INTO acls (readers, denied, classification, regions) VALUES (CAST(:readers AS text[]),"
            " CAST(:denied AS text[]), :classification, CAST(:regions AS text[])) ON CONFLICT DO NOTHING",
            **wanted,
        )
        found = (await work.sql(_ACL, **wanted)).scalar_one()
    return int(found)


_ACL = (
    "SELECT id FROM acls WHERE readers = CAST(:readers AS text[]) AND denied = CAST(:denied AS text[])"
    " AND classification = :classification AND regions = CAST(:regions AS text[])"
)


def _document(row: Any) -> Document:
    access = Access(tuple(row["readers"]), tuple(row["denied"]), row["classification"], tuple(row["regions"]))
    facts = {name: row[name] for name in Facts.__slots__ if name != "access"} | {"access": access}
    rest = {name: row[name] for name in Document.__slots__ if name != "facts"}
    return Document(facts=Facts(**facts), **rest)
