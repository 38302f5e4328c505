"""One HTTP exchange of the fake vendor, below the framework: it notices when the asker leaves."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]


class Gone(Exception):
    """The asker has left before the answer was complete."""


class Reset(ConnectionResetError):
    """The connection is cut on purpose; the server closes it when this reaches it."""


class Line:
    """Reads one request and answers it, in as many pieces and as slowly as wanted."""

    def __init__(
        self, receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        self._receive, self._send = receive, send
        self._leaving: asyncio.Task[Any] | None = None

    async def body(self) -> bytes:
        """Give the request's body. Raises Gone."""
        raw = b""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            raw += message.get("body", b"")
            if not message.get("more_body"):
                return raw

    async def wait(self, seconds: float) -> None:
        """Wait. Raises Gone as soon as the asker has left."""
        if seconds <= 0:
            return
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._receive())
        done, _ = await asyncio.wait({self._leaving}, timeout=seconds)
        if done:
            raise Gone

    async def start(self, status: int, media: bytes, headers: Headers = ()) -> None:
        """Send the status and the headers."""
        sent = [(b"content-type", media), *headers]
        await self._send({"type": "http.response.start", "status": status, "headers": sent})

    async def more(self, piece: bytes) -> None:
        """Send a piece of the body. Raises Gone when the asker is known to have left."""
        if self._leaving is not None and self._leaving.done():
            raise Gone
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self, piece: bytes = b"") -> None:
        """Send the last piece."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": False})

    def close(self) -> None:
        """Stop looking out for the asker."""
        if self._leaving is not None:
            self._leaving.cancel()
