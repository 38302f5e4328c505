"""A service with a model and a cache, asked through its HTTP door, for tests of both."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import numpy as np

from app.api.app import create
from app.domain.access import Access
from app.settings import Settings
from app.store import documents, ledger
from app.store.documents import Content, Facts, Piece, document_id
from app.wiring.service import Service, build
from app.work.outbox import Dispatch
from tests.conftest import read_samples
from tests.fakes.fixtures import RunningVendor

URL = "/v1/usecases/cached/turns"


def with_model(settings: Settings, vendor: RunningVendor, **changes: Any) -> Settings:
    """Give settings of a service whose models are the fake vendor's."""
    known = {"model_provider": "openai", "openai_api_key": "k", "openai_base_url": f"{vendor.url}/v1", **changes}
    return Settings(_env_file=None, **{**settings.model_dump(), **known})  # type: ignore[call-arg]


@asynccontextmanager
async def served(
    settings: Settings, *, samples: bool = False, dispatch: Dispatch | None = None
) -> AsyncIterator["Asking"]:
    """Run a service of its own, behind a door of its own."""
    service = build(settings, dispatch=dispatch)
    await service.start()
    if samples:
        await read_samples(service)
    transport = httpx2.ASGITransport(app=create(service, pages=[]))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
        yield Asking(service, client)
    await service.stop()


@dataclass(frozen=True)
class Asking:
    """A service, and ways to ask it and to change its documents."""

    service: Service
    client: httpx2.AsyncClient

    async def ask(
        self, who: Mapping[str, str], question: str, *, usecase: str = "cached", **more: Any
    ) -> dict[str, Any]:
        """Ask, and expect an answer."""
        body = {"question": question, **more}
        response = await self.client.post(f"/v1/usecases/{usecase}/turns", json=body, headers=dict(who))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def row(self, turn: Mapping[str, Any]) -> dict[str, Any]:
        """Give what the ledger knows of an answered turn."""
        async with self.service.database.work() as work:
            return await ledger.story(work, UUID(turn["turn_id"]), user_id=None)

    async def write(self, path: str, text: str, *readers: str, usecase: str = "cached") -> UUID:
        """Put a document in place of what stood at its path, as a job of ingestion would."""
        facts = Facts(usecase, "tests", path, path.removesuffix(".md"), Access(readers), "text/markdown")
        id = document_id(usecase, "tests", path)
        vector = np.zeros(384, dtype=np.float32)
        vector[0] = 1
        async with self.service.ingest_database.work() as work:
            await documents.save(work, id, facts, Content(uuid4().hex, (Piece("", None, text, False, {1: vector}),)))
        return id

    async def rights(self, id: UUID, *readers: str) -> None:
        """Change who may read a document."""
        async with self.service.ingest_database.work() as work:
            found = await documents.find(work, id)
            assert found is not None
            await documents.change(work, id, replace(found.facts, access=Access(readers)))

    async def drop(self, id: UUID) -> None:
        """Delete a document."""
        async with self.service.ingest_database.work() as work:
            await documents.remove(work, [id])
