"""Sources: which job has one, what goes and what moves when its list is there, and when its time comes again.

Everything here runs as app_ingest, which sees all documents; `seen` and `due` run as app_service.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.access import Access
from app.store.db import Work

# Documents whose rights change, or that go, in one statement: their chunks and vectors follow.
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A source of a use case."""

    usecase: str
    source: str

    @property
    def keys(self) -> dict[str, str]:
        """Give the parameters of a statement about it."""
        return {"usecase": self.usecase, "source": self.source}


@dataclass(frozen=True, slots=True)
class Difference:
    """How many documents stand there, how many of them are listed no more, and how many items are listed."""

    there: int
    gone: int
    listed: int


HERE = "usecase = :usecase AND source = :source"
SAME = "d.usecase = l.usecase AND d.source = l.source AND d.path = l.path"
OF_LIST = "l.usecase = :usecase AND l.source = :source"
_GONE = (
    "d.usecase = :usecase AND d.source = :source"
    f" AND NOT EXISTS (SELECT FROM listed l WHERE {SAME} AND l.acl_id IS NOT NULL)"
)


async def begin(work: Work, place: Place, job_id: UUID) -> bool | None:
    """Take the source for this job: True when its list is complete already, None while another living job has it."""
    rows = await work.sql(
        "INSERT INTO readings AS r (usecase, source, job_id, begun_at) VALUES (:usecase, :source, :job_id, now())"
        " ON CONFLICT (usecase, source) DO UPDATE SET job_id = :job_id, begun_at = now(), ended_at = NULL,"
        " listed_at = CASE WHEN r.job_id = :job_id THEN r.listed_at END,"
        " removed = CASE WHEN r.job_id = :job_id THEN r.removed ELSE 0 END"
        " WHERE r.job_id IS NULL OR r.job_id = :job_id OR NOT EXISTS (SELECT FROM jobs j WHERE j.id = r.job_id"
        "  AND j.status IN ('running', 'cancelling') AND j.lease_until > now())"
        " RETURNING r.listed_at IS NOT NULL AS is_listed",
        **place.keys,
        job_id=job_id,
    )
    row = rows.first()
    if row is None:
        return None
    if not row.is_listed:
        await work.sql(f"DELETE FROM listed WHERE {HERE}", **place.keys)  # noqa: S608 - a constant
    return bool(row.is_listed)


async def alone(work: Work, usecase: str) -> None:
    """Let nobody else write documents of this use case until the commit: triggers keep counts of them in step."""
    await work.sql("SELECT pg_advisory_xact_lock(hashtext('documents'), hashtext(:usecase))", usecase=usecase)


async def access(work: Work, acl_id: int) -> Access:
    """Give the access with this number."""
    rows = await work.sql("SELECT readers, denied, classification, regions FROM acls WHERE id = :id", id=acl_id)
    row = rows.one()
    return Access(tuple(row.readers), tuple(row.denied), row.classification, tuple(row.regions))


async def follow_rights(work: Work, place: Place) -> int:
    """Give some documents the rights and dates that the list gives them; gives how many, 0 when all have theirs."""
    rows = await work.sql(
        f"WITH moving AS (SELECT d.id, l.path, l.acl_id, l.superseded, l.effective_on FROM documents d"  # noqa: S608
        f" JOIN listed l ON {SAME} WHERE {OF_LIST} AND l.acl_id IS NOT NULL AND (d.acl_id, d.superseded,"
        " d.effective_on) IS DISTINCT FROM (l.acl_id, l.superseded, l.effective_on) LIMIT :most),"
        " moved AS (UPDATE documents d SET acl_id = m.acl_id, superseded = m.superseded,"
        " effective_on = m.effective_on, updated_at = now() FROM moving m WHERE d.id = m.id)"
        f" UPDATE listed l SET moved = true FROM moving m WHERE {OF_LIST} AND l.path = m.path RETURNING l.path",
        **place.keys,
        most=AT_ONCE,
    )
    return len(rows.all())


