"""A service with a model, a shadow behind every turn, and a worker's hands."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx2

from tests.api.serving import PATIENCE_S, Served, changed

LEAVE = "How many days of annual leave do employees have?"
URL = "/v1/usecases/handbook/turns"
MODELS = {"standard": "gpt-6-sol", "cheap": "gpt-6-luna"}
SHADOWED = {"shadow.role": "cheap", "shadow.share": 1.0, "latency.timeout_s": 30}
PLENTY = {"cost.per_user_day_usd": "1000", "cost.per_month_usd": "1000"}
CONTRACTS = {
    "handbook": {**SHADOWED, **PLENTY, "limits.per_user_per_minute": 1000},
    "triage": {**SHADOWED, **PLENTY, "limits.per_user_per_minute": 1000},
}


async def ask(http: httpx2.AsyncClient, question: str, url: str = URL) -> dict[str, Any]:
    """Ask and expect an answer."""
    response = await http.post(url, json={"question": question})
    assert response.status_code == 200, response.text
    told: dict[str, Any] = response.json()
    return told


async def work_off(served: Served) -> None:
    """Do what a worker does: submit what waits, and run it."""
    for job_id in await served.service.trying.shadows.look():
        await served.service.jobs.run(job_id)


async def shadows_of(served: Served, turn_id: str, *, least: int = 1) -> list[dict[str, Any]]:
    """Work off what waits until a turn has so many shadows, and give their rows, the oldest first."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await work_off(served)
            async with served.service.database.work() as work:
                of = "SELECT id FROM turns WHERE shadow_of = :id ORDER BY started_at"
                ids = (await work.sql(of, id=UUID(turn_id))).scalars().all()
            if len(ids) >= least:
                return [await served.story(id) for id in ids]
            await asyncio.sleep(0.05)


async def run_of(served: Served, turn_id: str) -> Any:
    """Work off what waits until a turn was compared, and give what came of it."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await work_off(served)
            async with served.service.database.work() as work:
                row = (await work.sql("SELECT * FROM shadow_runs WHERE turn_id = :id", id=UUID(turn_id))).first()
            if row is not None:
                return row
            await asyncio.sleep(0.05)


def adapt(served: Served, name: str, changes: dict[str, Any]) -> Any:
    """Give the use case with another contract, as `monkeypatch.setitem` wants it."""
    case = served.service.usecases[name]
    return replace(case, contract=changed(case.contract, changes))
