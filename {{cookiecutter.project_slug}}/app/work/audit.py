"""Keeps the audit honest: seals the ledger's turns under the chain, and looks whether anything was changed since."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from app.store import chain, digests
from app.store.audit import SEALED
from app.store.chain import Head, Link, Verdict
from app.store.db import Database
from app.store.digests import Span
from app.telemetry import metrics

log = structlog.get_logger(__name__)
SEAL_S = 60.0
VERIFY_S = 300.0
# A broken chain is looked at again as a whole, in case somebody has put back what was there.
BROKEN_S = 3600.0
WHOLE_S = 20 * 3600.0
# The longest turn takes ten minutes; what appears later was recorded late, or put there.
SETTLED = timedelta(minutes=15)
NEVER_S = 1e9
Tell = Callable[[str], None]


class AuditKeeper:
    """Seals turns about once a minute; verifies what is new every five minutes, and everything once a day."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looked_at = self._sealed_at = -NEVER_S
        # In memory too: who cuts the audit's tail may cut our notes of it as well.
        self._known = Head()

    async def often(self) -> None:
        """Seal and verify what is due; show what the latest verification found."""
        if time.monotonic() - self._sealed_at >= SEAL_S:
            self._sealed_at = time.monotonic()
            await self._seal_when_due()
        async with self._database.work() as work:
            last = await chain.newest(work)
        age_s = _age_s(last)
        if age_s >= VERIFY_S and (last is None or not last.broken):
            last = await self.verify(whole=last is None)
        elif age_s >= BROKEN_S:
            last = await self.verify(whole=True)
        metrics.observe("audit_broken", int(bool(last and last.broken)))
        metrics.observe("audit_verified_age_seconds", _age_s(last))

    async def daily(self) -> None:
        """Seal what was recorded late, whenever it was; verify everything once a day."""
        await self.seal(whole=True)
        async with self._database.work() as work:
            last = await chain.newest(work, whole=True)
        if _age_s(last) >= WHOLE_S:
            await self.verify(whole=True)

    async def seal(self, *, whole: bool = False) -> int:
        """Fingerprint turns that have none yet, of the last quarter of an hour or of all time; gives their number."""
        now, sealed = datetime.now(UTC), 0
        async with self._database.work() as work:
            first = (await digests.oldest(work) or now) if whole else now - SETTLED
        for span in _months(first, now + timedelta(minutes=1)):
            while True:
                async with self._database.work() as work:
                    if not await digests.alone(work):
                        return sealed
                    found = await digests.seal(work, span, late=now - 2 * SETTLED)
                sealed += found
                if found < digests.MOST:
                    break
        return sealed

    async def verify(self, *, whole: bool, known: Sequence[Head] = (), tell: Tell | None = None) -> Verdict:
        """Verify the chain and the turns under it, from the last good verification on or as a whole; keep the verdict.

        `known` are heads that were written down elsewhere: the chain must still hold each.
        """
        async with self._database.work() as work:
            good = await chain.newest(work, good=True)
        noted = good.head if good else Head()
        heads = [head for head in (*known, noted, self._known) if head.seq]
        verdict = await _Verification(self._database, tell).run(Head() if whole else noted, heads, whole=whole)
        async with self._database.work() as work:
            await chain.keep(work, verdict)
        if verdict.broken:
            log.critical("audit.broken", seq=verdict.broken_seq, what=verdict.broken)
        else:
            self._known = max(self._known, verdict.head, key=lambda head: head.seq)
            # Logs leave this machine: whoever keeps them keeps an anchor.
            log.info("audit.verified", head=str(verdict.head), turns=verdict.turns, whole=whole)
        return verdict

    async def _seal_when_due(self) -> None:
        async with self._database.work() as work:
            since_s = await digests.last_sealed_s(work)
        if since_s is None or since_s >= SEAL_S:
            await self.seal()


