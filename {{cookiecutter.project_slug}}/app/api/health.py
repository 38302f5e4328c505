"""Is the process alive, can it do its work, and what do its metrics say. Public: load balancers sign in nowhere."""

from fastapi import APIRouter, Response

from app.api.deps import Here
from app.api.shapes import HealthOut
from app.telemetry import metrics

router = APIRouter(tags=["health"])


@router.get("/health/live", response_model=dict[str, str])
async def live() -> dict[str, str]:
    """Say that the process runs; it does not depend on anything else."""
    return {"status": "alive"}


@router.get("/health/ready", response_model=HealthOut, responses={503: {"model": HealthOut}})
async def ready(service: Here, response: Response) -> HealthOut:
    """Check each dependency. Redis may be away: turns go on without it; without the database none can be recorded."""
    found = await service.health()
    is_ready = not found["postgres"]
    response.status_code = 200 if is_ready else 503
    notes = [service.acquaintance.privacy.note]
    if reason := service.flags.why_paused(""):
        notes.append(f"the AI is paused: {reason}")
    for row in service.flags.expired():
        notes.append(f"the flag {row['key']} should have been reviewed by {row['expires_on']}")
    for model, left_s in (await service.held_back()).items():
        notes.append(f"calls of {model} are held back, they keep failing: the next one is tried in {left_s:.0f} s")
    return HealthOut(ready=is_ready, checks={name: fault or "ok" for name, fault in found.items()}, notes=notes)


@router.get("/metrics", include_in_schema=False)
async def scrape() -> Response:
    """Give the metrics as Prometheus reads them."""
    body, media_type = metrics.render()
    return Response(body, media_type=media_type)
