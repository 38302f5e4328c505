"""The auditor's part: look for entries, take them away as a file, check such a file without the database."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.identity import Permission, Principal
from app.errors import BadInput, Forbidden
from app.store import audit, chain
from app.store.audit import Wanted
from app.store.chain import Head, Verdict
from app.store.db import Database


@dataclass(frozen=True, slots=True)
class Standing:
    """The chain's newest place now, what the latest verification found, and the latest of everything."""

    head: Head
    latest: Verdict | None
    whole: Verdict | None


@dataclass(frozen=True, slots=True)
class Auditing:
    """Reads the audit for people: reading and taking away are two permissions."""

    database: Database

    async def found(self, who: Principal, wanted: Wanted, *, limit: int) -> list[dict[str, Any]]:
        """Give the entries that are wanted, the newest first. Raises Forbidden."""
        _needs(who, Permission.READ_AUDIT)
        async with self.database.work() as work:
            return await audit.found(work, wanted, limit=limit)

    async def standing(self, who: Principal) -> Standing:
        """Say how far the chain goes, and what verification found. Raises Forbidden."""
        _needs(who, Permission.READ_AUDIT)
        async with self.database.work() as work:
            return Standing(await chain.head(work), await chain.newest(work), await chain.newest(work, whole=True))

    async def export(
        self, who: Principal, *, since: datetime | None, until: datetime | None, because: str
    ) -> AsyncIterator[str]:
        """Give the entries of this time as lines of JSON with their hashes; the export is an entry itself.

        Raises Forbidden, BadInput.
        """
        _needs(who, Permission.EXPORT_AUDIT)
        if not because.strip():
            said = "Say why you take the audit away (`reason`, or `--because`): it is kept in the audit."
            raise BadInput(said, errors=[{"field": "reason", "wrong": "empty"}])
        span = {"since": since.isoformat() if since else None, "until": until.isoformat() if until else None}
        async with self.database.work() as work:
            await audit.note(work, actor=who.user_id, action="audit.exported", subject="audit",
                             reason=because.strip(), after=span)  # fmt: skip
        return self._lines(since, until)

    async def _lines(self, since: datetime | None, until: datetime | None) -> AsyncIterator[str]:
        after = 0
        while True:
            async with self.database.work() as work:
                rows = await chain.exported(work, after=after, since=since, until=until)
            for row in rows:
                yield json.dumps({**row, "at": row["at"].isoformat()}, ensure_ascii=False) + "\n"
            if not rows:
                return
            after = rows[-1]["seq"]


def check(lines: Iterable[str]) -> tuple[int, str]:
    """Check an export by itself: each entry's hash, that they follow each other, that what is read is what was hashed.

    Gives the number of good entries, and what is wrong with the next one; empty when nothing is.
    """
    last: Head | None = None
    count = 0
    for line in lines:
        try:
            entry = json.loads(line)
            seq, previous, hash_ = entry["seq"], bytes.fromhex(entry["previous"]), bytes.fromhex(entry["hash"])
            sealed = json.loads(entry["sealed"])
        except (ValueError, KeyError, TypeError) as error:
            return count, f"line {count + 1} is no entry of an export: {type(error).__name__}"
        if last and (seq != last.seq + 1 or previous != last.hash):
            return count, f"entry {seq} does not follow entry {last.seq}"
        if chain.chained(previous, entry["sealed"]) != hash_:
            return count, f"entry {seq} is not what was written"
        said = [entry[name] for name in ("actor", "action", "subject", "reason", "before", "after")]
        if sealed[0] != seq or datetime.fromisoformat(sealed[1]) != datetime.fromisoformat(entry["at"]):
            return count, f"entry {seq} says another place or time than was hashed"
        if sealed[2:] != said:
            return count, f"entry {seq} says something else than was hashed"
        last = Head(seq, hash_)
        count += 1
    return count, ""


def _needs(who: Principal, permission: Permission) -> None:
    if not who.may(permission):
        raise Forbidden(f"This needs the permission {permission.value}.")
