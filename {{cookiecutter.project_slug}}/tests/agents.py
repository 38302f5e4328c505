"""The order desk of tests/samples/agent over the fake vendor: a service with a model, its HTTP door, ways to ask."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from app.api.app import create
from app.console import pages
from app.telemetry import tracing
from app.wiring.service import Service, build
from tests.fakes.fixtures import RunningVendor
from tests.samples.agent import tools

Headers = dict[str, str]
URL = "/v1/usecases/agent/turns"
LOOK_UP = 'tool=look_up_order:{"order": "A-100"}'
REFUND = 'tool=issue_refund:{"order": "A-100", "usd": "40.00", "mail": "sam.reyes@example.org"}'


@dataclass(frozen=True)
class Desk:
    """The desk, and the model that works there."""

    service: Service
    client: httpx2.AsyncClient
    vendor: RunningVendor
    as_: Callable[[str], Headers]

    async def ask(self, *plan: str, who: str = "sam.reyes", question: str = "My lamp A-100 broke.") -> httpx2.Response:
        """Ask; the model will do what the plan says, then tell what its last tool said."""
        mark = self.vendor.plan(f"desk{uuid4().hex[:8]}", *plan)
        return await self.client.post(URL, json={"question": f"{question} {mark}"}, headers=self.as_(who))

    async def story(self, response: httpx2.Response, who: str = "olga.petrov") -> dict[str, Any]:
        """Give what the ledger keeps of the turn."""
        turn_id = response.json().get("turn_id") or await self._newest()
        found: dict[str, Any] = (await self.client.get(f"/v1/turns/{turn_id}", headers=self.as_(who))).json()
        return found

    async def _newest(self) -> UUID:
        async with self.service.database.work() as work:
            rows = await work.sql("SELECT id FROM turns WHERE usecase = 'agent' ORDER BY started_at DESC LIMIT 1")
            found: UUID = rows.scalar_one()
            return found

    def set(self, part: str, **changes: Any) -> None:
        """Change a part of the contract for this test."""
        known = self.service.usecases["agent"]
        changed = getattr(known.contract, part).model_copy(update=changes)
        contract = known.contract.model_copy(update={part: changed})
        self.service.usecases["agent"] = replace(known, contract=contract)  # type: ignore[index]

    async def review(self, response: httpx2.Response, *, status: str = "open") -> dict[str, Any]:
        """Give the review that a turn has opened, as its page lists it."""
        turn_id = response.json()["turn_id"]
        async with self.service.database.work() as work:
            from app.store import reviews

            # Other tests of this database have opened many.
            every = await reviews.listed(work, status=status, limit=100_000)
            found = next((row for row in every if str(row["turn_id"]) == turn_id), None)
            assert found is not None, response.text
            return found

    async def decide(self, review: dict[str, Any], who: str = "hana.lind", **body: Any) -> httpx2.Response:
        """Look at a review and decide on it; approve, unless the body says otherwise."""
        url = f"/v1/admin/reviews/{review['id']}"
        shown = (await self.client.get(url, headers=self.as_(who))).json()
        body = {"seen": shown.get("digest", ""), **body}
        return await self.client.post(url, json={"approve": True, "reason": "it broke", **body}, headers=self.as_(who))

    async def run(self, decided: httpx2.Response) -> None:
        """Do what a worker would do."""
        await self.service.jobs.run(UUID(decided.json()["job_id"]))


class Spans(InMemorySpanExporter):
    """The spans that ended so far."""

    @property
    def finished(self) -> tuple[ReadableSpan, ...]:
        """Give them in the order in which they ended."""
        return self.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        """Give the last span of this name."""
        return next(span for span in reversed(self.finished) if span.name == name)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """Keep the spans of our own steps, as a collector would get them."""
    # Whatever an earlier test has configured: traces of this process may be off.
    kept, provider = Spans(), TracerProvider(sampler=ALWAYS_ON)
    monkeypatch.setattr(tracing, "in_dropped_trace", lambda: False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("app"))
    return kept


@pytest.fixture(scope="session")
async def desk_service(database_url: str, redis_url: str, vendor_server: RunningVendor) -> AsyncIterator[Service]:
    """A service whose models are the fake vendor's."""
    from tests.conftest import make_settings

    address = {"model_provider": "openai", "openai_api_key": "k", "openai_base_url": f"{vendor_server.url}/v1"}
    built = build(make_settings(database_url, redis_url, **address))
    await built.start()
    yield built
    await built.stop()


@pytest.fixture(scope="session")
async def desk_client(desk_service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """Its HTTP door."""
    transport = httpx2.ASGITransport(app=create(desk_service, pages=pages.ROUTERS))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=60) as opened:
        yield opened


@pytest.fixture
def desk(
    desk_service: Service,
    desk_client: httpx2.AsyncClient,
    vendor: RunningVendor,
    as_: Callable[[str], Headers],
) -> Iterator[Desk]:
    """The desk as its contract says, with nothing refunded yet."""
    known = desk_service.usecases["agent"]
    tools.REFUNDS.clear()
    tools.TRIES.clear()
    yield Desk(desk_service, desk_client, vendor, as_)
    desk_service.usecases["agent"] = known  # type: ignore[index]
