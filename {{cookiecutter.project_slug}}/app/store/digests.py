"""Fingerprints of the ledger's turns, with their calls: kept beside them, a batch at a time under the audit's chain."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from app.store import audit
from app.store.db import Work
from app.store.plain import as_json

MOST = 5000
# A turn given up for dead may still receive the calls that its process made.
_DIGEST = """sha256(convert_to(jsonb_build_array(
    (SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(to_jsonb(t)) AS e
        WHERE e.key IN (SELECT jsonb_array_elements_text(CAST(:columns AS jsonb) -> 'turns'))),
    (SELECT jsonb_agg((SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(to_jsonb(c)) AS e
        WHERE e.key IN (SELECT jsonb_array_elements_text(CAST(:columns AS jsonb) -> 'calls'))) ORDER BY c.id)
        FROM calls c WHERE c.turn_id = t.id AND c.started_at = t.started_at AND t.outcome <> 'failed_abandoned')
)::text, 'UTF8'))"""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time within one month: from `since` on, before `until`, both UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Differs:
    """A turn that is not what was sealed; `gone` when it has no row any more."""

    turn_id: UUID
    started_at: datetime
    usecase: str
    gone: bool


async def alone(work: Work) -> bool:
    """Say whether nobody else is sealing turns now; holds until the end of this transaction."""
    # Timestamps become text in the digest: in the same zone, always.
    await work.sql("SELECT set_config('TimeZone', 'UTC', true)")
    return bool((await work.sql("SELECT pg_try_advisory_xact_lock(hashtext('audit.seal'))")).scalar_one())


async def seal(work: Work, span: Span, *, late: datetime) -> int:
    """Fingerprint turns of this time that have none yet, up to 5,000, under one entry of the audit; gives their number.

    `late` is the time before which they should have been sealed long ago: the entry counts those.
    """
    columns = await _columns(work)
    batch = uuid4()
    rows = (
        await work.sql(
            "INSERT INTO turn_digests (turn_id, started_at, usecase, batch, digest)"  # noqa: S608 - constants only
            f" SELECT t.id, t.started_at, t.usecase, :batch, {_DIGEST} FROM turns t"
            " WHERE t.started_at >= :since AND t.started_at < :until AND NOT EXISTS (SELECT FROM turn_digests d"
            " WHERE d.turn_id = t.id AND d.started_at = t.started_at AND d.started_at >= :since"
            " AND d.started_at < :until) LIMIT :most RETURNING turn_id, started_at, digest",
            batch=batch,
            columns=as_json(columns),
            since=span.since,
            until=span.until,
            most=MOST,
        )
    ).all()
    if rows:
        times = sorted(row.started_at for row in rows)
        after = {
            "turns": len(rows),
            "from": times[0].isoformat(),
            "to": times[-1].isoformat(),
            "late": sum(time < late for time in times),
            "digest": together([(row.turn_id, bytes(row.digest)) for row in rows]).hex(),
            "columns": columns,
        }
        reason = "the ledger's rows of these turns, as they were recorded"
        await audit.note(
            work, actor="housekeeping", action=audit.SEALED, subject=str(batch), reason=reason, after=after
        )
    return len(rows)


def together(digests: Collection[tuple[UUID, bytes]]) -> bytes:
    """Give the one digest of a batch."""
    said = ",".join(f"{turn_id}:{digest.hex()}" for turn_id, digest in sorted(digests))
    return hashlib.sha256(said.encode()).digest()


async def differing(work: Work, batch: str, columns: dict[str, Any]) -> tuple[bytes, int, list[Differs]]:
    """Give a batch's digest as its rows make it now, their number, and the turns that are not what was sealed."""
    await work.sql("SELECT set_config('TimeZone', 'UTC', true)")
    rows = (
        await work.sql(
            "SELECT d.turn_id, d.started_at, d.usecase, d.digest, now.digest AS found FROM turn_digests d"  # noqa: S608 - constants only
            f" LEFT JOIN LATERAL (SELECT {_DIGEST} AS digest FROM turns t WHERE t.id = d.turn_id"
            " AND t.started_at = d.started_at) AS now ON true WHERE d.batch = CAST(:batch AS uuid)",
            batch=batch,
            columns=as_json(columns),
        )
    ).all()
    made = together([(row.turn_id, bytes(row.digest)) for row in rows])
    wrong = [
        Differs(row.turn_id, row.started_at, row.usecase, row.found is None)
        for row in rows
        if row.found is None or bytes(row.found) != bytes(row.digest)
    ]
    return made, len(rows), wrong


async def unexplained(work: Work, wrong: Sequence[Differs]) -> list[Differs]:
    """Leave out the turns for which the audit says that they were erased, or have expired."""
    if not wrong:
        return []
    rows = await work.sql(
        "SELECT asked.id FROM unnest(CAST(:ids AS text[])) AS asked(id) WHERE EXISTS (SELECT FROM audit a"
        " WHERE a.action = 'turns.erased' AND a.after -> 'turns' ? asked.id)",
        ids=[str(one.turn_id) for one in wrong],
    )
    erased = set(rows.scalars())
    spans = await expired(work)
    return [one for one in wrong if str(one.turn_id) not in erased and not any(span.covers(one) for span in spans)]


@dataclass(frozen=True, slots=True)
class Expired:
    """What retention took away: turns of this time, of all use cases or these; `changed` also those it only blanked."""

    since: datetime
    until: datetime
    usecases: tuple[str, ...] | None
    changed: bool

    def covers(self, one: Differs) -> bool:
        """Say whether this explains what became of a turn."""
        named = self.usecases is None or one.usecase in self.usecases
        return named and self.since <= one.started_at < self.until and (one.gone or self.changed)


async def expired(work: Work) -> list[Expired]:
    """Give what retention took away, by the audit."""
    rows = await work.sql("SELECT after FROM audit WHERE action = 'turns.expired' ORDER BY seq")
    return [
        Expired(
            datetime.fromisoformat(after["from"]),
            datetime.fromisoformat(after["to"]),
            tuple(after["usecases"]) if after.get("usecases") is not None else None,
            bool(after.get("changed")),
        )
        for after in rows.scalars()
    ]


async def _columns(work: Work) -> dict[str, Any]:
    rows = await work.sql(
        "SELECT CAST(table_name AS text) AS of, array_agg(CAST(column_name AS text) ORDER BY column_name) AS names"
        " FROM information_schema.columns WHERE table_schema = 'public' AND table_name IN ('turns', 'calls')"
        " GROUP BY table_name"
    )
    return {row.of: list(row.names) for row in rows}


async def oldest(work: Work) -> datetime | None:
    """Give the time of the ledger's first turn."""
    found: datetime | None = (await work.sql("SELECT min(started_at) FROM turns")).scalar()
    return found


async def last_sealed_s(work: Work) -> float | None:
    """Give the seconds since turns were last sealed; None when they never were."""
    found = (
        await work.sql(
            "SELECT extract(epoch FROM clock_timestamp() - at) FROM audit WHERE action = :sealed"
            " ORDER BY seq DESC LIMIT 1",
            sealed=audit.SEALED,
        )
    ).scalar()
    return None if found is None else float(found)
