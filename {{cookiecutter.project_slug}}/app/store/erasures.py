"""Requests to erase a person: one open at a time for each, and at the end the certificate of what was erased."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from app.errors import NotFound
from app.store.db import Work

_COLUMNS = (
    "id, user_id, requested_by, reason, status, requested_at, finished_at, job_id, pseudonym, documents, counts,"
    " certificate, hash"
)


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request as it stands; pseudonym and documents are empty once it is done."""

    id: UUID
    user_id: str
    requested_by: str
    reason: str
    status: str
    requested_at: datetime
    finished_at: datetime | None
    job_id: UUID
    pseudonym: str
    documents: Sequence[UUID]
    counts: Mapping[str, int]
    certificate: Mapping[str, Any] | None
    hash: str

    @property
    def subject(self) -> str:
        """Name the request as the audit does, without the person."""
        return f"erasure:{self.id}"

    @property
    def is_whole(self) -> bool:
        """Say whether the certificate is as it was written."""
        return self.certificate is not None and digest(self.certificate) == self.hash


def digest(certificate: Mapping[str, Any]) -> str:
    """Give the SHA-256 of a certificate, over its JSON with sorted keys."""
    return sha256(orjson.dumps(certificate, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def open_of(work: Work, user_id: str) -> Erasure | None:
    """Give the request about this person that is not done, and let nobody else open one until the commit."""
    await work.sql("SELECT pg_advisory_xact_lock(hashtext('erasures'), hashtext(:user_id))", user_id=user_id)
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM erasures WHERE user_id = :user_id AND status <> 'done'",  # noqa: S608 - a constant
        user_id=user_id,
    )
    row = rows.mappings().first()
    return Erasure(**row) if row else None


async def add(work: Work, *, user_id: str, by: str, because: str, job_id: UUID) -> UUID:
    """Write a request."""
    id = uuid4()
    await work.sql(
        "INSERT INTO erasures (id, user_id, requested_by, reason, job_id)"
        " VALUES (:id, :user_id, :by, :because, :job_id)",
        id=id,
        user_id=user_id,
        by=by,
        because=because,
        job_id=job_id,
    )
    return id


async def resume(work: Work, id: UUID, *, job_id: UUID) -> None:
    """Give a request that was held, or whose job was given up, to another job."""
    await work.sql("UPDATE erasures SET status = 'queued', job_id = :job_id WHERE id = :id", id=id, job_id=job_id)


async def get(work: Work, id: UUID, *, user_id: str | None = None) -> Erasure:
    """Give a request; with `user_id` only one about this person. Raises NotFound."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM erasures WHERE id = :id"  # noqa: S608 - a constant
        " AND (CAST(:user_id AS text) IS NULL OR user_id = :user_id)",
        id=id,
        user_id=user_id,
    )
    row = rows.mappings().first()
    if row is None:
        raise NotFound("There is no erasure with this id that you may know of.")
    return Erasure(**row)


async def listed(work: Work, *, user_id: str = "", limit: int = 100) -> list[Erasure]:
    """List requests, the newest first; with `user_id` those about one person."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM erasures WHERE :user_id = '' OR user_id = :user_id"  # noqa: S608 - a constant
        " ORDER BY requested_at DESC LIMIT :limit",
        user_id=user_id,
        limit=limit,
    )
    return [Erasure(**row) for row in rows.mappings()]


async def total(work: Work) -> int:
    """Count the requests that were ever made."""
    return int((await work.sql("SELECT count(*) FROM erasures")).scalar_one())


async def waiting(work: Work) -> tuple[float, list[Erasure]]:
    """Give the age in seconds of the oldest request that is not done (0: none), and those that no job works on."""
    rows = await work.sql(
        "SELECT coalesce(extract(epoch FROM now() - min(requested_at)), 0) FROM erasures WHERE status <> 'done'"
    )
    oldest_s = float(rows.scalar_one())
    if not oldest_s:
        return 0.0, []
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM erasures e WHERE e.status <> 'done' AND NOT EXISTS (SELECT FROM jobs j"  # noqa: S608
        " WHERE j.id = e.job_id AND j.status IN ('queued', 'running')) ORDER BY requested_at LIMIT 50"
    )
    return oldest_s, [Erasure(**row) for row in rows.mappings()]


async def begin(work: Work, id: UUID) -> Erasure:
    """Mark a request as running, with the pseudonym that it keeps however often it is taken up again."""
    await work.sql(
        "UPDATE erasures SET status = 'running',"
        " pseudonym = CASE WHEN pseudonym = '' THEN :pseudonym ELSE pseudonym END WHERE id = :id AND status <> 'done'",
        id=id,
        pseudonym=f"erased:{uuid4().hex}",
    )
    return await get(work, id)


async def hold(work: Work, id: UUID) -> None:
    """Mark a request as stopped by a legal hold."""
    await work.sql("UPDATE erasures SET status = 'held' WHERE id = :id AND status <> 'done'", id=id)


async def count(work: Work, id: UUID, counts: Mapping[str, int]) -> None:
    """Add to what was erased, in the transaction that erases it."""
    statement = text(
        "UPDATE erasures e SET counts = e.counts || (SELECT coalesce(jsonb_object_agg("
        "   new.key, new.value::bigint + coalesce((e.counts ->> new.key)::bigint, 0)), '{}')"
        " FROM jsonb_each_text(:counts) AS new) WHERE e.id = :id"
    ).bindparams(bindparam("counts", type_=JSONB))
    await work.run(statement, {"id": id, "counts": dict(counts)})


async def note_documents(work: Work, id: UUID, documents: Sequence[UUID]) -> None:
    """Remember which documents went: what quotes them goes after them."""
    await work.sql(
        "UPDATE erasures SET documents = documents || CAST(:documents AS uuid[]) WHERE id = :id",
        id=id,
        documents=list(documents),
    )


async def certify(work: Work, id: UUID, certificate: Mapping[str, Any]) -> str:
    """Write the certificate and forget the pseudonym; gives the certificate's hash."""
    hashed = digest(certificate)
    statement = text(
        "UPDATE erasures SET status = 'done', finished_at = now(), certificate = :certificate, hash = :hash,"
        " pseudonym = '', documents = '{}' WHERE id = :id"
    ).bindparams(bindparam("certificate", type_=JSONB))
    await work.run(statement, {"id": id, "certificate": dict(certificate), "hash": hashed})
    return hashed
