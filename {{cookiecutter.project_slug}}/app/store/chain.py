"""The audit's chain, read to be verified: hashes are computed here, from what the rows say, not by the database."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from app.errors import BadInput
from app.store.db import Work

START = bytes(32)
BEGINS = "audit.begins"
_PAGE = 5000
# The same text that the trigger hashes (0015_audit.sql), written out anew.
_SEALED = """jsonb_build_array(seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    actor, action, subject, reason, before, after)::text"""


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain with the hash of the entry that stands there; written as `12:ab34...`."""

    seq: int = 0
    hash: bytes = START

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote. Raises BadInput."""
        seq, _, digest = text.strip().partition(":")
        try:
            found = cls(int(seq), bytes.fromhex(digest))
        except ValueError:
            found = cls()
        if found.seq < 1 or len(found.hash) != len(START):
            raise BadInput(
                f"{text.strip()[:80]!r} is no head of the audit; `app audit anchor` prints one, as in 12:ab34."
            )
        return found


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as the chain sees it; `sealed` is the text that its hash covers."""

    seq: int
    action: str
    subject: str
    after: Any
    previous: bytes
    hash: bytes
    sealed: str

    @property
    def head(self) -> Head:
        """Give the place and hash of this entry."""
        return Head(self.seq, self.hash)

    def fault(self, last: Head) -> str:
        """Say what is wrong with this entry as the one after `last`; empty when nothing is."""
        if self.seq != last.seq + 1:
            return f"entry {last.seq + 1} is missing"
        if self.previous != last.hash:
            return f"entry {self.seq} does not follow the entry before it"
        if chained(last.hash, self.sealed) != self.hash:
            return f"entry {self.seq} is not what was written"
        if self.seq == 1 and self.action != BEGINS:
            return "entry 1 is not the beginning of the chain"
        return ""


def chained(previous: bytes, sealed: str) -> bytes:
    """Give the hash of an entry: SHA-256 over the hash before it and its own text."""
    return hashlib.sha256(previous + sealed.encode()).digest()


async def links(work: Work, *, after: int, action: str = "", most: int = _PAGE) -> list[Link]:
    """Read entries, all or those of one action, in the order of the chain, from the one after this place on."""
    rows = await work.sql(
        f"SELECT seq, action, subject, after, previous, hash, {_SEALED} AS sealed FROM audit"  # noqa: S608 - constants only
        f" WHERE seq > :after {'AND action = :action' if action else ''} ORDER BY seq LIMIT :most",
        after=after,
        most=most,
        **({"action": action} if action else {}),
    )
    return [Link(**row) for row in rows.mappings()]


async def outside(work: Work) -> int | None:
    """Give the id of an entry that has no place in the chain; there is none unless somebody turned the trigger off."""
    found: int | None = (await work.sql("SELECT id FROM audit WHERE seq IS NULL OR hash IS NULL LIMIT 1")).scalar()
    return found


async def head(work: Work) -> Head:
    """Give the newest place of the chain."""
    row = (await work.sql("SELECT seq, hash FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1")).first()
    return Head(row.seq, bytes(row.hash)) if row else Head()


async def hash_at(work: Work, seq: int) -> bytes | None:
    """Give the hash that stands at a place; None when nothing does."""
    found: bytes | None = (await work.sql("SELECT hash FROM audit WHERE seq = :seq", seq=seq)).scalar()
    return found


async def exported(
    work: Work, *, after: int, since: datetime | None, until: datetime | None, most: int = _PAGE
) -> list[dict[str, Any]]:
    """Read a page of entries with their hashes and the very text that was hashed, oldest first."""
    rows = await work.sql(
        "SELECT seq, at, actor, action, subject, reason, before, after, encode(previous, 'hex') AS previous,"  # noqa: S608 - constants only
        f" encode(hash, 'hex') AS hash, {_SEALED} AS sealed FROM audit WHERE seq > :after"
        " AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)"
        " AND (CAST(:until AS timestamptz) IS NULL OR at < :until) ORDER BY seq LIMIT :most",
        after=after,
        since=since,
        until=until,
        most=most,
    )
    return [dict(row) for row in rows.mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification found: up to `head`, so many entries and turns; `broken` is empty when all was well."""

    whole: bool
    head: Head
    entries: int
    turns: int
    ms: float
    broken: str = ""
    broken_seq: int | None = None
    at: datetime | None = None


async def keep(work: Work, verdict: Verdict) -> None:
    """Write down what a verification found."""
    await work.sql(
        "INSERT INTO audit_checks (whole, seq, head, entries, turns, broken, broken_seq, ms)"
        " VALUES (:whole, :seq, :head, :entries, :turns, :broken, :broken_seq, :ms)",
        whole=verdict.whole,
        seq=verdict.head.seq,
        head=verdict.head.hash,
        entries=verdict.entries,
        turns=verdict.turns,
        broken=verdict.broken,
        broken_seq=verdict.broken_seq,
        ms=verdict.ms,
    )


async def newest(work: Work, *, whole: bool = False, good: bool = False) -> Verdict | None:
    """Give what the latest verification found; the latest of everything, or the latest that found nothing wrong."""
    row = (
        await work.sql(
            "SELECT * FROM audit_checks WHERE (whole OR NOT :whole) AND (broken = '' OR NOT :good)"
            " ORDER BY id DESC LIMIT 1",
            whole=whole,
            good=good,
        )
    ).first()
    if row is None:
        return None
    return Verdict(
        whole=row.whole,
        head=Head(row.seq, bytes(row.head)),
        entries=row.entries,
        turns=row.turns,
        ms=row.ms,
        broken=row.broken,
        broken_seq=row.broken_seq,
        at=row.at,
    )
