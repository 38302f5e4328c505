"""Signing in and out: at the company's issuer, or, in development, by choosing a person."""

from typing import Annotated
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import SIGN_IN, Here, forget, own_path, refuse_foreign, seat, was_signed_in
from app.control.auth import CHANNEL, COOKIE
from app.control.code_flow import PATIENCE_S, CodeFlow, cookie_of
from app.control.development import DevelopmentIssuer
from app.control.sign_ins import SignIns, is_word
from app.errors import Forbidden, NotFound, Unauthenticated
from app.wiring.service import Service

log = structlog.get_logger(__name__)
router = APIRouter(route_class=PageRoute, include_in_schema=False)
START, CALLBACK = f"{SIGN_IN}/start", f"{SIGN_IN}/callback"
Word = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]


class SignIn(BaseModel):
    """Who to become, and where to go then."""

    model_config = ConfigDict(extra="forbid")

    person: Annotated[Words, Field(max_length=100)]
    next: Annotated[Words, Field(max_length=500)] = "/"


@router.get("/console/sign-in")
async def sign_in_page(request: Request, service: Here, next: Word = "/") -> Response:
    """Show the development identities, or the way to the company's issuer; who was signed in goes there at once."""
    flow = service.authenticator.flow
    start = f"{START}?{urlencode({'next': own_path(next)})}" if flow else ""
    if start and was_signed_in(request):
        return RedirectResponse(start, status_code=303)
    return page(request, "sign_in.html", None, next=own_path(next), start=start)


@router.post("/console/sign-in")
async def sign_in(request: Request, service: Here, form: Annotated[SignIn, Form()]) -> RedirectResponse:
    """Become one of the development identities; where a company's issuer signs people in, there is no such page."""
    refuse_foreign(request)
    issuer = service.authenticator.issuer
    if not isinstance(issuer, DevelopmentIssuer):
        raise NotFound("Development identities are refused here; sign in with your company's account.")
    return seat(service, issuer.token(form.person), to=form.next)


@router.get("/console/sign-in/start")
async def start(service: Here, next: Word = "/") -> RedirectResponse:
    """Go to the company's issuer; a cookie knows the browser again when it comes back."""
    flow, _ = _by_issuer(service)
    begun = await flow.begin(own_path(next))
    response = RedirectResponse(begun.address, status_code=303)
    is_https = service.settings.is_production
    response.set_cookie(
        begun.cookie, begun.sealed, max_age=PATIENCE_S, path=CALLBACK, httponly=True, samesite="lax", secure=is_https
    )
    return response


@router.get("/console/sign-in/callback")
async def callback(request: Request, service: Here) -> RedirectResponse:
    """Come back from the issuer, and go on to the page that was wanted."""
    flow, sign_ins = _by_issuer(service)
    cookie = cookie_of(request.query_params.get("state", ""))
    try:
        arrived = await flow.finish(dict(request.query_params), request.cookies.get(cookie, ""))
    except Unauthenticated as error:
        # A page, not the way to sign in once more: the issuer would send them straight back, for ever.
        raise Forbidden(error.detail) from error
    # Who was signed in before in this browser is signed out: one browser, one word.
    await _ended(service, request)
    word = await sign_ins.begin(arrived.person, id_token=arrived.id_token)
    response = seat(service, word, to=arrived.wanted)
    response.delete_cookie(cookie, path=CALLBACK)
    return response


@router.post("/console/sign-out")
async def sign_out(request: Request, service: Here) -> Response:
    """Forget who is signed in, here and at the issuer."""
    refuse_foreign(request)
    flow, id_token = service.authenticator.flow, await _ended(service, request)
    there = await flow.farewell(id_token) if flow and id_token else ""
    if not there:
        return forget(RedirectResponse(SIGN_IN, status_code=303))
    # No redirect: our own policy lets forms lead to our own pages only.
    response = forget(page(request, "signed_out.html", None, there=there))
    response.headers["Refresh"] = f"0; url={there}"
    return response


async def _ended(service: Service, request: Request) -> str:
    """End the sign-in behind the cookie, if there is one; gives its id token."""
    sign_ins, cookie = service.authenticator.sign_ins, request.cookies.get(COOKIE, "")
    if sign_ins is None or not is_word(cookie):
        return ""
    id_token = await sign_ins.end(cookie)
    await service.broadcast.publish(CHANNEL, "sign-out")
    return id_token


def _by_issuer(service: Service) -> tuple[CodeFlow, SignIns]:
    flow, sign_ins = service.authenticator.flow, service.authenticator.sign_ins
    if flow is None or sign_ins is None:
        raise NotFound("This service has no sign-in at a company's issuer: APP_OIDC_CLIENT_ID is not set.")
    return flow, sign_ins
