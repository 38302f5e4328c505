"""An HTTP/1.1 server of a hundred lines: fast enough to stand behind anything without being what is measured."""

import asyncio
from collections.abc import Callable
from typing import cast

Answer = tuple[bytes, float]
# Gets method and path in one word, and the body; gives a whole response, and the seconds until it goes out.
Handler = Callable[[bytes, bytes], Answer]


class Connection(asyncio.Protocol):
    """One connection; requests on it follow each other, as HTTP clients send them."""

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop) -> None:
        self._handler, self._loop = handler, loop
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the way back: an answer that is still due has nowhere to go."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete."""
        self._buffer = self._buffer + data if self._buffer else data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            stop = end + 4 + length(self._buffer[:end])
            if len(self._buffer) < stop:
                return
            request, self._buffer = self._buffer[:stop], self._buffer[stop:]
            self._answer(request, end)

    def _answer(self, request: bytes, end: int) -> None:
        line = request[: request.index(b"\r\n")]
        said, delay_s = self._handler(line[: line.rindex(b" ")], request[end + 4 :])
        if delay_s:
            self._loop.call_later(delay_s, self._send, said)
        else:
            self._send(said)

    def _send(self, said: bytes) -> None:
        if self._transport is not None:
            self._transport.write(said)


def length(head: bytes) -> int:
    """Give the length of the body that a head announces; 0 without one."""
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        return 0
    end = lower.find(b"\r\n", at)
    return int(lower[at + 15 : end if end >= 0 else None])


def whole(body: bytes, *, status: bytes = b"200 OK", media_type: bytes = b"application/json") -> bytes:
    """Give a response that says its length."""
    head = b"HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n" % (status, media_type, len(body))
    return head + body


def chunked(pieces: list[bytes]) -> bytes:
    """Give a response in chunks, as streams come."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


async def serve(handler: Handler, port: int) -> None:
    """Serve on this machine until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(handler, loop), "127.0.0.1", port, backlog=2048)
    async with server:
        await server.serve_forever()
