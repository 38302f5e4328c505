"""Addresses: where a request comes from, and how much may come from there before anybody is asked who they are.

A request is judged in this process, without waiting. Some times a second the processes add up in Redis what they saw,
and each keeps out for a while who has sent too much to all of them together.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog

from app.control.allowed import MINUTE_S, AddressCeilings
from app.control.limits import over
from app.domain.quota import Quota
from app.errors import CannotStart, OverRate
from app.store.limits import Counter, Reading, SharedCounters, named
from app.store.limits_local import LocalCounters
from app.store.shared import CLOSE_S, Shared, SharedAway
from app.telemetry import metrics

log = structlog.get_logger(__name__)
# How often processes add up; so long an address may send too much to several of them.
SHARE_S = 0.25
# Longer ones are no chain of proxies.
MOST_HOPS = 10
# One household or server has a whole network of this length.
V6_PREFIX = 64
Network = IPv4Network | IPv6Network


def networks(written: str) -> tuple[Network, ...]:
    """Read networks parted by commas. Raises CannotStart for anything else."""
    try:
        return tuple(ip_network(one.strip()) for one in written.split(",") if one.strip())
    except ValueError as error:
        raise CannotStart(
            f"- APP_TRUSTED_PROXIES: {error}; write networks such as 10.0.0.0/8, parted by commas"
        ) from error


class Addresses:
    """Tells the visitor's address from its proxies', and counts requests and failed sign-ins of each."""

    def __init__(self, ceilings: AddressCeilings, shared: Shared, trusted: Sequence[Network] = ()) -> None:
        self._ceilings, self._trusted = ceilings, tuple(trusted)
        self._shared, self._local = SharedCounters(shared), LocalCounters()
        # By the key of a counter: what this process has seen since the last trip, and until when all refuse.
        self._unshared: dict[str, tuple[Counter, int]] = {}
        self._kept_out: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._warned = False
        self.visitor = lru_cache(maxsize=10_000)(self._visitor)

    def _visitor(self, peer: str, forwarded: str) -> str:
        """Give the visitor's address: the last that no trusted proxy has; "" for one that is exempt or unknown.

        Of an IPv6 address the network counts. `forwarded` is the X-Forwarded-For; only trusted peers are believed.
        """
        found = _address(peer)
        if forwarded and found and not _within(found, self._trusted):
            self._warn_of(found)
        for hop in reversed(forwarded.split(",")[-MOST_HOPS:] if forwarded else ()):
            if found is None or not _within(found, self._trusted) or not (before := _address(hop.strip())):
                break
            found = before
        if found is None or _within(found, self._ceilings.exempt):
            return ""
        if isinstance(found, IPv6Address):
            return str(IPv6Network((found, V6_PREFIX), strict=False).network_address)
        return str(found)

    def trusts(self, peer: str) -> bool:
        """Say whether a peer is a proxy of ours."""
        return bool(self._trusted) and (found := _address(peer)) is not None and _within(found, self._trusted)

    def enter(self, address: str) -> Quota | None:
        """Count a request; gives what is left of the address' limit, if it has one. Raises OverRate."""
        if not address:
            return None
        if (failures := self._failures(address)) and (again_s := self._again_s(failures)):
            raise _refused("failures", failures.most, again_s)
        most = self._ceilings.requests_per_minute
        if most is None:
            return None
        counter = Counter(named("address", "requests", address), most, MINUTE_S)
        if again_s := self._again_s(counter):
            raise _refused("requests", most, again_s)
        (reading,) = self._local.take([counter])
        self._share(counter)
        return Quota("address", "requests", most, MINUTE_S, max(0, reading.left), max(1, math.ceil(reading.again_s)))

    def failed(self, address: str) -> None:
        """Count a sign-in that failed, or a token that was wrong."""
        if address and (counter := self._failures(address)):
            self._local.add([counter])
            self._share(counter)

    async def close(self) -> None:
        """Share what is left."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=CLOSE_S)

    def _failures(self, address: str) -> Counter | None:
        most = self._ceilings.failed_sign_ins_per_minute
        return Counter(named("address", "failures", address), most, MINUTE_S) if most else None

    def _again_s(self, counter: Counter) -> float:
        """Give the seconds for which the counter refuses, here or everywhere; 0 when it does not."""
        reading = self._local.read(counter)
        until = self._kept_out.get(counter.key, 0.0) - time.monotonic()
        return max(reading.again_s if reading.is_full else 0.0, until, 0.0)

    def _share(self, counter: Counter) -> None:
        _, seen = self._unshared.get(counter.key, (counter, 0))
        self._unshared[counter.key] = counter, seen + 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._add_up())

    async def _add_up(self) -> None:
        try:
            while self._unshared:
                await asyncio.sleep(SHARE_S)
                seen, self._unshared = list(self._unshared.values()), {}
                try:
                    readings = await self._shared.add(
                        [Counter(one.key, one.most, one.window_s, units=units) for one, units in seen]
                    )
                except SharedAway:
                    continue
                self._follow([one for one, _ in seen], readings)
        finally:
            self._task = None

    def _follow(self, counters: Sequence[Counter], readings: Sequence[Reading]) -> None:
        now = time.monotonic()
        self._kept_out = {key: until for key, until in self._kept_out.items() if until > now}
        for counter, reading in zip(counters, readings, strict=True):
            if reading.is_full:
                self._kept_out[counter.key] = now + reading.again_s

    def _warn_of(self, peer: IPv4Address | IPv6Address) -> None:
        # Once: it may be a visitor's joke, or a proxy that nobody told us of, and then all visitors have its address.
        if not self._warned:
            self._warned = True
            log.warning("addresses.forwarded_not_trusted", private=peer.is_private, cure="APP_TRUSTED_PROXIES")


def _refused(unit: str, most: int, again_s: float) -> OverRate:
    seconds = max(1, math.ceil(again_s))
    metrics.record_over_limit("address", unit)
    quota = Quota("address", "requests", most, MINUTE_S, 0, seconds, is_full=True)
    if unit == "requests":
        return over(quota, [quota])
    return OverRate(
        f"Too many sign-ins failed from your address; come back in {seconds} seconds.",
        retry_after_s=seconds,
        **{"violated-policies": ["address-failures"]},
    )


@lru_cache(maxsize=10_000)
def _address(written: str) -> IPv4Address | IPv6Address | None:
    # Some proxies write the port as well.
    host = written.partition("]")[0].lstrip("[") if written.count(":") != 1 else written.partition(":")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    # The same visitor, as a socket for both families sees them.
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _within(address: IPv4Address | IPv6Address, known: Sequence[Network]) -> bool:
    return any(address in network for network in known if network.version == address.version)
