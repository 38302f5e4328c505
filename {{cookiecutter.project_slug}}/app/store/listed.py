"""What a source lists, kept until each of it has been read: a worker that takes over goes on where another stopped."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.domain.access import Claims
from app.domain.source import Item
from app.store.db import Work
from app.store.documents import MAY_READ, claimed
from app.store.sources import HERE, OF_LIST, SAME, Place

# Outcomes that are named one by one in a job's result; all of them stand in the list of documents.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Todo:
    """A listed item that waits to be read; the last fields say what stands there already, "" where nothing does.

    `is_shown`: whoever asked for the job may read it, and may therefore see its path.
    """

    path: str
    title: str
    media_type: str
    version: str
    language: str
    effective_on: date | None
    superseded: bool
    acl_id: int
    moved: bool
    tries: int
    known: str
    content_hash: str
    stored_title: str
    stored_fault: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Note:
    """What became of an item; `version` of the bytes that its document stands for now, None: as before."""

    path: str
    outcome: str
    detail: str = ""
    version: str | None = None


async def add(work: Work, place: Place, items: Sequence[tuple[Item, int | None]]) -> set[str]:
    """Note what is listed, each item with the number of its access; gives the paths that were listed before."""
    listed = [
        {
            "path": item.path,
            "title": item.title,
            "media_type": item.media_type,
            "version": item.version,
            "language": item.language,
            "effective_on": item.effective_on.isoformat() if item.effective_on else None,
            "supersedes": item.supersedes,
            "acl_id": acl_id,
            "outcome": "unlisted" if acl_id is None else "",
            "detail": item.note,
        }
        for item, acl_id in items
    ]
    rows = await work.sql(
        "INSERT INTO listed (usecase, source, path, title, media_type, version, language, effective_on, supersedes,"
        " acl_id, outcome, detail) SELECT :usecase, :source, path, title, media_type, version, language, effective_on,"
        " supersedes, acl_id, outcome, detail FROM jsonb_to_recordset(CAST(:listed AS jsonb)) AS x (path text,"
        " title text, media_type text, version text, language text, effective_on date, supersedes text, acl_id integer,"
        " outcome text, detail text) ON CONFLICT DO NOTHING RETURNING path",
        **place.keys,
        listed=json.dumps(listed),
    )
    noted = set(rows.scalars())
    paths = [item.path for item, _ in items]
    return {path for path in paths if path not in noted or paths.count(path) > 1}


async def complete(work: Work, place: Place, *, maker: str) -> None:
    """Pass over what the source says is unchanged, and note that the list is complete.

    `maker` stands before every version: another one reads everything again.
    """
    await work.sql(
        "UPDATE listed l SET outcome = CASE WHEN l.moved THEN 'changed' ELSE 'unchanged' END,"  # noqa: S608
        " detail = CASE WHEN d.status = 'failed' THEN d.detail ELSE '' END FROM documents d"
        f" WHERE {SAME} AND {OF_LIST} AND l.outcome = '' AND l.version <> '' AND d.version = :maker || l.version"
        " AND (l.title = '' OR l.title = d.title)",
        **place.keys,
        maker=maker,
    )
    await work.sql(f"UPDATE readings SET listed_at = now() WHERE {HERE}", **place.keys)  # noqa: S608


async def take(
    work: Work, place: Place, *, limit: int, maker: str, claims: Claims, busy: Collection[str]
) -> list[Todo]:
    """Give the next items to read but the `busy` ones; one at whose reading a worker died comes last, and alone."""
    rows = await work.sql(
        "WITH open AS (SELECT path, tries FROM listed WHERE usecase = :usecase AND source = :source AND outcome = ''"  # noqa: S608
        "  AND path <> ALL (CAST(:busy AS text[])) ORDER BY tries, path LIMIT :limit),"
        " next AS (SELECT path FROM open ORDER BY tries, path"
        "  LIMIT CASE WHEN (SELECT min(tries) FROM open) > 0 THEN 1 ELSE :limit END),"
        " taken AS (UPDATE listed l SET tries = tries + 1 FROM next WHERE l.usecase = :usecase"
        "  AND l.source = :source AND l.path = next.path RETURNING l.*)"
        " SELECT t.path, t.title, t.media_type, t.version, t.language, t.effective_on, t.superseded, t.acl_id,"
        " t.moved, t.tries, CASE WHEN starts_with(d.version, :maker) THEN substr(d.version, length(:maker) + 1)"
        " ELSE '' END AS known, coalesce(d.content_hash, '') AS content_hash, coalesce(d.title, '') AS stored_title,"
        " CASE WHEN d.status = 'failed' THEN d.detail ELSE '' END AS stored_fault,"
        f" t.acl_id {MAY_READ} AS is_shown"
        " FROM taken t LEFT JOIN documents d ON d.usecase = t.usecase AND d.source = t.source AND d.path = t.path"
        " ORDER BY t.path",
        **place.keys,
        **claimed(claims),
        limit=limit,
        maker=maker,
        busy=list(busy),
    )
    return [Todo(**row) for row in rows.mappings()]


async def note(work: Work, place: Place, *notes: Note) -> None:
    """Write what became of these items."""
    values = {
        **place.keys,
        "paths": [each.path for each in notes],
        "outcomes": [each.outcome for each in notes],
        "details": [each.detail for each in notes],
        "versions": [each.version for each in notes],
    }
    await work.sql(
        f"UPDATE listed l SET outcome = n.outcome, detail = n.detail FROM {_NOTES} WHERE {OF_LIST} AND l.path = n.path",  # noqa: S608
        **values,
    )
    await work.sql(
        f"UPDATE documents d SET version = n.version FROM {_NOTES} WHERE d.usecase = :usecase"  # noqa: S608
        " AND d.source = :source AND d.path = n.path AND d.version <> n.version",
        **values,
    )


_NOTES = (
    "unnest(CAST(:paths AS text[]), CAST(:outcomes AS text[]), CAST(:details AS text[]), CAST(:versions AS text[]))"
    " AS n (path, outcome, detail, version)"
)


async def counts(work: Work, place: Place) -> dict[str, int]:
    """Count the items of the list by outcome; "" are those that wait."""
    rows = await work.sql(
        f"SELECT outcome, count(*) AS n FROM listed WHERE {HERE} GROUP BY outcome",  # noqa: S608
        **place.keys,
    )
    return {row.outcome: row.n for row in rows}


async def result(work: Work, place: Place, *, claims: Claims) -> dict[str, Any]:
    """Say what became of the list: counts for everybody, paths of failures only to who may read the documents."""
    by_outcome = await counts(work, place)
    removed = await work.sql(f"SELECT removed FROM readings WHERE {HERE}", **place.keys)  # noqa: S608
    failed = await work.sql(
        f"SELECT path, detail, acl_id {MAY_READ} AS is_shown, count(*) OVER () AS n FROM listed"  # noqa: S608
        f" WHERE {HERE} AND acl_id IS NOT NULL AND detail <> '' ORDER BY NOT (acl_id {MAY_READ}), path LIMIT :most",
        **place.keys,
        **claimed(claims),
        most=SHOWN,
    )
    faults = failed.all()
    unlisted = await work.sql(
        f"SELECT path FROM listed WHERE {HERE} AND acl_id IS NULL ORDER BY path LIMIT :most",  # noqa: S608
        **place.keys,
        most=SHOWN,
    )
    return {
        **{name: by_outcome.get(name, 0) for name in ("added", "changed", "unchanged", "unread")},
        "removed": removed.scalar_one(),
        "failed": [{"path": row.path, "detail": row.detail} for row in faults if row.is_shown],
        "failures": faults[0].n if faults else 0,
        "unlisted": list(unlisted.scalars()),
        "left_out": by_outcome.get("unlisted", 0),
    }
