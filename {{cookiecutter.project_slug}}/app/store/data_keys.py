"""The data keys in the database: made, wrapped anew, retired; and how far the rows are sealed under the newest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, tuple_

from app.errors import Conflict, Unsealable
from app.store.db import Work
from app.store.plain import as_json
from app.store.sealed import PLAIN_INPUT, Field
from app.store.sealing import FRESH_S, Seals, Wrapped
from app.store.tables import metadata

# Every process knows a new key well before it seals with it.
USABLE_AFTER_S = 3 * FRESH_S
# Rows are sealed anew once every process seals with the new key.
SETTLED_S = 2 * FRESH_S
# Any constant: one rotation at a time.
_LOCK = 7_214_202


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key without the key; `is_settled` once every process seals with it, if it is the newest."""

    id: int
    wrapped_by: str
    made_at: datetime
    usable_from: datetime
    is_usable: bool
    is_settled: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a field is sealed anew: rows changed, rows that did not open, and whether all have been seen."""

    field: str
    rows: int
    unreadable: int
    is_over: bool
    after: tuple[str, ...] = ()


async def listed(work: Work) -> list[DataKey]:
    """List the data keys that are not retired, the oldest first."""
    rows = await work.sql(
        "SELECT id, wrapped_by, made_at, usable_from, usable_from <= now() AS is_usable,"
        " usable_from <= now() - make_interval(secs => :settled_s) AS is_settled"
        " FROM data_keys WHERE retired_at IS NULL ORDER BY id",
        settled_s=SETTLED_S,
    )
    return [DataKey(**row) for row in rows.mappings()]


async def add(work: Work) -> int:
    """Make a data key that will be used when every process knows it; gives its number. Raises Conflict, Unsealable."""
    if work.seals.wrapping is None:
        raise Unsealable("There is no key-encryption key; set APP_DATA_KEYS.")
    await work.sql("SELECT pg_advisory_xact_lock(:lock)", lock=_LOCK)
    known = await listed(work)
    if len(known) > 1:
        raise Conflict("A rotation is under way already; `app seal status` says how far it is.")
    id = 1 + int((await work.sql("SELECT coalesce(max(id), 0) FROM data_keys")).scalar_one())
    made = work.seals.wrapping.wrap(id, AESGCM.generate_key(256))
    await work.sql(
        "INSERT INTO data_keys (id, wrapped_by, wrapped, usable_from)"
        " VALUES (:id, :by, :key, now() + make_interval(secs => :after_s))",
        id=id,
        by=made.by,
        key=made.key,
        after_s=USABLE_AFTER_S if known else 0,
    )
    return id


async def rewrap(work: Work) -> int:
    """Wrap every data key under the first key-encryption key; gives how many were not. Raises Unsealable."""
    wrapping = work.seals.wrapping
    if wrapping is None:
        raise Unsealable("There is no key-encryption key; set APP_DATA_KEYS.")
    rows = (await work.sql("SELECT id, wrapped_by, wrapped FROM data_keys WHERE retired_at IS NULL FOR UPDATE")).all()
    changed = 0
    for row in rows:
        if row.wrapped_by == wrapping.first:
            continue
        key = wrapping.unwrap(Wrapped(row.id, row.wrapped_by, bytes(row.wrapped)))
        if key is None:
            raise Unsealable(
                f"Data key {row.id} is wrapped by {row.wrapped_by}, which is not in APP_DATA_KEYS; add that key to its"
                " end. Nothing was changed."
            )
        made = wrapping.wrap(row.id, key)
        await work.sql(
            "UPDATE data_keys SET wrapped_by = :by, wrapped = :key WHERE id = :id", id=row.id, by=made.by, key=made.key
        )
        changed += 1
    return changed


async def retire(work: Work, id: int) -> None:
    """Forget a data key for good: nothing is sealed with it any more."""
    await work.sql("UPDATE data_keys SET retired_at = now(), wrapped = '' WHERE id = :id", id=id)


async def is_used(work: Work, id: int, field: Field) -> bool:
    """Say whether a row of this field is still sealed with this key; reads the whole table when none is."""
    table, head = metadata.tables[field.table], f"sealed:{id}:"
    where = {
        "text": f"{field.column} LIKE :head",
        # A text in jsonb is written with its quotes.
        "json": f"CAST({field.column} AS text) LIKE '\"' || :head",
        "input": f"{field.column} ->> 'sealed' LIKE :head",
        "bytes": f"substring({field.column} FOR length(:head) - 1) = convert_to(rtrim(:head, '%'), 'UTF8')",
    }[field.kind]
    rows = await work.sql(f"SELECT EXISTS (SELECT FROM {table.name} WHERE {where})", head=head + "%")  # noqa: S608
    return bool(rows.scalar_one())


async def progress(work: Work, key: int, *, field: str = "") -> list[Progress]:
    """Say how far each field is, or this one; the one asked for is locked, unless another process holds it."""
    statement = (
        "SELECT field, rows, unreadable, ended_at IS NOT NULL AS is_over, after FROM resealing"
        " WHERE data_key = :key AND (:field = '' OR field = :field) ORDER BY field"
    )
    rows = await work.sql(statement + (" FOR UPDATE SKIP LOCKED" if field else ""), key=key, field=field)
    return [Progress(row.field, row.rows, row.unreadable, row.is_over, tuple(row.after)) for row in rows]


async def begin(work: Work, key: int, field: str) -> None:
    """Begin with a field, or begin it again when a row came in behind."""
    await work.sql(
        "INSERT INTO resealing (data_key, field) VALUES (:key, :field) ON CONFLICT (data_key, field)"
        " DO UPDATE SET after = '[]', ended_at = NULL WHERE resealing.ended_at IS NOT NULL",
        key=key,
        field=field,
    )


async def go_on(work: Work, key: int, field: Field, *, was: Progress, most: int) -> bool:
    """Seal the next rows of a field anew in this transaction; False when there are no more."""
    table = metadata.tables[field.table]
    keys = [table.c[name] for name in field.keys]
    wanted = dict.fromkeys((*field.keys, *field.needed, field.column))
    statement = select(*(table.c[name] for name in wanted)).order_by(*keys).limit(most)
    if was.after:
        values = [column.type.python_type(value) for column, value in zip(keys, was.after, strict=True)]
        statement = statement.where(tuple_(*keys) > tuple_(*values))
    rows = [dict(row) for row in (await work.run(statement)).mappings()]
    done = [await _sealed_anew(work, field, row) for row in rows]
    await work.sql(
        "UPDATE resealing SET after = CAST(:after AS jsonb), rows = rows + :rows,"
        " unreadable = unreadable + :unreadable,"
        " ended_at = CASE WHEN :over THEN now() END WHERE data_key = :key AND field = :field",
        after=as_json([str(rows[-1][name]) for name in field.keys] if rows else list(was.after)),
        rows=done.count(True),
        unreadable=done.count(None),
        over=len(rows) < most,
        key=key,
        field=field.name,
    )
    return len(rows) == most


async def _sealed_anew(work: Work, field: Field, row: Mapping[str, Any]) -> bool | None:
    """Say whether the row was changed; None when it does not open."""
    before = row[field.column]
    if not before or _is_current(work.seals, field, before):
        return False
    try:
        after = field.closed(work.seals, {**row, field.column: field.opened(work.seals, row)})
    except Unsealable:
        return None
    table = metadata.tables[field.table]
    statement = table.update().where(*(table.c[name] == row[name] for name in field.keys))
    # Whoever changed it meanwhile has sealed it with a key of today.
    changed = await work.run(statement.where(table.c[field.column] == before), {field.column: after})
    return bool(changed.rowcount)


def _is_current(seals: Seals, field: Field, value: Any) -> bool:
    head = f"sealed:{seals.current}:"
    if field.kind == "bytes":
        return bytes(value).startswith(head.encode())
    if field.kind == "input":
        return set(value) <= set(PLAIN_INPUT) or str(value.get("sealed", "")).startswith(head)
    return isinstance(value, str) and value.startswith(head)
