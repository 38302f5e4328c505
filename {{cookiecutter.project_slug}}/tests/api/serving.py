"""The service with the fake vendor behind it, on a real port: for clients that bring their own HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import uvicorn

from app.api.app import create
from app.console import pages
from app.domain.contract import Contract
from app.settings import Settings
from app.store import ledger
from app.store.shared import SharedAway
from app.wiring.service import Service, build
from tests.fakes.vendor import listen

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Served:
    """A running service: its address, its rooms, and the vendor's."""

    url: str
    service: Service

    async def story(self, turn_id: str | UUID) -> dict[str, Any]:
        """Give the ledger's row of a turn with its calls."""
        async with self.service.database.work() as work:
            return await ledger.story(work, UUID(str(turn_id)), user_id=None)

    async def calm(self) -> None:
        """Close the breakers: what other tests made a vendor do is no news here."""
        for model in ("gpt-6-sol", "gpt-6-luna"):
            await self._forget(f"turnstile:{{openai:{model}}}:breaker")

    async def _forget(self, key: str) -> object:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                # A test before this may have had Redis away.
                with suppress(SharedAway):
                    return await self.service.shared.run("return redis.call('DEL', KEYS[1])", [key])
                await asyncio.sleep(0.1)

    async def ended(self, plan: str, *, outcome: str) -> dict[str, Any]:
        """Wait until the turn whose question holds this plan's mark has ended so, and give its row."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with self.service.database.work() as work:
                    of = "SELECT id FROM turns WHERE position(:plan in question) > 0 AND outcome = :outcome"
                    row = (await work.sql(of, plan=plan, outcome=outcome)).first()
                if row is not None:
                    return await self.story(row.id)
                await asyncio.sleep(0.05)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(settings: Settings, contracts: Mapping[str, Mapping[str, Any]]) -> AsyncIterator[Served]:
    """Serve; `contracts` changes parts of use cases' contracts, such as {"slow": {"limits.per_user_per_minute": 1}}."""
    service = build(settings)
    for name, changes in contracts.items():
        case = service.usecases[name]
        service.usecases[name] = replace(case, contract=changed(case.contract, changes))  # type: ignore[index]
    await service.start()
    taken = listen()
    config = uvicorn.Config(
        create(service, pages=pages.ROUTERS),
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve(sockets=[taken]))
    await until(lambda: server.started)
    try:
        yield Served(f"http://127.0.0.1:{taken.getsockname()[1]}", service)
    finally:
        server.should_exit = True
        await running
        await service.stop()


def changed(contract: Contract, changes: Mapping[str, Any]) -> Contract:
    """Give a contract with other values under dotted keys."""
    values = contract.model_dump()
    for key, value in changes.items():
        *path, last = key.split(".")
        part = values
        for name in path:
            part = part[name]
        part[last] = value
    return Contract.model_validate(values)
