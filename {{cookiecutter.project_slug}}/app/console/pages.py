"""Pages to look at; app.main hands ROUTERS to the application."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from app.console import (
    assets,
    auditing,
    captured,
    chat,
    costs,
    documents,
    evaluations,
    guides,
    inspection,
    jobs,
    keys,
    live,
    overview,
    people,
    readiness,
    restrictions,
    reviews,
    rollouts,
    settings,
    shadows,
    sign_in,
    switches,
    turns,
    webhooks,
)
from app.errors import NotFound, quoted

files = APIRouter(include_in_schema=False)
ROUTERS: Sequence[APIRouter] = (
    chat.router,
    sign_in.router,
    overview.router,
    turns.router,
    costs.router,
    evaluations.router,
    switches.router,
    rollouts.router,
    shadows.router,
    keys.router,
    jobs.router,
    documents.router,
    inspection.router,
    restrictions.router,
    reviews.router,
    captured.router,
    people.router,
    auditing.router,
    webhooks.router,
    readiness.router,
    settings.router,
    guides.router,
    live.router,
    files,
)


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
