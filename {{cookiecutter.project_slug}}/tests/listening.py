"""A receiver that listens to the shared service for one test, and is turned off after it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from app.domain.identity import Principal
from app.store import deliveries
from app.store.deliveries import DeliveryRow
from app.store.webhooks import Listens, WebhookRow
from app.wiring.service import Service
from app.work.webhooks import Made
from tests.fakes.receiver import Receiver


@dataclass
class Listening:
    """What a test does with receivers: `who` manages them."""

    service: Service
    receiver: Receiver
    who: Principal
    made: list[Made] = field(default_factory=list)

    async def make(
        self, *kinds: str, url: str = "", usecases: tuple[str, ...] | None = None, words: bool = False
    ) -> Made:
        """Make a receiver that listens to these kinds."""
        listens = Listens(kinds, usecases, words)
        made = await self.service.webhooks.make(
            self.who, name=f"test {uuid4().hex[:8]}", url=url or self.receiver.url, listens=listens, because="a test"
        )
        self.made.append(made)
        return made

    async def send(self) -> int:
        """Send what is due, as a worker does."""
        return await self.service.sending.send()

    async def hurry(self) -> None:
        """Let all waits pass."""
        async with self.service.database.work() as work:
            await work.sql("UPDATE deliveries SET next_at = now() WHERE status = 'waiting'")
            await work.sql("UPDATE webhooks SET held_until = NULL")

    async def deliveries(self, made: Made, *, status: str = "") -> list[DeliveryRow]:
        """Give what became of the events for a receiver, the newest first."""
        async with self.service.database.work() as work:
            return await deliveries.listed(work, made.row["id"], status=status)

    async def row(self, made: Made) -> WebhookRow:
        """Give a receiver as it stands."""
        return await self.service.webhooks.one(self.who, made.row["id"])

    async def tell(self, made: Made) -> UUID:
        """Put an event for this receiver in the queue."""
        return await self.service.webhooks.test(self.who, made.row["id"], because="a test")


@pytest.fixture
async def listening(service: Service) -> AsyncIterator[Listening]:
    """Receivers of the shared service; nothing of them is left."""
    who = await service.people.principal("olga.petrov", groups=("operators", "reviewers"), unit="Support")
    async with Receiver() as receiver:
        opened = Listening(service, receiver, who)
        yield opened
        for made in opened.made:
            await service.webhooks.change(who, made.row["id"], enabled=False, because="the test is over")
