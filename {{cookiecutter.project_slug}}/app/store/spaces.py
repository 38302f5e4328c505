"""The spaces of vectors: which one is searched, which is being built, which is kept for going back.

A space is searched only while it is `active`, and becomes that in one statement, once no chunk is without a vector.
Reads may be anybody's; whoever writes is the role app_ingest.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson

from app.errors import Conflict, NotFound
from app.store.db import Work

Status = Literal["building", "active", "retired"]
# One process at a time decides about spaces; the number is ours alone.
_LOCK = 40_9001
# Making or dropping a table waits for those who write chunks, and everybody else behind it; so not for long.
_LOCK_MS = 3_000
_COLUMNS = "id, name, dimensions, status, maker, made_at, retired_at"


@dataclass(frozen=True, slots=True)
class Space:
    """A space; `maker` holds how its vectors are made, empty for the lexical embedder."""

    id: int
    name: str
    dimensions: int
    status: Status
    maker: Mapping[str, Any]
    made_at: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a space is: `chunks` that there are, `vectors` of them that it holds."""

    space: Space
    chunks: int
    vectors: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A chunk that a space has no vector of yet."""

    chunk_id: int
    usecase: str
    heading: str
    text: str


async def live(work: Work) -> list[Space]:
    """Give the space that is searched, and the one that is being built, if any."""
    rows = await work.sql(f"SELECT {_COLUMNS} FROM spaces WHERE status <> 'retired' ORDER BY id")  # noqa: S608
    return [_space(row) for row in rows.mappings()]


async def every(work: Work) -> list[Standing]:
    """Give every space, the one that is searched first."""
    rows = await work.sql(f"SELECT {_COLUMNS} FROM spaces ORDER BY status, id")  # noqa: S608
    spaces = [_space(row) for row in rows.mappings()]
    chunks = int((await work.sql("SELECT count(*) FROM chunks")).scalar_one())
    counts = [(await work.sql(f"SELECT count(*) FROM vectors_{space.id}")).scalar_one() for space in spaces]  # noqa: S608
    return [Standing(space, chunks, int(count)) for space, count in zip(spaces, counts, strict=True)]


async def named(work: Work, name: str) -> Space:
    """Give the space of this name. Raises NotFound."""
    space = await find(work, name)
    if space is None:
        rows = await work.sql("SELECT name FROM spaces ORDER BY name")
        raise NotFound(f"There is no space {name!r}; there are: {', '.join(rows.scalars())}.")
    return space


async def find(work: Work, name: str) -> Space | None:
    """Give the space of this name, or None."""
    rows = await work.sql(f"SELECT {_COLUMNS} FROM spaces WHERE name = :name", name=name)  # noqa: S608
    row = rows.mappings().first()
    return _space(row) if row else None


async def alone(work: Work) -> None:
    """Let no other process decide about spaces until this transaction is over."""
    await work.sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


async def make(work: Work, name: str, dimensions: int, maker: Mapping[str, Any]) -> Space:
    """Make a space with nothing in it, to be built; the one that was being built is given up."""
    await alone(work)
    await work.sql(f"SET LOCAL lock_timeout = {_LOCK_MS}")
    await _give_up_others(work, name)
    if await find(work, name) is None:
        await work.sql("SELECT make_space(:name, :dimensions)", name=name, dimensions=dimensions)
    await work.sql(
        "UPDATE spaces SET maker = cast(:maker AS jsonb), weight = :weight, retired_at = NULL,"
        " status = CASE status WHEN 'retired' THEN 'building' ELSE status END WHERE name = :name",
        name=name,
        maker=orjson.dumps(maker).decode(),
        # What a real model finds counts as much as what the words find; shared letters count less.
        weight=1.0 if maker else 0.3,
    )
    return await named(work, name)


async def revive(work: Work, space: Space) -> None:
    """Take up a space again that was out of use; it is searched once nothing is missing in it."""
    await alone(work)
    await _give_up_others(work, space.name)
    await work.sql(
        "UPDATE spaces SET status = 'building', retired_at = NULL WHERE id = :id AND status = 'retired'", id=space.id
    )


async def missing(
    work: Work, space: Space, *, after: int = 0, most: int = 1, but: Collection[str] = ()
) -> list[Missing]:
    """Give chunks without a vector in this space, with ids above `after`, in use cases but these."""
    rows = await work.sql(
        "SELECT c.id, c.usecase, c.heading, c.text FROM chunks c WHERE c.id > :after"  # noqa: S608
        " AND c.usecase <> ALL(cast(:but AS text[])) AND NOT EXISTS"
        f" (SELECT FROM vectors_{space.id} v WHERE v.chunk_id = c.id) ORDER BY c.id LIMIT :most",
        after=after,
        most=most,
        but=list(but),
    )
    return [Missing(row.id, row.usecase, row.heading, row.text) for row in rows]


async def todo(work: Work, space: Space | None) -> tuple[int, int]:
    """Count the chunks without a vector, and the characters of their texts; None is a space that nobody made yet."""
    lacks = f" WHERE NOT EXISTS (SELECT FROM vectors_{space.id} v WHERE v.chunk_id = c.id)" if space is not None else ""
    row = (
        await work.sql(
            "SELECT count(*) AS chunks, coalesce(sum(length(heading) + 1 + length(text)), 0) AS chars"  # noqa: S608
            f" FROM chunks c{lacks}"
        )
    ).one()
    return int(row.chunks), int(row.chars)


async def activate(work: Work, space: Space) -> bool:
    """Search this space from now on, unless a chunk has no vector in it; the one before it is kept, out of use.

    Raises Conflict when it is not being built any more.
    """
    await alone(work)
    current = await named(work, space.name)
    if current.status == "active":
        return True
    if current.status != "building":
        raise Conflict(f"The space {space.name!r} is not being built any more.")
    if await missing(work, space):
        return False
    await work.sql("UPDATE spaces SET status = 'retired', retired_at = now() WHERE status = 'active'")
    await work.sql("UPDATE spaces SET status = 'active' WHERE id = :id", id=space.id)
    return True


async def retire(work: Work, name: str) -> Space:
    """Stop building a space. Raises NotFound, and Conflict for the one that is searched."""
    await alone(work)
    space = await named(work, name)
    if space.status == "active":
        raise Conflict(f"{name!r} is searched; activate another space first.")
    await work.sql(
        "UPDATE spaces SET status = 'retired', retired_at = coalesce(retired_at, now()) WHERE id = :id", id=space.id
    )
    return space


async def drop(work: Work, space: Space) -> None:
    """Delete a space that is out of use, with its vectors."""
    await alone(work)
    await work.sql(f"SET LOCAL lock_timeout = {_LOCK_MS}")
    await work.sql("SELECT drop_space(cast(:id AS smallint))", id=space.id)


async def outlived(work: Work, *, days: int) -> Sequence[Space]:
    """Give the spaces that have been out of use for so many days."""
    rows = await work.sql(
        f"SELECT {_COLUMNS} FROM spaces WHERE status = 'retired'"  # noqa: S608
        " AND retired_at < now() - make_interval(days => :days)",
        days=days,
    )
    return [_space(row) for row in rows.mappings()]


async def _give_up_others(work: Work, name: str) -> None:
    await work.sql(
        "UPDATE spaces SET status = 'retired', retired_at = now() WHERE status = 'building' AND name <> :name",
        name=name,
    )


def _space(row: Any) -> Space:
    return Space(**row)
