"""What every request and response passes: an id, a size limit, headers that keep browsers honest."""

from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem
from app.errors import Overloaded, TooLarge
from app.telemetry import tracing
from app.telemetry.logging import bound

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'self'",
}
# The doors to a model; the console, health and switches stay open however many ask.
TURNS = ("/turns", "/chat/completions")


class Envelope:
    """Gives each request an id, each response its headers; written for ASGI, so that streams pass untouched."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, turns_at_once: int) -> None:
        self._app, self._max_body_bytes = app, max_body_bytes
        self._turns_at_once, self._turns = turns_at_once, 0

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
            if self._declares_too_much(scope):
                # Said before anything is read.
                await problem(Request(scope), TooLarge(self._allowed))(scope, receive, enveloped)
            elif scope["method"] == "POST" and scope["path"].endswith(TURNS):
                await self._turn(scope, self._counted(receive), enveloped)
            else:
                await self._app(scope, self._counted(receive), enveloped)

    async def _turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A turn's deadline runs from when it is begun: without a bound an overload would have all of them wait before.
        if self._turns >= self._turns_at_once:
            error = Overloaded("Too many questions at once; nothing was done, ask again in a moment.", retry_after_s=1)
            await problem(Request(scope), error)(scope, receive, send)
            return
        self._turns += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._turns -= 1

    @property
    def _allowed(self) -> str:
        return f"The body is too large; allowed: {self._max_body_bytes} bytes."

    def _declares_too_much(self, scope: Scope) -> bool:
        length = Headers(scope=scope).get("content-length", "")
        return length.isascii() and length.isdigit() and int(length) > self._max_body_bytes

    def _counted(self, receive: Receive) -> Receive:
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_body_bytes:
                # Whoever reads a body lets this kind of exception through to the handlers.
                raise HTTPException(413, self._allowed)
            return message

        return counted
