"""Who looks at a page: the identity cookie, and the check that a change comes from one of our own pages."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse

from app.control import auth
from app.control.auth import COOKIE
from app.control.claims import Person
from app.control.development import DevelopmentIssuer
from app.domain.identity import Permission, Principal
from app.errors import Forbidden, Unauthenticated
from app.wiring.service import Service

SIGN_IN = "/console/sign-in"
# Longer than a sign-in lasts: from a cookie that counts no more we know that the issuer may be asked without a click.
COOKIE_LIFE_S = 12 * 3600
# A path of this site: no second slash or backslash that a browser would take for another host.
OWN_PATH = re.compile(r"/(?:[\w.~%-][\w.~%/-]*)?(?:\?[\w.~%=&-]*)?")


def service_of(request: Request) -> Service:
    """Give the one service of this process."""
    service: Service = request.app.state.service
    return service


async def signed_in(request: Request) -> Principal:
    """Give the person behind the cookie. Raises Unauthenticated, and Forbidden for a change from elsewhere."""
    refuse_foreign(request)
    token = request.cookies.get(COOKIE, "")
    if not token:
        raise Unauthenticated("Nobody is signed in.")
    who = await service_of(request).authenticator.visitor(token)
    service_of(request).limiting.restrictions.ensure_person(who, asks=False)
    # A page that tells what went wrong still says who is signed in.
    request.state.visitor = who
    return who


def refuse_foreign(request: Request) -> None:
    """Refuse a change that another site's page sends in the visitor's name (CSRF). Raises Forbidden."""
    auth.refuse_foreign(request.method, origin=request.headers.get("origin"), host=request.headers.get("host"))


def needs(permission: Permission) -> Callable[[Request], Awaitable[Principal]]:
    """Make a dependency that lets in whoever holds the permission."""

    async def permitted(request: Request) -> Principal:
        who = await signed_in(request)
        if not who.may(permission):
            raise Forbidden(f"This page needs the permission {permission.value}, which you do not hold.")
        return who

    return permitted


def people_of(service: Service) -> tuple[Person, ...]:
    """Give the development identities; none where a company's own issuer signs people in."""
    issuer = service.authenticator.issuer
    return tuple(issuer.people.values()) if isinstance(issuer, DevelopmentIssuer) else ()


def own_path(wanted: str) -> str:
    """Give the path if it leads to a page of ours, or the chat page."""
    return wanted if OWN_PATH.fullmatch(wanted) else "/"


R = TypeVar("R", bound=Response)


def was_signed_in(request: Request) -> bool:
    """Say whether this browser was signed in not long ago."""
    return bool(request.cookies.get(COOKIE))


def forget(response: R) -> R:
    """Have the browser forget who is signed in."""
    response.delete_cookie(COOKIE)
    return response


def seat(service: Service, token: str, *, to: str) -> RedirectResponse:
    """Sign the visitor in with this word or token and go on."""
    response = RedirectResponse(own_path(to), status_code=303)
    response.set_cookie(
        COOKIE,
        token,
        max_age=COOKIE_LIFE_S,
        httponly=True,
        samesite="lax",
        secure=service.settings.is_production,
    )
    return response


Here = Annotated[Service, Depends(service_of)]
Visitor = Annotated[Principal, Depends(signed_in)]
