"""The groups of the company's directory, as the last sync that went well left them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.store.db import Work


@dataclass(frozen=True, slots=True)
class Known:
    """What the directory says of a person and of some groups: `parents` holds each listed one with those above it."""

    groups: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Whole:
    """All that the directory says: each person's groups, nesting included, and the groups above each listed one."""

    people: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, tuple[str, ...]]

    def of_person(self, user_id: str, groups: Iterable[str]) -> Known:
        """Give what `of_person` gives."""
        listed = {name: self.parents[name] for name in groups if name in self.parents}
        return Known(self.people.get(user_id, ()), listed)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the copy stands; `error` is what went wrong since, `tried_at` and `synced_at` are None before the first."""

    groups: int
    people: int
    gone: int
    tried_at: datetime | None
    synced_at: datetime | None
    age_s: float | None
    error: str


async def of_person(work: Work, user_id: str, *, groups: Iterable[str]) -> Known:
    """Give the person's groups, nesting included, and which of the named groups the directory has ever listed."""
    row = (
        await work.sql(
            "SELECT (SELECT groups FROM directory_people WHERE user_id = :user_id) AS of_person,"
            " (SELECT coalesce(json_object_agg(name, parents), '{}') FROM directory_groups"
            "  WHERE name = ANY(CAST(:names AS text[]))) AS listed",
            user_id=user_id,
            names=list(groups),
        )
    ).one()
    return Known(tuple(row.of_person or ()), {name: tuple(above) for name, above in row.listed.items()})


async def whole(work: Work) -> Whole:
    """Give everything, to look many people up at once."""
    people = await work.sql("SELECT user_id, groups FROM directory_people")
    groups = await work.sql("SELECT name, parents FROM directory_groups")
    return Whole({row.user_id: tuple(row.groups) for row in people}, {row.name: tuple(row.parents) for row in groups})


async def replace(
    work: Work,
    *,
    parents: Mapping[str, Iterable[str]],
    people: Mapping[str, Iterable[str]],
    hash_: str,
    names: Mapping[str, str] | None = None,
) -> None:
    """Put a new copy in place of the old one: the groups with those above each, each person's groups and name.

    A group that is listed no longer stays known as gone, without members, so that no token brings it back.
    """
    groups = [{"name": name, "parents": sorted(above)} for name, above in parents.items()]
    await work.sql(
        "WITH listed AS (SELECT * FROM jsonb_to_recordset(CAST(:groups AS jsonb)) AS l(name text, parents text[])),"
        " left_out AS (UPDATE directory_groups g SET gone = true, parents = '{}'"
        "  WHERE NOT EXISTS (SELECT FROM listed WHERE listed.name = g.name) AND NOT (g.gone AND g.parents = '{}'))"
        " INSERT INTO directory_groups (name, parents) SELECT name, parents FROM listed"
        " ON CONFLICT (name) DO UPDATE SET parents = excluded.parents, gone = false",
        groups=orjson.dumps(groups).decode(),
    )
    rows = [
        {"user_id": user_id, "groups": sorted(held), "name": (names or {}).get(user_id, "")}
        for user_id, held in people.items()
    ]
    await work.sql(
        "WITH listed AS (SELECT * FROM jsonb_to_recordset(CAST(:people AS jsonb))"
        " AS l(user_id text, groups text[], name text)),"
        " left_out AS (DELETE FROM directory_people p"
        "  WHERE NOT EXISTS (SELECT FROM listed WHERE listed.user_id = p.user_id))"
        " INSERT INTO directory_people (user_id, groups, name) SELECT user_id, groups, name FROM listed"
        " ON CONFLICT (user_id) DO UPDATE SET groups = excluded.groups, name = excluded.name",
        people=orjson.dumps(rows).decode(),
    )
    await work.sql("UPDATE directory_state SET hash = :hash, synced_at = now(), error = ''", hash=hash_)


async def names(work: Work) -> list[str]:
    """Give what the directory calls its people, where it says so."""
    rows = await work.sql("SELECT name FROM directory_people WHERE name <> '' ORDER BY name")
    return [str(row.name) for row in rows]


async def due(work: Work, *, every_s: float) -> bool:
    """Take the turn to sync, when the last attempt is so long ago; of several that ask at once, one gets it."""
    taken = await work.sql(
        "UPDATE directory_state SET tried_at = now()"
        " WHERE tried_at IS NULL OR tried_at < now() - make_interval(secs => :every_s) RETURNING one",
        every_s=every_s,
    )
    return taken.first() is not None


async def hash_of(work: Work) -> str:
    """Give the hash of the document that the copy was made of."""
    return str((await work.sql("SELECT hash FROM directory_state")).scalar_one())


async def unchanged(work: Work) -> None:
    """Note that the directory says what it said before."""
    await work.sql("UPDATE directory_state SET synced_at = now(), error = ''")


async def failed(work: Work, error: str) -> None:
    """Note why the directory could not be read; the copy holds."""
    await work.sql("UPDATE directory_state SET error = :error", error=error)


async def standing(work: Work) -> Standing:
    """Say how the copy stands."""
    row = (
        (
            await work.sql(
                "SELECT tried_at, synced_at, error, CAST(extract(epoch FROM now() - synced_at) AS float) AS age_s,"
                " (SELECT count(*) FROM directory_groups WHERE NOT gone) AS groups,"
                " (SELECT count(*) FROM directory_groups WHERE gone) AS gone,"
                " (SELECT count(*) FROM directory_people) AS people FROM directory_state"
            )
        )
        .mappings()
        .one()
    )
    return Standing(**row)


async def release(work: Work, group: str) -> bool:
    """Forget a group that the directory has dropped, so that tokens speak for it again; False when there is none."""
    gone = await work.sql("DELETE FROM directory_groups WHERE name = :name AND gone RETURNING name", name=group)
    return gone.first() is not None


async def keep_levels(work: Work, levels: Iterable[str]) -> bool:
    """Make the table of classifications say what config/roles.toml says; False when it did already."""
    wanted: dict[str, Any] = {"names": list(levels)}
    same = await work.sql(
        "SELECT coalesce(array_agg(name ORDER BY level), '{}') = CAST(:names AS text[]) FROM classifications", **wanted
    )
    if same.scalar_one():
        return False
    await work.sql("DELETE FROM classifications WHERE name <> ALL (CAST(:names AS text[]))", **wanted)
    await work.sql(
        "INSERT INTO classifications (name, level)"
        " SELECT name, place - 1 FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS l(name, place)"
        " ON CONFLICT (name) DO UPDATE SET level = excluded.level",
        **wanted,
    )
    return True
