"""A service that has a model: the fake vendor."""

from collections.abc import AsyncIterator

import pytest

from tests.api.serving import Served, serving
from tests.conftest import make_settings
from tests.fakes.fixtures import RunningVendor

CONTRACTS = {
    "handbook": {"latency.timeout_s": 30, "cost.per_user_day_usd": "1000", "cost.per_month_usd": "1000"},
    "forms": {"models.ladder": ("standard",), "latency.timeout_s": 30, "routes": ()},
    "agent": {"cost.per_user_day_usd": "0.0001"},
    "slow": {"latency.timeout_s": 30},
}


@pytest.fixture
async def served(serving_all: Served) -> Served:
    """The service over the samples' documents, with a model, on a port of its own."""
    await serving_all.calm()
    return serving_all


@pytest.fixture(scope="session")
async def serving_all(
    service: object, database_url: str, redis_url: str, vendor_server: RunningVendor
) -> AsyncIterator[Served]:
    """The one that all tests of this folder share."""
    known = {
        "model_provider": "openai",
        "openai_api_key": "fake",
        "openai_base_url": f"{vendor_server.url}/v1",
    }
    async with serving(make_settings(database_url, redis_url, **known), CONTRACTS) as running:
        yield running