class _Broken(Exception):
    def __init__(self, what: str, seq: int | None) -> None:
        super().__init__(what)
        self.what, self.seq = what, seq


class _Verification:
    """One walk along the chain, then over the turns that its seals cover."""

    def __init__(self, database: Database, tell: Tell | None) -> None:
        self._database, self._tell = database, tell or (lambda said: None)
        self._entries = self._turns = 0

    async def run(self, since: Head, known: Sequence[Head], *, whole: bool) -> Verdict:
        started, head, fault = time.perf_counter(), since, _Broken("", None)
        try:
            head = await self._chain(since)
            await self._holds(known)
            await self._sealed(since, head)
        except _Broken as broken:
            fault = broken
        return Verdict(
            whole=whole,
            head=head,
            entries=self._entries,
            turns=self._turns,
            ms=(time.perf_counter() - started) * 1000,
            broken=fault.what,
            broken_seq=fault.seq,
            at=datetime.now(UTC),
        )

    async def _chain(self, since: Head) -> Head:
        head = since
        while page := await self._page(head.seq):
            for link in page:
                if fault := link.fault(head):
                    raise _Broken(fault, head.seq + 1 if "missing" in fault else link.seq)
                head = link.head
                self._entries += 1
            self._tell(f"{self._entries} entries follow each other, up to {head.seq}")
        async with self._database.work() as work:
            stray = await chain.outside(work)
        if stray is not None:
            raise _Broken(f"the entry with id {stray} has no place in the chain", None)
        if not head.seq:
            raise _Broken("entry 1 is missing: the audit is empty", 1)
        return head

    async def _holds(self, known: Sequence[Head]) -> None:
        for head in known:
            async with self._database.work() as work:
                found = await chain.hash_at(work, head.seq)
            if found is None:
                raise _Broken(f"entry {head.seq} is missing: it was the newest once, so the end was cut off", head.seq)
            if bytes(found) != head.hash:
                raise _Broken(f"entry {head.seq} is another one than it once was", head.seq)

    async def _sealed(self, since: Head, head: Head) -> None:
        place = since.seq
        while page := await self._page(place, action=SEALED):
            for link in page:
                if link.seq <= head.seq:
                    await self._batch(link)
            place = page[-1].seq

    async def _batch(self, link: Link) -> None:
        async with self._database.work() as work:
            made, count, wrong = await digests.differing(work, link.subject, link.after["columns"])
            unexplained = await digests.unexplained(work, wrong)
            spans = await digests.expired(work) if made.hex() != link.after["digest"] else []
        self._turns += count
        self._tell(f"{self._turns} turns looked at")
        if unexplained:
            one = unexplained[0]
            what = "is gone" if one.gone else "is not what was recorded"
            raise _Broken(f"turn {one.turn_id} {what} (sealed by entry {link.seq})", link.seq)
        whole = _time(link.after["from"]), _time(link.after["to"])
        if made.hex() != link.after["digest"] and not any(
            span.usecases is None and span.since <= whole[0] and whole[1] < span.until for span in spans
        ):
            raise _Broken(f"the fingerprints that entry {link.seq} covers are not those that were made", link.seq)

    async def _page(self, after: int, *, action: str = "") -> list[Link]:
        async with self._database.work() as work:
            return await chain.links(work, after=after, action=action)


def _age_s(verdict: Verdict | None) -> float:
    if verdict is None or verdict.at is None:
        return NEVER_S
    return max(0.0, (datetime.now(UTC) - verdict.at).total_seconds())


def _time(written: str) -> datetime:
    return datetime.fromisoformat(written)


def _months(since: datetime, until: datetime) -> Iterator[Span]:
    """Cut a stretch of time at the ends of months, in UTC: no batch lies in two partitions."""
    start = since.astimezone(UTC)
    while start < until:
        first = start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        end = min((first + timedelta(days=32)).replace(day=1), until)
        yield Span(start, end)
        start = end
