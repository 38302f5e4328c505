"""The pages of candidates: each side by side with what people saw, and the turns that both answered."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.errors import NotFound, quoted

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Reader = Annotated[Principal, Depends(needs(Permission.READ_ALL_TURNS))]


@router.get("/console/shadows")
async def shadows(request: Request, service: Here, who: Reader) -> Response:
    """Show each candidate beside what people saw."""
    return page(request, "shadows.html", who, trials=await service.trying.trials.every(who))


@router.get("/console/shadows/{usecase}/{candidate}")
async def pairs(request: Request, usecase: str, candidate: str, service: Here, who: Reader) -> Response:
    """Show the newest turns that both answered, those that differ first."""
    found = await service.trying.trials.every(who, usecase=usecase)
    trial = next((each for each in found if each.candidate == candidate), None)
    if trial is None:
        raise NotFound(f"There is no candidate {quoted(candidate)} of {quoted(usecase)}.")
    told = await service.trying.trials.pairs(who, usecase, candidate)
    return page(request, "shadow.html", who, trial=trial, pairs=told)
