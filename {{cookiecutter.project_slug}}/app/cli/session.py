"""How commands reach the service: through its HTTP door as a person, or built in place for an operator."""

import asyncio
import getpass
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2

from app.cli.screen import err, out
from app.control.development import DevelopmentIssuer
from app.errors import AppError, BadInput, DependencyDown
from app.settings import Settings, load

if TYPE_CHECKING:
    from app.wiring.service import Service

__all__ = ["bearer", "checked", "door", "err", "in_place", "operator", "out"]
T = TypeVar("T")


def operator() -> str:
    """Name whoever sits at this terminal, for the audit."""
    return f"cli:{getpass.getuser()}"


def in_place(work: "Callable[[Service], Awaitable[T]]") -> T:
    """Build the service in this process, run, and let go."""

    from app.wiring.service import build

    async def run() -> T:
        service = build(load())
        try:
            return await work(service)
        finally:
            await service.stop()

    return asyncio.run(run())


def bearer(settings: Settings, person: str) -> str:
    """Give a token: APP_TOKEN when it is set; in development, one for a person of config/people.toml."""
    if token := os.environ.get("APP_TOKEN", ""):
        return token
    if settings.is_production or settings.oidc_issuer:
        raise BadInput("Set APP_TOKEN to a bearer token of your issuer: there are no development identities here.")
    return DevelopmentIssuer(settings.secret_key.get_secret_value(), settings.config("people")).token(person)


@asynccontextmanager
async def door(settings: Settings, person: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Open the HTTP door as a person. Raises DependencyDown when nobody listens."""
    headers = {"Authorization": f"Bearer {bearer(settings, person)}"}
    url = settings.public_url
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        try:
            yield client
        except httpx2.ConnectError as error:
            raise DependencyDown(f"Nobody answers at {url}; start the service with `make up`.") from error


class Told(AppError):
    """A problem document that the service answered with."""

    title = "Refused"


def checked(response: httpx2.Response, body: Any) -> Any:
    """Give the body of a good answer; raise what a problem document says."""
    if response.status_code >= 400:
        raise Told(f"{body.get('detail', body)} (HTTP {response.status_code})")
    return body