async def supersede(work: Work, place: Place) -> None:
    """Mark what another item of the list replaces."""
    await work.sql(
        f"UPDATE listed l SET superseded = true WHERE {OF_LIST} AND EXISTS (SELECT FROM listed o"  # noqa: S608
        " WHERE o.usecase = l.usecase AND o.source = l.source AND o.supersedes = l.path AND o.supersedes <> ''"
        " AND o.path <> l.path AND o.acl_id IS NOT NULL)",
        **place.keys,
    )


async def difference(work: Work, place: Place) -> Difference:
    """Say how many documents of the source there are, and how many of them are listed no more."""
    there = await work.sql(f"SELECT count(*) FROM documents WHERE {HERE}", **place.keys)  # noqa: S608
    gone = await work.sql(f"SELECT count(*) FROM documents d WHERE {_GONE}", **place.keys)  # noqa: S608
    listed = await work.sql(f"SELECT count(*) FROM listed WHERE {HERE} AND acl_id IS NOT NULL", **place.keys)  # noqa: S608
    return Difference(int(there.scalar_one()), int(gone.scalar_one()), int(listed.scalar_one()))


async def remove_gone(work: Work, place: Place) -> int:
    """Delete some of the documents that are listed no more; gives how many, 0 when none is left."""
    rows = await work.sql(
        f"DELETE FROM documents WHERE id IN (SELECT d.id FROM documents d WHERE {_GONE} LIMIT :most) RETURNING id",  # noqa: S608
        **place.keys,
        most=AT_ONCE,
    )
    removed = len(rows.all())
    if removed:
        await _count_removed(work, place, removed)
    return removed


async def remove(work: Work, place: Place, path: str) -> None:
    """Delete a document that turned out to be gone when it should be read."""
    rows = await work.sql(
        f"DELETE FROM documents WHERE {HERE} AND path = :path RETURNING id",  # noqa: S608
        **place.keys,
        path=path,
    )
    if rows.first():
        await _count_removed(work, place, 1)
    await work.sql(f"DELETE FROM listed WHERE {HERE} AND path = :path", **place.keys, path=path)  # noqa: S608


async def _count_removed(work: Work, place: Place, removed: int) -> None:
    await work.sql(f"UPDATE readings SET removed = removed + :removed WHERE {HERE}", **place.keys, removed=removed)  # noqa: S608


async def end(work: Work, place: Place, job_id: UUID) -> None:
    """Let go of the source and of its list."""
    await work.sql(f"DELETE FROM listed WHERE {HERE}", **place.keys)  # noqa: S608
    await work.sql(
        f"UPDATE readings SET job_id = NULL, listed_at = NULL, ended_at = now() WHERE {HERE} AND job_id = :job_id",  # noqa: S608
        **place.keys,
        job_id=job_id,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """When a source was last read, begun and ended; `is_read_now` while a job is at it."""

    begun_at: datetime | None
    ended_at: datetime | None
    is_read_now: bool


async def seen(work: Work, usecase: str) -> dict[str, Seen]:
    """Give what is known of each source of a use case that was ever read; for app_service too."""
    rows = await work.sql(
        "SELECT r.source, r.begun_at, r.ended_at, EXISTS (SELECT FROM jobs j WHERE j.id = r.job_id"
        " AND j.status IN ('running', 'cancelling')) AS is_read_now FROM readings r WHERE r.usecase = :usecase",
        usecase=usecase,
    )
    return {row.source: Seen(row.begun_at, row.ended_at, row.is_read_now) for row in rows}


async def due(work: Work, place: Place, *, every_s: float) -> bool:
    """Say, once, that it is time to read the source: `every_s` after it was last asked for, and no job is open."""
    rows = await work.sql(
        "INSERT INTO readings AS r (usecase, source, submitted_at) VALUES (:usecase, :source, now())"
        " ON CONFLICT (usecase, source) DO UPDATE SET submitted_at = now()"
        " WHERE coalesce(greatest(r.submitted_at, r.begun_at), '-infinity') < now() - make_interval(secs => :every_s)"
        " AND NOT EXISTS (SELECT FROM jobs j WHERE j.kind = 'ingest' AND j.usecase = :usecase"
        "  AND j.input ->> 'source' = :source AND j.status IN ('queued', 'running', 'cancelling'))"
        " RETURNING true",
        **place.keys,
        every_s=every_s,
    )
    return rows.first() is not None
