"""Documents, who may read them, and the one statement that finds passages in them.

Rights hold twice. Every query here names the asker's readers itself; behind it row-level security shows the role
`app_service` only what `app.readers` of the transaction allows, so that a query which forgot its filter finds nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert

from app.domain.turn import Passage
from app.errors import BadInput, NotFound
from app.store.db import Work
from app.store.search_sql import SEARCH, SETTINGS
from app.store.tables import chunks

HEADING_SEPARATOR = " > "
_READER = re.compile(r"^(everyone|(group|user):[^\s,]{1,200})$")
# A row of a unique index holds no more than 2,700 bytes.
_MOST_READERS_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a document besides its text; `readers` are sorted and without doubles."""

    usecase: str
    source: str
    path: str
    title: str
    readers: tuple[str, ...]
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
class Piece:
    """One chunk ready to be stored."""

    heading: str
    page: int | None
    text: str
    suspicious: bool
    embedding: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Content:
    """What was read from the bytes with this hash: pieces, or the reason why there are none."""

    hash: str
    pieces: tuple[Piece, ...] = ()
    failure: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes that somebody sent and no job has read yet."""

    id: UUID
    user_id: str
    filename: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """A question with everything the search needs; `subject` is the question without the words that only ask."""

    subject: str
    vector: NDArray[np.float32]
    readers: tuple[str, ...]
    usecase: str
    limit: int


_COLUMNS = """
    d.id, d.usecase, d.source, d.path, d.title, a.readers, d.media_type, d.effective_on, d.superseded, d.owner,
    d.status, d.detail, d.content_hash, d.updated_at
    FROM documents d JOIN acls a ON a.id = d.acl_id
"""


def normal_readers(readers: Sequence[str]) -> tuple[str, ...]:
    """Sort the readers and drop doubles; raises BadInput for none, too many, or a name of another form."""
    strange = [reader for reader in readers if not isinstance(reader, str) or not _READER.match(reader)]
    if strange or not readers:
        shown = ", ".join(map(repr, strange)) or "nobody"
        raise BadInput(f'Readers are "everyone", "group:<name>" or "user:<id>", at least one of them; got {shown}.')
    distinct = tuple(sorted(set(readers)))
    if sum(len(reader.encode()) + 4 for reader in distinct) > _MOST_READERS_BYTES:
        raise BadInput("These are too many readers for one document; put the people into a group.")
    return distinct


def document_id(usecase: str, source: str, path: str) -> UUID:
    """Give the id that the document at this place has, now and after it was removed and came back."""
    return uuid5(NAMESPACE_URL, f"document:{usecase}/{source}/{path}")


async def visible(
    work: Work, *, readers: Sequence[str], usecase: str = "", limit: int = 100, offset: int = 0
) -> list[Document]:
    """List what these readers may read, by title; an empty `usecase` means every use case."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} WHERE a.readers && CAST(:readers AS text[]) AND (:usecase = '' OR d.usecase = :usecase)"
        " ORDER BY d.title, d.id LIMIT :limit OFFSET :offset",
        readers=list(readers),
        usecase=usecase,
        limit=limit,
        offset=offset,
    )
    return [_document(row) for row in rows.mappings()]


async def get(work: Work, id: UUID, *, readers: Sequence[str]) -> Document:
    """Give a document; raises NotFound when there is none, or none that these readers may read."""
    document = await find(work, id)
    if document is None or not set(document.facts.readers) & set(readers):
        raise NotFound("There is no such document, or you may not read it.")
    return document


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
    await work.run(delete(chunks).where(chunks.c.document_id == stored_id))
    if content.pieces:
        shared = {"document_id": stored_id, "usecase": facts.usecase, "acl_id": values["acl_id"]}
        await work.run(
            insert(chunks),
            [{**shared, "ordinal": ordinal, **_chunk(facts, piece)} for ordinal, piece in enumerate(content.pieces)],
        )


