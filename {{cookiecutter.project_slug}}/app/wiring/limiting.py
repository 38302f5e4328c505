"""Limits put together: what config/limits.toml allows, counted over Redis, and who is kept out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.control.addresses import Addresses, networks
from app.control.allowed import Allowed, parse
from app.control.limits import Limits
from app.control.restrictions import Restrictions
from app.domain.identity import Principal
from app.domain.quota import Visit
from app.domain.usecase import UseCase
from app.wiring.ground import Ground
from app.work.spikes import SpikeKeeper


@dataclass(frozen=True, slots=True)
class Limiting:
    """What stands before those who ask."""

    allowed: Allowed
    limits: Limits
    addresses: Addresses
    restrictions: Restrictions
    spikes: SpikeKeeper

    async def queue(self, who: Principal, usecase: UseCase, visit: Visit) -> None:
        """Let a request in that queues a job. Raises OverRate, DependencyDown."""
        self.restrictions.ensure_person(who, asks=True)
        await self.limits.submit(who, usecase, visit)

    async def upload(self, who: Principal, usecase: str, visit: Visit, *, size_bytes: int) -> None:
        """Let an upload in, which costs money as a question does. Raises OverRate, DependencyDown."""
        self.restrictions.ensure_person(who, asks=True)
        await self.limits.upload(who, usecase, visit, size_bytes=size_bytes)

    async def close(self) -> None:
        """Stop listening, once what is under way is counted."""
        await self.restrictions.stop()
        await self.limits.close()
        await self.addresses.close()


def limiting(on: Ground, raw: Mapping[str, Any]) -> Limiting:
    """Put it together; `raw` is what config/limits.toml says. Raises CannotStart."""
    allowed, settings = parse(raw), on.settings
    restrictions = Restrictions(on.database, on.broadcast, poll_s=settings.flags_poll_s)
    return Limiting(
        allowed,
        Limits(allowed, on.shared),
        Addresses(allowed.address, on.shared, networks(settings.trusted_proxies)),
        restrictions,
        SpikeKeeper(on.database, on.cases, allowed.spike, restrictions),
    )
