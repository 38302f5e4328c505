"""What every request and response passes: an id, a size limit, headers that keep browsers honest."""

from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.telemetry import tracing
from app.telemetry.logging import bound

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'self'",
}


class Envelope:
    """Gives each request an id, each response its headers; written for ASGI, so that streams pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if given.isascii() and given.isprintable() and 0 < len(given) <= 100 else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def enveloped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.update(tracing.inject())
                headers.update(SECURITY)
            await send(message)

        with bound(request_id=request_id):
            await self._app(scope, receive, enveloped)
