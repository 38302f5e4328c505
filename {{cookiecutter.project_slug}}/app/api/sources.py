"""Sources of documents: which there are, when each was last read, and have them read again."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from app.api.deps import Here, Named, needs
from app.api.problems import declared
from app.api.shapes import JobAccepted, SourceOut
from app.domain.identity import Permission, Principal
from app.domain.source import AnySource
from app.domain.usecase import UseCase
from app.errors import NotFound, quoted
from app.store import sources
from app.store.jobs import Order
from app.store.sources import Place, Seen
from app.wiring.service import Service

router = APIRouter(prefix="/v1/usecases/{name}", tags=["sources"])
Ingester = Annotated[Principal, Depends(needs(Permission.INGEST_SOURCES))]
AllowRemoval = Annotated[bool, Query(description="the list lacks most of what was read before, and is meant to")]


@router.get("/sources", response_model=list[SourceOut], responses=declared(403, 404))
async def list_sources(usecase: Named, service: Here, who: Ingester) -> list[dict[str, Any]]:
    """List the sources of a use case, and when each was last read."""
    async with service.database.work() as work:
        seen = await sources.seen(work, usecase.name)
    return [_shown(source, seen.get(source.name)) for source in usecase.sources]


@router.post("/ingestion", status_code=202, response_model=list[JobAccepted], responses=declared(403, 404))
async def ingest(
    usecase: Named, service: Here, who: Ingester, allow_removal: AllowRemoval = False
) -> list[JobAccepted]:
    """Read every source of the use case again, one job each; what has not changed is skipped."""
    return [await _submitted(service, who, Place(usecase.name, each.name), allow_removal) for each in usecase.sources]


@router.post("/sources/{source}/ingest", status_code=202, response_model=JobAccepted, responses=declared(403, 404))
async def ingest_one(
    usecase: Named, source: str, service: Here, who: Ingester, response: Response, allow_removal: AllowRemoval = False
) -> JobAccepted:
    """Read one source again; what has not changed is skipped, what is gone there goes here."""
    _ensure_there(usecase, source)
    accepted = await _submitted(service, who, Place(usecase.name, source), allow_removal)
    response.headers["Location"] = f"/v1/jobs/{accepted.job_id}"
    return accepted


async def _submitted(service: Service, who: Principal, place: Place, allow_removal: bool) -> JobAccepted:
    what = {"source": place.source, "allow_removal": allow_removal}
    return JobAccepted(
        job_id=await service.jobs.submit(Order("ingest", place.usecase, who.user_id, who.token_groups, what))
    )


def _ensure_there(usecase: UseCase, source: str) -> None:
    names = [each.name for each in usecase.sources]
    if source not in names:
        raise NotFound(f"{usecase.name!r} has no source {quoted(source)}; it has: {', '.join(names) or 'none'}.")


def _shown(source: AnySource, seen: Seen | None) -> dict[str, Any]:
    return {
        "name": source.name,
        "kind": type(source).__name__.lower(),
        "every_s": source.every.total_seconds() if source.every else None,
        "begun_at": seen.begun_at if seen else None,
        "ended_at": seen.ended_at if seen else None,
        "reading": bool(seen and seen.is_read_now),
    }
