"""Reads the documents of the measured use cases into the database: `python -m benchmarks.documents`."""

import asyncio

from app.settings import load
from app.store.jobs import Order
from app.wiring.service import build


async def read() -> None:
    """Run the ingestion of every source."""
    service = build(load())
    await service.start()
    for name, usecase in service.usecases.items():
        for source in usecase.sources:
            await service.jobs.run(
                await service.jobs.submit(Order("ingest", name, "benchmark", (), {"source": source.name}))
            )
    await service.stop()


if __name__ == "__main__":
    asyncio.run(read())
