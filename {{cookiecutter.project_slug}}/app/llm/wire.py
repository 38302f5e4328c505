"""HTTP to the vendors: the SDKs' own client over aiohttp's connections, for a fraction of the processor time.

Faults come out as httpx2's, so whoever sorts them need not know. Waiting has no limit here but for connecting: a call
brings its own deadline and cancels, which closes the connection.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from urllib.request import getproxies

import aiohttp
import httpx2
from yarl import URL

# The most telling first: aiohttp's errors inherit from one another, and from OSError.
_ERRORS: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx2.ReadTimeout),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientHttpProxyError, httpx2.ProxyError),
    (aiohttp.ClientProxyConnectionError, httpx2.ProxyError),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.ClientOSError, httpx2.ReadError),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (aiohttp.NonHttpUrlClientError, httpx2.UnsupportedProtocol),
    (aiohttp.InvalidURL, httpx2.UnsupportedProtocol),
    (aiohttp.ClientError, httpx2.NetworkError),
    (OSError, httpx2.ReadError),
)
# The SDK says what it wants; aiohttp adds nothing of its own.
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Wire(httpx2.AsyncBaseTransport):
    """Connections to the vendors, at most `max_connections`; who comes when all are busy waits in turn."""

    def __init__(self, *, max_connections: int, connect_s: float) -> None:
        self._max_connections = max_connections
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and give the response as soon as its head is there. Raises httpx2.TransportError."""
        with _translated(request):
            response = await self._opened().request(
                request.method,
                URL(str(request.url), encoded=True),
                data=await request.aread() or None,
                headers=request.headers.multi_items(),
                skip_auto_headers=_OWN_HEADERS,
                allow_redirects=False,
            )
        return httpx2.Response(
            response.status, headers=list(response.raw_headers), stream=_Body(response, request), request=request
        )

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        # Not before the first request: a session belongs to the event loop that runs then.
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._max_connections, ssl=httpx2.create_ssl_context())
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                # Looking for a proxy costs something on every request, and few have one.
                trust_env=bool(getproxies()),
            )
        return self._session


class _Body(httpx2.AsyncByteStream):
    """The body as it comes; closing it half read closes the connection, so that the vendor stops too."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._response, self._request = response, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        with _translated(self._request):
            try:
                async for piece in content.iter_any():
                    yield piece
            except aiohttp.ClientError:
                # aiohttp drops what came just before the connection broke; the words in it were said all the same.
                yield b"".join(content._buffer)
                raise

    async def aclose(self) -> None:
        self._response.close()


@contextmanager
def _translated(request: httpx2.Request) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        kind = next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))
        raise kind(type(error).__name__, request=request) from error
