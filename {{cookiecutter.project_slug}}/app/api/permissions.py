"""What each route needs, read from the route itself; one that needs nothing must stand on the list of public ones.

The application refuses to be made with a route that is on neither side, so nothing is open by oversight.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fastapi.routing import APIRoute

from app.errors import CannotStart

SIGN_IN = "sign-in"
# Path, and why nobody has to be signed in there.
PUBLIC: Mapping[str, str] = {
    "/health/live": "load balancers sign in nowhere",
    "/health/ready": "load balancers sign in nowhere",
    "/metrics": "scrapers sign in nowhere; keep it inside your network",
    "/problems/{slug}": "explains an error, also to whom the error kept out",
    "/openapi.json": "describes the interface, and holds no data",
    "/console/sign-in": "where one signs in",
    "/console/sign-in/start": "leads to the company's sign-in",
    "/console/sign-in/callback": "where the company's sign-in sends people back to",
    "/console/sign-out": "forgets a cookie, for whoever sends it from our own pages",
    "/static/{name}": "style sheets and scripts of the sign-in page, too",
}


def need_of(route: APIRoute) -> str:
    """Give the permission that a route needs, `sign-in` where any person's own data is meant, or nothing."""
    found = {need for call in _calls(route.dependant) if (need := _need(call))}
    return next((need for need in sorted(found) if need != SIGN_IN), SIGN_IN if found else "")


def _calls(dependant: Any) -> Iterator[Callable[..., Any]]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _need(call: Callable[..., Any]) -> str:
    if call.__name__ == "permitted":
        return str(inspect.getclosurevars(call).nonlocals["permission"].value)
    return SIGN_IN if call.__name__ == "signed_in" else ""


def flat(routes: Iterable[Any]) -> Iterator[Any]:
    """Give every route, those of included routers too."""
    for route in routes:
        # An application keeps an included router as one entry, with its routes inside.
        router = getattr(route, "original_router", route)
        if hasattr(router, "routes"):
            yield from flat(router.routes)
        elif hasattr(route, "path"):
            yield route


def ensure_declared(routes: Iterable[Any]) -> None:
    """Raise CannotStart when a route neither asks who is there nor stands on the list of public ones."""
    open_ = sorted(
        route.path
        for route in flat(routes)
        if route.path not in PUBLIC and not (isinstance(route, APIRoute) and need_of(route))
    )
    if open_:
        raise CannotStart(
            f"These routes ask nobody who they are: {', '.join(open_)}. Give each a parameter of `needs(Permission.X)`,"
            " or `Asker` for a person's own data; what everybody may have stands in PUBLIC of app/api/permissions.py."
        )
