"""Turns with random faults over real HTTP: none lost, each in the ledger once, and the ledger equals the vendor's bill.

The long form, 10,000 turns at a service of several processes, is `make prove`.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import uvicorn

from app.api.app import create
from app.control.development import DevelopmentIssuer
from app.wiring.service import build
from ops.prove import turns
from ops.prove.site import PEOPLE, USECASES, Site, settings_of
from tests.conftest import SECRET, make_settings, read_samples
from tests.fakes.fixtures import RunningVendor, renew
from tests.fakes.vendor import listen

pytestmark = pytest.mark.slow
TURNS = 300


@pytest.fixture(scope="module")
async def site(
    database_url: str, redis_url: str, vendor_server: RunningVendor, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    """The service of the proofs behind a real HTTP server of this process."""
    known = settings_of(vendor_server.url, tmp_path_factory.mktemp("prove"))
    service = build(
        make_settings(
            database_url,
            redis_url,
            usecases_dir=USECASES,
            config_dir=Path(known["APP_CONFIG_DIR"]),
            model_provider="openai",
            **{name.lower(): value for name, value in known.items() if not name.startswith("APP_")},
        )
    )
    await service.start()
    await read_samples(service)
    taken = listen()
    config = uvicorn.Config(create(service, pages=()), lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server._serve(sockets=[taken]))
    issuer = DevelopmentIssuer(SECRET, service.settings.config("people"))
    headers = [{"Authorization": f"Bearer {issuer.token(person)}"} for person in PEOPLE]
    yield Site(f"http://127.0.0.1:{taken.getsockname()[1]}", vendor_server.url, database_url, headers)
    server.should_exit = server.force_exit = True
    await serving
    await service.stop()


@pytest.fixture(autouse=True)
def fresh(vendor_server: RunningVendor, redis_url: str) -> None:
    """Nothing was asked of the vendor before, and nothing is held against it."""
    renew(vendor_server, redis_url)


@pytest.mark.proves("REL-2", "REL-3", "REL-10", "REL-12", "OBS-1", "CST-1")
async def test_no_turn_is_lost_and_the_ledger_is_the_vendors_bill(site: Site) -> None:
    proof = await turns.tried(site, count=TURNS, faults=0.2, seed=11, at_once=12)
    assert not [f"{claim.says}: {claim.found}" for claim in proof.claims if not claim.holds]
    outcomes, kinds = proof.figures["outcomes"], proof.figures["calls by purpose"]
    assert outcomes["answered_model"] > TURNS / 2 and outcomes["failed_cancelled"] > 0
    assert kinds["embed"] > 0 and kinds["answer"] > TURNS / 2
    assert proof.figures["vendor's bill"]["undelivered"] > 0 and proof.figures["turned away"]


@pytest.mark.proves("REL-6", "LAT-5")
@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
@pytest.mark.parametrize("plan", ["hang", "drip=5", "stall"])
async def test_who_leaves_takes_the_call_upstream_along(
    accept: str, plan: str, site: Site, vendor_server: RunningVendor
) -> None:
    mark = vendor_server.plan("goner", plan)
    async with httpx2.AsyncClient(base_url=site.url, timeout=30) as client:
        body, headers = {"question": f"How many days of annual leave? {mark}"}, {**site.headers[0], "Accept": accept}
        asked = asyncio.create_task(client.post("/v1/usecases/bare/turns", json=body, headers=headers))
        await _until(lambda: vendor_server.state.begun.get("goner"))
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await _until(lambda: vendor_server.state.disconnects)
    assert [call["delivered"] for call in vendor_server.bill("goner")["calls"]] == [False]


async def _until(happened: object) -> None:
    for _ in range(1000):
        if happened():  # type: ignore[operator]
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within ten seconds")
