"""What every request and response passes: an id, the gate, a size limit, headers that keep browsers honest."""

import re
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.gate import Gate, too_large
from app.api.problems import broken, problem
from app.errors import Overloaded
from app.telemetry import tracing
from app.telemetry.logging import bound
from app.telemetry.scrub import mask

# It is logged and said again: nothing that could be an address, words, or a key.
REQUEST_ID = re.compile(r"[A-Za-z0-9][\w.:-]{0,99}", re.ASCII)
# The doors to a model; the console, health and switches stay open however many ask.
TURNS = ("/turns", "/chat/completions")


class Envelope:
    """Gives each request an id, each response its headers; written for ASGI, so that streams pass untouched."""

    def __init__(self, app: ASGIApp, *, gate: Gate, turns_at_once: int) -> None:
        self._app, self._gate, self._headers = app, gate, gate.headers()
        self._turns_at_once, self._turns = turns_at_once, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) and mask(given) == given else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        begun = False

        async def enveloped(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.update(tracing.inject())
                headers.update(self._headers)
                # What one person saw must not come back from a cache for the next.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        with bound(request_id=request_id):
            try:
                await self._inside(scope, receive, enveloped)
            except Exception as error:
                # Answered in here: further out it would go without its id and the headers of every response.
                if begun:
                    raise
                await (await broken(Request(scope), error))(scope, receive, enveloped)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = _counted(receive, self._gate.most_bytes(scope))
        if fault := self._gate.fault(scope):
            # Said before anything is read.
            await problem(Request(scope), fault)(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"].endswith(TURNS):
            await self._turn(scope, counted, send)
        else:
            await self._app(scope, counted, send)

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


def _counted(receive: Receive, most: int) -> Receive:
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            # Whoever reads a body lets this kind of exception through to the handlers.
            raise HTTPException(413, too_large(most).detail)
        return message

    return counted