async def change(work: Work, id: UUID, facts: Facts) -> None:
    """Set the facts of a document whose text stays as it is; its readers hold for the next search."""
    values = await _values(work, facts)
    await work.sql(
        "UPDATE documents SET title = :title, media_type = :media_type, effective_on = :effective_on,"
        " superseded = :superseded, acl_id = :acl_id, owner = :owner, updated_at = now() WHERE id = :id",
        **{name: value for name, value in values.items() if name not in ("usecase", "source", "path")},
        id=id,
    )
    await work.sql(
        "UPDATE chunks SET acl_id = :acl_id WHERE document_id = :id AND acl_id <> :acl_id",
        acl_id=values["acl_id"],
        id=id,
    )


async def remove(work: Work, ids: Sequence[UUID]) -> int:
    """Delete documents with all their chunks; gives how many there were."""
    rows = await work.sql("DELETE FROM documents WHERE id = ANY(:ids) RETURNING id", ids=list(ids))
    return len(rows.all())


async def search(work: Work, query: Query) -> list[Passage]:
    """Find the best passages these readers may read, best first; `score` is the share of the subject they cover.

    Rare words count more than frequent ones; documents that a newer one supersedes are left out.
    """
    await work.sql(SETTINGS)
    rows = await work.sql(
        SEARCH,
        subject=query.subject.replace("\x00", ""),
        vector="[" + ",".join(f"{number:.5g}" for number in query.vector.tolist()) + "]",
        readers=list(query.readers),
        usecase=query.usecase,
        limit=query.limit,
    )
    return [_passage(row) for row in rows.mappings()]


async def add_upload(work: Work, *, user_id: str, filename: str, media_type: str, content: bytes) -> UUID:
    """Keep the bytes until a job has read them; the document gets the id of the upload."""
    id = uuid4()
    await work.sql(
        "INSERT INTO uploads (id, user_id, filename, media_type, content)"
        " VALUES (:id, :user_id, :filename, :media_type, :content)",
        id=id,
        user_id=user_id,
        filename=filename,
        media_type=media_type,
        content=content,
    )
    return id


async def upload(work: Work, id: UUID) -> Upload | None:
    """Give an upload, or None when a job has read it already."""
    rows = await work.sql("SELECT id, user_id, filename, media_type, content FROM uploads WHERE id = :id", id=id)
    row = rows.mappings().first()
    return Upload(**row) if row else None


async def forget_upload(work: Work, id: UUID) -> None:
    """Delete the bytes of an upload."""
    await work.sql("DELETE FROM uploads WHERE id = :id", id=id)


async def _values(work: Work, facts: Facts) -> dict[str, Any]:
    values = {name: getattr(facts, name) for name in Facts.__slots__ if name != "readers"}
    return values | {"acl_id": await _acl(work, facts.readers)}


async def _acl(work: Work, readers: Sequence[str]) -> int:
    """Give the number of this set of readers; a new set gets a new number."""
    wanted = {"readers": list(normal_readers(readers))}
    find = "SELECT id FROM acls WHERE readers = CAST(:readers AS text[])"
    found = (await work.sql(find, **wanted)).scalar()
    if found is None:
        await work.sql("INSERT INTO acls (readers) VALUES (CAST(:readers AS text[])) ON CONFLICT DO NOTHING", **wanted)
        found = (await work.sql(find, **wanted)).scalar_one()
    return int(found)


def _chunk(facts: Facts, piece: Piece) -> dict[str, Any]:
    # The title stands in every heading, so that its words find every chunk.
    path = [facts.title, *(part for part in piece.heading.split(HEADING_SEPARATOR) if part and part != facts.title)]
    return {
        "heading": HEADING_SEPARATOR.join(path),
        "page": piece.page,
        "text": piece.text,
        "suspicious": piece.suspicious,
        "embedding": piece.embedding,
    }


def _document(row: Any) -> Document:
    facts = {name: row[name] for name in Facts.__slots__} | {"readers": tuple(row["readers"])}
    rest = {name: row[name] for name in Document.__slots__ if name != "facts"}
    return Document(facts=Facts(**facts), **rest)


def _passage(row: Any) -> Passage:
    return Passage(
        chunk_id=row["id"],
        document_id=row["document_id"],
        title=row["title"],
        uri=row["path"],
        text=row["text"],
        score=round(float(row["score"]), 4),
        heading=row["heading"].removeprefix(row["title"]).removeprefix(HEADING_SEPARATOR),
        page=row["page"],
        effective_on=row["effective_on"],
        visible_by=tuple(row["visible_by"]),
        suspicious=row["suspicious"],
    )
