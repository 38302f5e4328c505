"""Sends what waits for receivers: a batch at a time to each, signed, with a limit of time, and again on a schedule."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import aiohttp
import structlog

from app.control import outside
from app.control.outside import Inside, ensure_outside
from app.domain.webhook import MOST_AGE_S, hold_s, signature, wait_s
from app.store import audit, deliveries, webhooks
from app.store.db import Database
from app.store.deliveries import Letter, Tried
from app.store.webhooks import Receiver
from app.telemetry import metrics
from app.work.events import MEDIA_TYPE, Envelopes
from app.work.outbox import Relay

log = structlog.get_logger(__name__)
TOPIC, AGENT = "webhooks", "event-sender"
TOTAL_S, CONNECT_S = 10.0, 3.0
AT_ONCE = 16
# A task sends for so long, then makes room; the lease outlives its last batch.
TASK_S, LEASE_S = 20.0, 60.0
CURE = "set APP_WEBHOOKS_INTERNAL=true if receivers may stand inside your network"
GONE = 410


@dataclass(frozen=True, slots=True)
class Sending:
    """Sends events to receivers; `internal` lets these stand in a private network."""

    database: Database
    envelopes: Envelopes
    relay: Relay
    internal: bool

    async def look(self) -> None:
        """Show how each receiver does, and have a worker send what is due."""
        async with self.database.work() as work:
            rows = await webhooks.listed(work)
            due = await deliveries.due(work)
        for row in rows:
            on = row["enabled"]
            metrics.observe("webhook_waiting", row["waiting"] if on else 0, webhook=row["name"])
            metrics.observe("webhook_oldest_seconds", row["oldest_s"] if on else 0, webhook=row["name"])
            metrics.observe("webhook_dead", row["dead"] if on else 0, webhook=row["name"])
        if due:
            await self.relay.ring(TOPIC)

    async def send(self) -> int:
        """Send what is due to every receiver that nobody else sends to; gives how many tries were made."""
        async with self.database.work() as work:
            due = await deliveries.due(work)
        if not due:
            return 0
        connector = outside.connector(limit=0, internal=self.internal, cure=CURE)
        limits = aiohttp.ClientTimeout(total=TOTAL_S, sock_connect=CONNECT_S)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, timeout=limits, cookie_jar=jar, trust_env=False) as out:
            return sum(await asyncio.gather(*(self._to(id, out) for id in due)))

    async def _to(self, id: UUID, out: aiohttp.ClientSession) -> int:
        lease = uuid4()
        async with self.database.work() as work:
            receiver = await webhooks.claim(work, id, lease=lease, lease_s=LEASE_S)
        if receiver is None:
            return 0
        made, until = 0, time.monotonic() + TASK_S
        try:
            while time.monotonic() < until and (tries := await self._batch(receiver, out)):
                made += len(tries)
                if not any(each.delivered for each in tries):
                    break
        finally:
            async with self.database.work() as work:
                await webhooks.release(work, id, lease=lease)
        return made

    async def _batch(self, receiver: Receiver, out: aiohttp.ClientSession) -> Sequence[Tried]:
        async with self.database.work() as work:
            letters = await deliveries.batch(work, receiver.id, most=AT_ONCE)
        if not letters:
            return ()
        bodies = await self.envelopes.put(receiver, letters)
        tries = await asyncio.gather(*(self._one(receiver, each, bodies[each.id], out) for each in letters))
        await self._written(receiver, tries)
        return tries

    async def _one(self, receiver: Receiver, letter: Letter, body: bytes, out: aiohttp.ClientSession) -> Tried:
        began = time.monotonic()
        status, error = await self._posted(receiver, letter, body, out)
        delivered = status is not None and 200 <= status < 300
        again = None if delivered or status == GONE else wait_s(letter.attempts + 1, chance=_chance())
        if letter.age_s > MOST_AGE_S:
            again = None
        took_ms = (time.monotonic() - began) * 1000
        result = "delivered" if delivered else "failed" if again is not None else "dead"
        metrics.record_delivery(receiver.name, result)
        return Tried(letter.id, delivered, status, error, took_ms, again)

    async def _posted(
        self, receiver: Receiver, letter: Letter, body: bytes, out: aiohttp.ClientSession
    ) -> tuple[int | None, str]:
        if not receiver.secrets:
            return None, "its secret does not open: rotate it"
        id, at_s = str(letter.id), int(time.time())
        headers = {
            "Content-Type": MEDIA_TYPE,
            "User-Agent": AGENT,
            "webhook-id": id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": signature(receiver.secrets, id=id, at_s=at_s, body=body),
        }
        try:
            ensure_outside(receiver.url, internal=self.internal, cure=CURE)
            async with out.post(receiver.url, data=body, headers=headers, allow_redirects=False) as response:
                return response.status, "" if response.ok and response.status < 300 else f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            cause = error.__cause__ or error
            # Nothing of the receiver's own words: they could be anything.
            return None, str(cause) if isinstance(cause, Inside) else type(error).__name__

    async def _written(self, receiver: Receiver, tries: Sequence[Tried]) -> None:
        ok = any(each.delivered for each in tries)
        error = next((each.error for each in tries if each.error), "")
        dead = sum(not each.delivered and each.again_s is None for each in tries)
        async with self.database.work() as work:
            await deliveries.settle(work, receiver.id, tries)
            held = None if ok else hold_s(receiver.failures + 1, chance=_chance())
            await webhooks.ended(work, receiver.id, ok=ok, error=error, held_s=held)
            gone = any(each.status == GONE for each in tries)
            why = "the receiver answered 410 Gone: it wants no more"
            if gone and await webhooks.turn_off(work, receiver.id, why=why):
                await audit.note(
                    work, actor="sending", action="webhook.changed", subject=str(receiver.id), reason=why,
                    before={"enabled": True}, after={"enabled": False},
                )  # fmt: skip
        if error:
            log.warning("webhook.failed", webhook=receiver.name, error=error, dead=dead)


def _chance() -> float:
    return random.random()  # noqa: S311 - no secret
