"""A service of its own, with a database, a model and secrets of its own, for the attacks."""

import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from app.api.app import create
from app.console import pages
from app.telemetry import logging as logs
from app.wiring.service import Service, build
from tests.attacks.ground import Ground
from tests.attacks.places import obey, written
from tests.conftest import make_settings
from tests.fakes.fixtures import RunningVendor


@pytest.fixture(scope="session")
async def attacked(
    database_url: str, redis_url: str, vendor_server: RunningVendor, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """The service under attack."""
    address = {"model_provider": "openai", "openai_api_key": "k", "openai_base_url": f"{vendor_server.url}/v1"}
    root: Path = tmp_path_factory.mktemp("attacked")
    service = build(make_settings(database_url, redis_url, **address, **written(root)))
    librarian = replace(service.usecases["librarian"], workflow=obey)
    service.usecases["librarian"] = librarian  # type: ignore[index]
    await service.start()
    yield service
    await service.stop()


@pytest.fixture(scope="session")
async def door(attacked: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """Its HTTP door."""
    # What goes wrong inside comes out as it would over the network.
    transport = httpx2.ASGITransport(app=create(attacked, pages=pages.ROUTERS), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
        yield client


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Write logs as production does, and everything that it would write, to where the test reads them."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure("DEBUG", True)
    yield
    root.handlers, root.level = handlers, level


@pytest.fixture
def ground(attacked: Service, door: httpx2.AsyncClient, vendor: RunningVendor, logged: None) -> Ground:
    """The ground, with no secret on it yet."""
    return Ground(attacked, door, vendor)
