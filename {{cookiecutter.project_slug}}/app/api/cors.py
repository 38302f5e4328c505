"""Pages of other sites: none may read an answer, but those of the origins that are listed, with a bearer token.

Cookies stay out of it: a listed page signs its requests itself, and the console is open to no other site at all.
"""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import CannotStart

SHARED = ("/v1/", "/openai/")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ASKED = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-Id", "traceparent")
TOLD = (
    *("X-Request-Id", "X-Turn-Id", "Location", "Retry-After", "Idempotency-Replayed", "traceparent"),
    *("RateLimit", "RateLimit-Policy"),
)
FRESH_S = 600


class Cors:
    """Lets the pages of these origins use the API."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        if any("*" in origin for origin in origins):
            raise CannotStart("APP_CORS_ORIGINS holds `*`; list each origin, such as https://app.example.com")
        self._app = app
        self._shared = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=ASKED,
            expose_headers=TOLD,
            allow_credentials=False,
            max_age=FRESH_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer what a browser asks beforehand."""
        is_shared = scope["type"] == "http" and scope["path"].startswith(SHARED)
        await (self._shared if is_shared else self._app)(scope, receive, send)
