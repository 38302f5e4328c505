"""Health, metrics and problem pages: the public routes."""

import httpx2


async def test_ready_names_each_dependency(client: httpx2.AsyncClient) -> None:
    response = await client.get("/health/ready")
    assert response.status_code == 200, response.text
    assert response.json()["checks"] == {"postgres": "ok", "redis": "ok"}


async def test_metrics_show_what_the_contracts_promise(client: httpx2.AsyncClient) -> None:
    text = (await client.get("/metrics")).text
    assert 'contract_latency_p95_seconds{usecase="handbook"} 2.0' in text
