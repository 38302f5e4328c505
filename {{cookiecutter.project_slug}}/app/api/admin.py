"""What the AI costs, and what a month of it will cost."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from app.api.deps import Here, needs
from app.api.problems import declared
from app.domain.identity import Permission, Principal
from app.store import costs as costs_
from app.store.costs import By
from app.work.forecast import Forecast

router = APIRouter(prefix="/v1/admin", tags=["admin"])
Accountant = Annotated[Principal, Depends(needs(Permission.READ_COSTS))]


@router.get("/costs", response_model=list[dict[str, Any]], responses=declared(403))
async def costs(
    service: Here, _: Accountant, by: By = "usecase", hours: Annotated[int, Query(ge=1, le=24 * 366)] = 24
) -> Any:
    """Add up the last hours by use case, unit, user or model: turns, failures, latency, tokens and US dollars.

    Calls without a known price are counted as `unpriced` and are in no sum.
    """
    async with service.database.work() as work:
        return await costs_.sums(work, by=by, since=datetime.now(UTC) - timedelta(hours=hours))


@router.get("/forecast", response_model=Forecast, responses=declared(403))
async def forecast(service: Here, _: Accountant) -> Any:
    """Forecast what a month costs at the expected, peak, 5x and 10x volume, by use case and in total."""
    return await service.forecaster.make()
