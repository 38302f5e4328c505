"""Over aiohttp every fault looks as over httpx2's own connections, and who leaves closes the connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest

from app.llm.wire import Wire

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Make = Callable[[], httpx2.AsyncBaseTransport]
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Seen: one\r\nX-Seen: two\r\n\r\nok"
PATIENCE_S = 20.0


def wire() -> httpx2.AsyncBaseTransport:
    return Wire(max_connections=10, connect_s=2)


def stock() -> httpx2.AsyncBaseTransport:
    return httpx2.AsyncHTTPTransport()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x?a=b%2Fc"
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


async def asked(transport: httpx2.AsyncBaseTransport, url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(None, connect=2)) as client:
        return await asyncio.wait_for(client.post(url, json={"asked": "something"}), PATIENCE_S)


async def failure(make: Make, url: str) -> type[Exception]:
    with pytest.raises(httpx2.TransportError) as caught:
        await asked(make(), url)
    return caught.type


@pytest.mark.proves("REL-6")
@pytest.mark.parametrize(
    ("said", "then"),
    [
        (b"", "close"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", "close"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "close"),
        (b"this is not HTTP at all\r\n\r\n", "close"),
    ],
)
async def test_a_fault_has_the_same_name_on_both(said: bytes, then: str) -> None:
    async with serving(saying(said, then=then)) as url:
        assert await failure(wire, url) is await failure(stock, url)


@pytest.mark.proves("REL-6")
async def test_a_reset_is_an_error_of_the_connection() -> None:
    async with serving(saying(b"", then="reset")) as url:
        assert issubclass(await failure(wire, url), httpx2.ReadError | httpx2.RemoteProtocolError)


@pytest.mark.proves("REL-6")
async def test_a_vendor_that_is_not_there_was_never_reached() -> None:
    async with serving(saying(GOOD)) as url:
        pass
    assert await failure(wire, url) is httpx2.ConnectError
    assert await failure(wire, "http://no-such-host.invalid/") is httpx2.ConnectError
    assert await failure(wire, "ftp://127.0.0.1/") is httpx2.UnsupportedProtocol


async def test_requests_and_responses_are_the_same_on_both() -> None:
    seen: list[set[bytes]] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await request(reader)
        lines = said.splitlines()
        seen.append({lines[0], lines[-1], *(line.lower() for line in lines[1:-2])})
        writer.write(GOOD)
        writer.close()

    async with serving(handler) as url:
        answers = [await asked(make(), url) for make in (wire, stock)]
    assert seen[0] == seen[1]
    assert [answer.text for answer in answers] == ["ok", "ok"]
    assert [answer.headers.get_list("x-seen") for answer in answers] == [["one", "two"]] * 2


async def test_a_packed_answer_is_unpacked_once() -> None:
    packed = bytes.fromhex("1f8b08000000000002ffcbcf060047dddc7902000000")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(saying(head + packed)) as url:
        assert (await asked(wire(), url)).text == "ok"


async def test_a_connection_is_used_again() -> None:
    opened = []
    stays = saying(GOOD, then="stay")

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        await stays(reader, writer)

    async with serving(handler) as url, httpx2.AsyncClient(transport=wire()) as client:
        for _ in range(3):
            assert (await client.post(url, json={})).status_code == 200
    assert len(opened) == 1


@pytest.mark.proves("LAT-5")
@pytest.mark.parametrize("is_streaming", [False, True])
async def test_who_leaves_closes_the_connection(is_streaming: bool) -> None:
    asking, left = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        if is_streaming:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        asking.set()
        await reader.read()
        left.set()
        writer.close()

    async def ask(client: httpx2.AsyncClient) -> None:
        async with client.stream("POST", url, json={}) as response:
            await response.aread()

    async with serving(handler) as url, httpx2.AsyncClient(transport=wire(), timeout=None) as client:
        asks = asyncio.create_task(ask(client))
        await asyncio.wait_for(asking.wait(), PATIENCE_S)
        asks.cancel()
        await asyncio.wait_for(left.wait(), PATIENCE_S)
        with pytest.raises(asyncio.CancelledError):
            await asks


async def test_pieces_come_as_they_are_sent() -> None:
    go = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await go.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        writer.close()

    async with (
        serving(handler) as url,
        httpx2.AsyncClient(transport=wire(), timeout=None) as client,
        client.stream("POST", url, json={}) as response,
    ):
        pieces = response.aiter_bytes()
        assert await asyncio.wait_for(anext(pieces), PATIENCE_S) == b"one"
        go.set()
        assert await asyncio.wait_for(anext(pieces), PATIENCE_S) == b"two"


@pytest.mark.proves("REL-6")
async def test_what_came_before_the_connection_broke_is_not_lost() -> None:
    broke = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await writer.drain()
        await go.wait()
        writer.write(b"3\r\ntwo\r\n")
        await writer.drain()
        writer.close()
        broke.set()

    go, pieces = asyncio.Event(), []
    async with serving(handler) as url, httpx2.AsyncClient(transport=wire(), timeout=None) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            async with client.stream("POST", url, json={}) as response:
                async for piece in response.aiter_bytes():
                    pieces.append(piece)
                    go.set()
                    await broke.wait()
                    # Busy with the first piece while the second and the end arrive.
                    await asyncio.sleep(0.2)
    assert b"".join(pieces) == b"onetwo"


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

    transport = Wire(max_connections=2, connect_s=2)
    async with serving(handler) as url, httpx2.AsyncClient(transport=transport, timeout=None) as client:
        asks = [asyncio.create_task(client.post(url, json={})) for _ in range(5)]
        await asyncio.wait_for(full.wait(), PATIENCE_S)
        go.set()
        answers = await asyncio.wait_for(asyncio.gather(*asks), PATIENCE_S)
    assert [answer.status_code for answer in answers] == [200] * 5
    assert most == 2
