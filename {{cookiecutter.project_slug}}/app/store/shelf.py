"""The documents that somebody may read, found by words of title and path; row-level security holds the same below."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.access import Access, Claims
from app.store.db import Work
from app.store.documents import MAY_READ, Document, Facts, claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which documents: "" is any; every word of `text` stands in the title or the path."""

    text: str = ""
    usecase: str = ""
    source: str = ""
    status: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """So many documents of a source may be read; `failed` of them could not be read into pieces."""

    usecase: str
    source: str
    documents: int
    failed: int


async def found(work: Work, wanted: Wanted, *, claims: Claims, limit: int, offset: int = 0) -> Sequence[Document]:
    """List documents by title."""
    conditions, values = _conditions(wanted)
    rows = await work.sql(
        f"SELECT d.id, d.usecase, d.source, d.path, d.title, a.readers, a.denied, a.classification, a.regions,"  # noqa: S608
        " d.media_type, d.effective_on, d.superseded, d.owner, d.status, d.detail, d.content_hash, d.updated_at"
        " FROM documents d JOIN acls a ON a.id = d.acl_id"
        f" WHERE d.acl_id {MAY_READ}{conditions} ORDER BY d.title, d.id LIMIT :limit OFFSET :offset",
        **values,
        **claimed(claims),
        limit=limit,
        offset=offset,
    )
    shown = []
    for row in rows.mappings():
        access = Access(tuple(row["readers"]), tuple(row["denied"]), row["classification"], tuple(row["regions"]))
        facts = {name: row[name] for name in Facts.__slots__ if name != "access"}
        rest = {name: row[name] for name in Document.__slots__ if name != "facts"}
        shown.append(Document(facts=Facts(**facts, access=access), **rest))
    return shown


async def counts(work: Work, *, claims: Claims) -> Sequence[Count]:
    """Count by use case and source."""
    rows = await work.sql(
        "SELECT d.usecase, d.source, count(*) AS documents, count(*) FILTER (WHERE d.status = 'failed') AS failed"  # noqa: S608
        f" FROM documents d WHERE d.acl_id {MAY_READ} GROUP BY 1, 2 ORDER BY 1, 2",
        **claimed(claims),
    )
    return [Count(**row) for row in rows.mappings()]


def _conditions(wanted: Wanted) -> tuple[str, dict[str, str]]:
    values = {name: getattr(wanted, name) for name in ("usecase", "source", "status", "owner") if getattr(wanted, name)}
    conditions = [f"d.{name} = :{name}" for name in values]
    for place, word in enumerate(wanted.text.lower().split()[:8]):
        conditions.append(f"position(:word{place} IN lower(d.title || ' ' || d.path)) > 0")
        values[f"word{place}"] = word
    return "".join(f" AND {condition}" for condition in conditions), values
