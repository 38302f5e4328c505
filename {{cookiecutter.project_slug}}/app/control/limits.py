"""Limits: how much a person, a key, a use case and an address may ask, counted together in one trip to Redis."""

import asyncio
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from app.control.allowed import Allowed, Most, of_asker, of_usecase
from app.domain.identity import Principal
from app.domain.quota import Quota, Scope, Visit
from app.domain.turn import Turn
from app.domain.usecase import UseCase
from app.errors import DependencyDown, OverRate
from app.store.limits import Counter, Reading, SharedCounters, named
from app.store.limits_local import LocalCounters
from app.store.shared import CLOSE_S, Shared, SharedAway
from app.telemetry import metrics

log = structlog.get_logger(__name__)
# A turn that has not let go so long after its deadline is dead, and its process with it.
SLACK_S = 6.0
WHO = {
    "asker": "You",
    "person": "You",
    "key": "This key",
    "usecase": "All people together",
    "address": "Your address",
}
WHAT = {
    "requests": "send {} requests a minute",
    "turns": "have {} questions answered at the same time",
    "tokens": "use {} tokens a minute",
    "uploads": "upload {} documents an hour",
    "upload-bytes": "upload {} bytes an hour",
}
Subject = tuple[Scope, tuple[str, ...], Iterable[Most]]


@dataclass(frozen=True, slots=True)
class _Place:
    """A counter, and how answers speak of it."""

    scope: Scope
    most: Most
    counter: Counter


@dataclass(slots=True)
class _Pass:
    """What a turn under way has to give back, and to count at its end."""

    counters: list[Counter]
    is_local: bool = False


