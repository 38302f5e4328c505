"""The settings in force, without secrets: what each is, and where it came from."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.wiring.in_force import changed, config_files, settings_in_force

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Reader = Annotated[Principal, Depends(needs(Permission.READ_SETTINGS))]


@router.get("/console/settings")
async def settings(request: Request, service: Here, who: Reader) -> Response:
    """Show every setting of this process, those that somebody has set first."""
    rows = settings_in_force(service.settings)
    files = config_files(service.settings)
    named = service.settings.service["service"]
    return page(
        request,
        "settings.html",
        who,
        rows=sorted(rows, key=lambda row: row.is_default),
        set_by_hand=changed(rows),
        files=files,
        version=named["template_version"],
    )
