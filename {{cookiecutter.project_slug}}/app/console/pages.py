"""Pages to look at; app.main hands ROUTERS to the application. What changes something is in actions."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.console import actions, assets, auditing, inspection, keys, people, restrictions, sign_in, views
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, Visitor, needs
from app.domain.identity import Permission, Principal
from app.errors import NotFound, quoted

router = APIRouter(route_class=PageRoute, include_in_schema=False)
files = APIRouter(include_in_schema=False)
ROUTERS: Sequence[APIRouter] = (
    *(router, sign_in.router, actions.router, keys.router, inspection.router),
    *(restrictions.router, people.router, auditing.router, files),
)

Opener = Annotated[Principal, Depends(needs(Permission.OPEN_CONSOLE))]
Flipper = Annotated[Principal, Depends(needs(Permission.FLIP_SWITCHES))]
Reviewer = Annotated[Principal, Depends(needs(Permission.DECIDE_REVIEWS))]
TurnReader = Annotated[Principal, Depends(needs(Permission.READ_ALL_TURNS))]
Word = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("/")
async def chat(request: Request, service: Here, who: Visitor) -> Response:
    """Show the chat page to whoever is signed in; others go to sign in first."""
    return page(request, "chat.html", who, usecases=views.open_to(service, who))


@router.get("/console")
async def overview(request: Request, service: Here, who: Opener) -> Response:
    """Show the last 24 hours at a glance."""
    return page(request, "overview.html", who, **await views.overview(service, who))


@router.get("/console/switches")
async def switches(request: Request, service: Here, who: Flipper, changed: Word = "") -> Response:
    """Show each kill switch, who turned it last, when and why."""
    return page(request, "switches.html", who, **await views.switches(service, changed=changed))


@router.get("/console/reviews")
async def reviews(
    request: Request, service: Here, who: Reviewer, status: Literal["open", "approved", "rejected"] = "open"
) -> Response:
    """Show the drafts that wait for a person, or those already decided."""
    found = await service.reviews.waiting(who, status=status)
    return page(request, "reviews.html", who, reviews=found, status=status)


@router.get("/console/turns")
async def turns(
    request: Request, service: Here, who: TurnReader, wanted: Annotated[views.TurnFilter, Query()]
) -> Response:
    """Show turns, the newest first."""
    return page(request, "turns.html", who, **await views.turns(service, who, wanted))


@router.get("/console/turns/{turn_id}")
async def story(request: Request, turn_id: UUID, service: Here, who: Visitor) -> Response:
    """Show what happened in one turn: to the person who asked, and to those who may read every turn."""
    return page(request, "turn.html", who, **await views.story(service, who, turn_id))


@router.get("/console/jobs")
async def job_list(request: Request, service: Here, who: Opener) -> Response:
    """Show queued work, the newest first."""
    return page(request, "jobs.html", who, jobs=await views.job_list(service, who))


@files.get("/static/{name}")
async def static(request: Request, name: str, v: str = "") -> Response:
    """Give a style sheet or script; asked for by its hash, a browser may keep it for ever."""
    asset = assets.ASSETS.get(name)
    if asset is None:
        raise NotFound(f"There is no file {quoted(name)}.")
    keep = "public, max-age=31536000, immutable" if v == asset.version else "no-cache"
    headers = {"Cache-Control": keep, "ETag": f'"{asset.version}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)