class Limits:
    """The limits in force. While Redis is away each process counts for itself, or nobody gets in: config says which."""

    def __init__(self, allowed: Allowed, shared: Shared) -> None:
        self.allowed = allowed
        self._shared, self._local = SharedCounters(shared), LocalCounters()
        self._passes: dict[UUID, _Pass] = {}
        self._leaving: list[Counter] = []
        self._task: asyncio.Task[None] | None = None

    async def enter(self, turn: Turn) -> None:
        """Count a turn that begins, and note on its tape what is left. Raises OverRate, DependencyDown."""
        hold_s = turn.usecase.contract.latency.timeout_s + SLACK_S
        places = list(_places(self._of_turn(turn), Counter("", 0, token=turn.id.hex, hold_s=hold_s)))
        # Noted first: whoever hangs up meanwhile may have been counted.
        held = self._passes[turn.id] = _Pass([one.counter for one in places if one.most[0] in ("turns", "tokens")])
        quotas, held.is_local = await self._take(places)
        turn.tape.quotas += quotas
        if any(quota.is_full for quota in quotas):
            del self._passes[turn.id]
            raise _refusal(quotas, where=f" in {turn.usecase.contract.title!r}")

    def leave(self, turn: Turn) -> None:
        """Count the tokens that the turn used, and give its places back; nobody waits for it."""
        held = self._passes.pop(turn.id, None)
        if held is None or not held.counters:
            return
        usage = turn.tape.usage
        tokens = usage.input_tokens + usage.output_tokens
        counters = [one if one.is_lease else replace(one, units=tokens) for one in held.counters]
        if held.is_local:
            self._local.add(counters)
            return
        self._leaving += counters
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._leave())

    async def submit(self, who: Principal, usecase: UseCase, visit: Visit) -> None:
        """Count a request that queues a job; its turns are not counted by the minute. Raises OverRate."""
        subjects = [_asker(who, usecase), *self._own(who)]
        places = [one for one in _places(subjects, Counter("", 0)) if one.most[0] == "requests"]
        await self._all(places, visit, where=f" in {usecase.contract.title!r}")

    async def upload(self, who: Principal, usecase: str, visit: Visit, *, size_bytes: int) -> None:
        """Count one upload and its bytes. Raises OverRate, DependencyDown."""
        allowed = self.allowed
        subjects: list[Subject] = [("person", (who.user_id,), allowed.person.uploads())]
        if who.key_id:
            subjects.append(("key", (who.key_id,), allowed.key.uploads()))
        subjects.append(("usecase", (usecase,), allowed.usecase.uploads()))
        if visit.address:
            subjects.append(("address", (visit.address,), allowed.address.uploads()))
        await self._all(list(_places(subjects, Counter("", 0, units=size_bytes))), visit, where="")

    async def close(self) -> None:
        """Wait until those who left are counted."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=CLOSE_S)

    def _of_turn(self, turn: Turn) -> Iterator[Subject]:
        usecase = turn.usecase
        yield _asker(turn.principal, usecase)
        yield from self._own(turn.principal)
        yield "usecase", (usecase.name,), of_usecase(usecase.contract.limits, self.allowed.usecase)
        if turn.address:
            # Its requests were counted before anybody was asked who they are.
            mosts = (most for most in self.allowed.address.turns() if most[0] != "requests")
            yield "address", (turn.address,), mosts

    def _own(self, who: Principal) -> Iterator[Subject]:
        yield "person", (who.user_id,), self.allowed.person.turns()
        if who.key_id:
            yield "key", (who.key_id,), self.allowed.key.turns()

    async def _all(self, places: Sequence[_Place], visit: Visit, *, where: str) -> None:
        quotas, _ = await self._take(places)
        visit.quotas += quotas
        if any(quota.is_full for quota in quotas):
            raise _refusal(quotas, where=where)

    async def _take(self, places: Sequence[_Place]) -> tuple[list[Quota], bool]:
        """Count everywhere or nowhere; also say whether this process did so by itself."""
        counters, is_local = [one.counter for one in places], False
        if not counters:
            return [], False
        try:
            readings = await self._shared.take(counters)
        except SharedAway:
            readings, is_local = self._alone(counters), True
        return [_quota(place, reading) for place, reading in zip(places, readings, strict=True)], is_local

    def _alone(self, counters: Sequence[Counter]) -> list[Reading]:
        policy = self.allowed.when_redis_is_away
        metrics.record_unshared_limit(policy)
        log.warning("limits.unshared", policy=policy)
        if policy == "refuse":
            raise DependencyDown(
                "Redis is away, and without it nobody is let in here (config/limits.toml); try again in a moment.",
                retry_after_s=2,
            )
        return self._local.take(counters)

    async def _leave(self) -> None:
        """Tell Redis who left; those who leave meanwhile go together in the next trip."""
        try:
            while self._leaving:
                leaving, self._leaving = self._leaving, []
                await self._shared.add(leaving)
        except SharedAway:
            # The leases run out by themselves; tokens of these few seconds are not counted.
            self._leaving = []
        finally:
            self._task = None


def _asker(who: Principal, usecase: UseCase) -> Subject:
    return "asker", (usecase.name, who.user_id), of_asker(usecase.contract.limits)


def _places(subjects: Iterable[Subject], asked: Counter) -> Iterator[_Place]:
    """Give a counter for each limit; `asked` says what is asked: the lease of a turn, or the bytes of an upload."""
    for scope, names, mosts in subjects:
        for most in mosts:
            unit, amount, window_s = most
            key = named(scope, unit, *names)
            if unit == "turns":
                counter = Counter(key, amount, token=asked.token, hold_s=asked.hold_s)
            elif unit == "tokens":
                # What a turn uses is known at its end; until then there must be something left.
                counter = Counter(key, amount, window_s, units=0)
            elif unit == "upload-bytes":
                counter = Counter(key, amount, window_s, units=asked.units, needs=asked.units)
            else:
                counter = Counter(key, amount, window_s)
            yield _Place(scope, most, counter)


def _quota(place: _Place, reading: Reading) -> Quota:
    unit, allowed, window_s = place.most
    again_s = max(1, math.ceil(reading.again_s))
    return Quota(place.scope, unit, allowed, window_s, max(0, reading.left), again_s, reading.is_full)


def _refusal(quotas: Sequence[Quota], *, where: str) -> OverRate:
    full = [quota for quota in quotas if quota.is_full]
    for quota in full:
        metrics.record_over_limit(quota.scope, quota.unit)
    # Whoever comes back is let in: the limit that holds longest decides.
    last = max(full, key=lambda quota: quota.again_s)
    return over(last, full, where=where if last.scope in ("asker", "usecase") else "")


def over(quota: Quota, full: Sequence[Quota], *, where: str = "") -> OverRate:
    """Say which limit was reached, how much is allowed, and when to come back."""
    allowed = WHAT[quota.unit].format(f"{quota.allowed:,}")
    return OverRate(
        f"{WHO[quota.scope]} may {allowed}{where}; come back in {quota.again_s} seconds.",
        retry_after_s=quota.again_s,
        limit={
            "policy": quota.policy,
            "scope": quota.scope,
            "unit": quota.unit,
            "allowed": quota.allowed,
            "window_s": quota.window_s,
            "retry_after_s": quota.again_s,
        },
        **{"violated-policies": [each.policy for each in full]},
    )
