"""What routes ask for: the service, and who is asking. A route without one of these must stand on the public list."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from app.control.auth import COOKIE, refuse_foreign
from app.domain.identity import Permission, Principal
from app.domain.usecase import UseCase
from app.errors import Forbidden, NotFound, Unauthenticated, quoted
from app.wiring.service import Service


# Not `def`: FastAPI would send each to a thread and back, several times what the work itself takes.
async def service_of(request: Request) -> Service:
    """Give the one service of this process."""
    return _service(request)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def signed_in(request: Request) -> Principal:
    """Give the person or program behind the bearer token, the API key or the cookie. Raises Unauthenticated."""
    known: Principal | None = getattr(request.state, "who", None)
    if known is None:
        known = await _proven(request)
        _service(request).limiting.restrictions.ensure_person(known, asks=False)
        request.state.who = known
    return known


async def _proven(request: Request) -> Principal:
    header = request.headers.get("authorization", "")
    if header:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("The Authorization header must be `Bearer <token>`.")
        return await _service(request).authenticator.principal(token)
    token = request.cookies.get(COOKIE, "")
    if not token:
        raise Unauthenticated("Send `Authorization: Bearer <token>`, or sign in at /console.")
    refuse_foreign(request.method, origin=request.headers.get("origin"), host=request.headers.get("host"))
    return await _service(request).authenticator.visitor(token)


def needs(permission: Permission) -> Callable[[Request], Awaitable[Principal]]:
    """Make a dependency that lets in whoever holds the permission."""

    async def permitted(request: Request) -> Principal:
        who = await signed_in(request)
        if not who.may(permission):
            raise Forbidden(f"This needs the permission {permission.value}.")
        return who

    return permitted


async def usecase_of(request: Request, name: str, who: Annotated[Principal, Depends(signed_in)]) -> UseCase:
    """Give the use case of this name. Raises NotFound, which names those that this person may use."""
    known = _service(request).usecases
    found = known.get(name)
    if found is None:
        there = ", ".join(key for key, case in known.items() if case.admits(who)) or "none for you"
        raise NotFound(f"There is no use case {quoted(name)}; there are: {there}.")
    if not who.may_use(name):
        raise Forbidden(f"This API key is not for {name!r}.")
    return found


Here = Annotated[Service, Depends(service_of)]
Asker = Annotated[Principal, Depends(signed_in)]
Named = Annotated[UseCase, Depends(usecase_of)]
