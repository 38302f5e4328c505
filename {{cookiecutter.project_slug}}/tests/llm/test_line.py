"""Every fault of a connection gets the name that says what it cost, and who leaves closes the connection."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
import pytest

from app.llm.faults import ModelAPIError, ModelConnectionError, ModelHTTPError, ModelTimeoutError
from app.llm.line import Line, Pieces, Target, target

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a": 1}\n'
BODY = orjson.dumps({"asked": "something"})
PATIENCE_S = 20.0


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    made = Line(max_connections=10, connect_s=2)
    yield made
    await made.aclose()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Target]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield at(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/")
    finally:
        server.close()


def saying(said: bytes, *, then: str = "close") -> Handler:
    """Make a server that answers each request with these bytes, then closes, resets, or stays."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await request(reader)
                writer.write(said)
                await writer.drain()
                if then == "reset":
                    writer.transport.abort()
                if then != "stay":
                    break
        writer.close()

    return handler


async def request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    size = next((line[16:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b"0")
    return head + await reader.readexactly(int(size))


def at(address: str) -> Target:
    return target(address, "/x", {"Authorization": "Bearer k"})


async def asked(line: Line, to: Target) -> Any:
    return await asyncio.wait_for(line.whole(to, BODY), PATIENCE_S)


async def all_of(pieces: Pieces) -> list[bytes]:
    found = []
    async with asyncio.timeout(PATIENCE_S):
        while piece := await pieces.next():
            found.append(piece)
    return found


async def failure(line: Line, to: Target) -> tuple[str, str | None]:
    with pytest.raises(ModelConnectionError) as caught:
        await asked(line, to)
    return type(caught.value).__name__, caught.value.phase


@pytest.mark.proves("REL-6")
@pytest.mark.parametrize(
    ("said", "then"),
    [
        (b"", "close"),
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", "close"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "close"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nodd\r\nhalf\r\n", "close"),
        (b"this is not HTTP at all\r\n\r\n", "close"),
    ],
)
async def test_what_breaks_after_it_was_sent_may_be_charged_for(line: Line, said: bytes, then: str) -> None:
    async with serving(saying(said, then=then)) as to:
        assert await failure(line, to) == ("ModelConnectionError", "read")


@pytest.mark.proves("REL-6")
async def test_a_vendor_that_is_not_there_was_never_reached(line: Line) -> None:
    async with serving(saying(GOOD)) as to:
        pass
    assert await failure(line, to) == ("ModelConnectionError", "connect")
    assert await failure(line, at("http://no-such-host.invalid")) == ("ModelConnectionError", "connect")
    assert await failure(line, at("ftp://127.0.0.1")) == ("ModelConnectionError", None)


@pytest.mark.proves("REL-6")
async def test_a_vendor_that_does_not_answer_the_door_was_never_reached() -> None:
    # A queue of one that nobody empties: the next to come is neither let in nor sent away.
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for each in waiting:
        each.setblocking(False)
        each.connect_ex(door.getsockname())
    line = Line(max_connections=10, connect_s=0.2)
    assert await failure(line, at(f"http://127.0.0.1:{door.getsockname()[1]}")) == (
        ModelTimeoutError.__name__,
        "connect",
    )
    await line.aclose()
    for each in (*waiting, door):
        each.close()


@pytest.mark.proves("REL-6")
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("status", "body"), [(429, b'{"error": {}}'), (503, b"<html>busy</html>"), (400, b"")])
async def test_a_refusal_is_an_error_with_its_status_and_the_time_to_wait(
    line: Line, status: int, body: bytes, streamed: bool
) -> None:
    head = b"HTTP/1.1 %d No\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    async with serving(saying(head + body)) as to:
        with pytest.raises(ModelHTTPError) as caught:
            await read(line, to) if streamed else await asked(line, to)
    assert (caught.value.status_code, caught.value.retry_after) == (status, 7.0)
    assert not caught.value.in_stream


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_redirect_is_not_followed_with_the_key(line: Line, streamed: bool) -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                seen.append(await request(reader))
                where = b"/elsewhere/%d" % len(seen)
                writer.write(b"HTTP/1.1 307 Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % where)
        writer.close()

    async with serving(handler) as to:
        with pytest.raises(ModelAPIError):
            await read(line, to) if streamed else await asked(line, to)
    assert len(seen) == 1


async def test_what_is_no_json_is_no_answer(line: Line) -> None:
    async with serving(saying(b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{"a":')) as to:
        with pytest.raises(ModelAPIError):
            await asked(line, to)


async def test_the_request_is_what_a_vendor_expects(line: Line) -> None:
    seen: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await request(reader))
        writer.write(GOOD)
        writer.close()

    async with serving(handler) as to:
        assert await asked(line, to) == {"a": 1}
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.lower().splitlines()
    assert lines[0] == b"post /v1/x http/1.1"
    assert {b"authorization: bearer k", b"content-type: application/json", b"accept: application/json"} <= set(lines)
    assert body == BODY


async def test_a_packed_answer_is_unpacked_once(line: Line) -> None:
    packed = gzip.compress(b'{"a": 2}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(saying(head + packed)) as to:
        assert await asked(line, to) == {"a": 2}


async def test_a_connection_is_used_again_whole_or_streamed(line: Line) -> None:
    opened = []
    stays = saying(GOOD, then="stay")

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        await stays(reader, writer)

    async with serving(handler) as to:
        for _ in range(3):
            assert await asked(line, to) == {"a": 1}
            assert b"".join(await read(line, to)) == b'{"a": 1}\n'
    assert len(opened) == 1


async def read(line: Line, to: Target) -> list[bytes]:
    async with line.pieces(to, BODY) as pieces:
        return await all_of(pieces)


@pytest.mark.proves("LAT-5")
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("has_begun", [False, True])
async def test_who_leaves_closes_the_connection(line: Line, has_begun: bool, streamed: bool) -> None:
    asking, left = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        if has_begun:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        asking.set()
        await reader.read()
        left.set()
        writer.close()

    async with serving(handler) as to:
        asks: asyncio.Task[Any] = asyncio.create_task(read(line, to) if streamed else line.whole(to, BODY))
        await asyncio.wait_for(asking.wait(), PATIENCE_S)
        asks.cancel()
        await asyncio.wait_for(left.wait(), PATIENCE_S)
        with pytest.raises(asyncio.CancelledError):
            await asks


async def test_pieces_come_as_they_are_sent(line: Line) -> None:
    go = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await go.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        writer.close()

    async with serving(handler) as to, line.pieces(to, BODY) as pieces:
        assert await asyncio.wait_for(pieces.next(), PATIENCE_S) == b"one"
        go.set()
        assert await asyncio.wait_for(pieces.next(), PATIENCE_S) == b"two"
        assert await asyncio.wait_for(pieces.next(), PATIENCE_S) == b""


@pytest.mark.proves("REL-6")
async def test_what_came_before_the_connection_broke_is_not_lost(line: Line) -> None:
    go, broke, found = asyncio.Event(), asyncio.Event(), []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await writer.drain()
        await go.wait()
        writer.write(b"3\r\ntwo\r\n")
        await writer.drain()
        writer.close()
        broke.set()

    async with serving(handler) as to, line.pieces(to, BODY) as pieces:
        found.append(await asyncio.wait_for(pieces.next(), PATIENCE_S))
        go.set()
        await broke.wait()
        # Busy with the first piece while the second and the end arrive.
        await asyncio.sleep(0.2)
        found.append(await pieces.next())
        for _ in range(2):
            with pytest.raises(ModelConnectionError) as caught:
                await pieces.next()
            assert caught.value.phase == "read"
    assert found == [b"one", b"two"]


async def test_who_comes_when_all_connections_are_busy_waits() -> None:
    busy, most, full, go = 0, 0, asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal busy, most
        await request(reader)
        busy += 1
        most = max(most, busy)
        if busy == 2:
            full.set()
        await go.wait()
        busy -= 1
        writer.write(GOOD)
        writer.close()

    line = Line(max_connections=2, connect_s=2)
    async with serving(handler) as to:
        asks = [asyncio.create_task(asked(line, to)) for _ in range(5)]
        await asyncio.wait_for(full.wait(), PATIENCE_S)
        go.set()
        assert await asyncio.wait_for(asyncio.gather(*asks), PATIENCE_S) == [{"a": 1}] * 5
    await line.aclose()
    assert most == 2
