"""Restrictions: who may not ask for a while, or not come in at all.

The table is the truth, Redis tells every process at once, a poll stands behind the broadcast. A process that loses both
keeps what it knew.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Network, ip_address, ip_network
from typing import get_args
from uuid import UUID, uuid4

import structlog

from app.control.addresses import V6_PREFIX
from app.domain.identity import Principal
from app.errors import BadInput, Restricted, quoted
from app.store import restrictions as table
from app.store.background import ended, fault
from app.store.broadcast import Broadcast, follow
from app.store.db import Database
from app.store.restrictions import Cause, Restriction, What
from app.telemetry import metrics

log = structlog.get_logger(__name__)
CHANNEL = "restrictions"
KINDS = ("user", "key", "address")
# Without an end, come back when an operator has decided: there is no telling when.
LATER_S = 3600
MOST_MINUTES = 60 * 24 * 366


class Restrictions:
    """Those in force, as this process knows them."""

    def __init__(self, database: Database, broadcast: Broadcast, *, poll_s: float) -> None:
        self._database, self._broadcast, self._poll_s = database, broadcast, poll_s
        self._known: Mapping[str, Restriction] = {}
        self._networks: tuple[Restriction, ...] = ()
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read all, and go on listening; a database that is away does not stop the start."""
        try:
            await self.refresh()
        except Exception as error:
            log.error("restrictions.unknown", error=fault(error))
        self._following = asyncio.create_task(follow(self._broadcast, CHANNEL, self.refresh, poll_s=self._poll_s))

    async def stop(self) -> None:
        """Stop listening."""
        if self._following:
            await ended(self._following)

    async def refresh(self) -> None:
        """Read those that stand."""
        async with self._database.work() as work:
            found = await table.standing(work)
        self._known = {one.subject: one for one in found}
        self._networks = tuple(one for one in found if one.subject.startswith("address:") and "/" in one.subject)

    def observe(self) -> None:
        """Show how many hold now."""
        now = datetime.now(UTC)
        standing = [one for one in self._known.values() if _stands(one, now)]
        for cause in get_args(Cause):
            metrics.observe("restrictions_active", sum(one.cause == cause for one in standing), cause=cause)

    def ensure_address(self, address: str) -> None:
        """Refuse an address that may not come in. Raises Restricted."""
        if not address or not self._known:
            return
        self._refuse(self._known.get(f"address:{address}"), asks=False)
        for one in self._networks:
            if ip_address(address) in ip_network(one.subject.removeprefix("address:")):
                self._refuse(one, asks=False)

    def ensure_person(self, who: Principal, *, asks: bool) -> None:
        """Refuse a person or key that may not come in, or may not ask. Raises Restricted."""
        if not self._known:
            return
        self._refuse(self._known.get(f"user:{who.user_id}"), asks=asks)
        if who.key_id:
            self._refuse(self._known.get(f"key:{who.key_id}"), asks=asks)

    def _refuse(self, found: Restriction | None, *, asks: bool) -> None:
        if found is None or not (asks or found.what == "everything") or not _stands(found, datetime.now(UTC)):
            return
        raise _refusal(found)

    async def restrict(
        self, subject: str, *, what: What = "ask", minutes: int | None, by: str, because: str, cause: Cause = "operator"
    ) -> Restriction:
        """Keep a `user:`, `key:` or `address:` (one, or a network) from asking or from everything.

        Without `minutes` it stands until lifted. Raises BadInput for an unknown form or an empty reason.
        """
        made = new(subject, what=what, minutes=minutes, by=by, because=because, cause=cause)
        async with self._database.work() as work:
            await table.put(work, made)
        await self.tell()
        return made

    async def lift(self, restriction_id: UUID, *, by: str, because: str) -> str:
        """End one; gives whose it was. Raises NotFound, and BadInput for an empty reason."""
        async with self._database.work() as work:
            subject = await table.lift(work, restriction_id, by=by, because=_reason(because))
        await self.tell()
        return subject

    async def tell(self) -> None:
        """Have every process read them now."""
        await self._broadcast.publish(CHANNEL, "")
        await self.refresh()


def new(subject: str, *, what: What, minutes: int | None, by: str, because: str, cause: Cause) -> Restriction:
    """Make a restriction that begins now. Raises BadInput."""
    now = datetime.now(UTC)
    if minutes is not None and not 0 < minutes <= MOST_MINUTES:
        raise BadInput(f"`minutes` is {minutes}; allowed: 1 to {MOST_MINUTES}, or left out: until it is lifted.")
    until = now + timedelta(minutes=minutes) if minutes is not None else None
    return Restriction(uuid4(), _subject(subject), what, cause, _reason(because), by, now, until)


def _subject(written: str) -> str:
    kind, _, name = written.strip().partition(":")
    if kind not in KINDS or not name.strip() or "\x00" in name:
        raise BadInput(
            f"The subject {quoted(written)} names nobody; write user:<id>, key:<id> or address:<one, or a network>.",
            errors=[{"field": "subject", "wrong": "unknown form"}],
        )
    if kind != "address":
        return f"{kind}:{name.strip()}"
    try:
        found = ip_network(name.strip(), strict=False)
    except ValueError as error:
        raise BadInput(f"The subject {quoted(name)} is no address and no network.") from error
    if isinstance(found, IPv6Network) and found.prefixlen > V6_PREFIX:
        # Whoever has one address of such a network has all of them.
        found = found.supernet(new_prefix=V6_PREFIX)
    return f"address:{found.network_address if found.num_addresses == 1 else found}"


def _reason(written: str) -> str:
    if not written.strip():
        raise BadInput("Say why: the reason is kept with the change.", errors=[{"field": "reason", "wrong": "empty"}])
    return written.strip()


def _stands(one: Restriction, now: datetime) -> bool:
    return one.until is None or one.until > now


def _refusal(found: Restriction) -> Restricted:
    """Say until when and what to do; an operator's words are for colleagues, not for the person."""
    kind = found.subject.partition(":")[0]
    whose = {"user": "You", "key": "This key", "address": "Your address"}[kind]
    may_not = "may not ask" if found.what == "ask" else "may not use this service"
    left_s = int((found.until - datetime.now(UTC)).total_seconds()) + 1 if found.until else LATER_S
    until = f"until {found.until:%Y-%m-%d %H:%M} UTC" if found.until else "until an operator lifts it"
    why = ": spending rose suddenly, far above what is usual" if found.cause == "spike" else ""
    return Restricted(
        f"{whose} {may_not} {until}{why}. If this is wrong, turn to the people who run this service.",
        retry_after_s=max(1, left_s),
        restriction={
            "what": found.what,
            "cause": found.cause,
            "until": found.until.isoformat() if found.until else None,
        },
    )
