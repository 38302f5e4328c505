"""HTTP to the vendors over aiohttp: a body goes out, an answer comes back whole or in pieces, faults come out as ours.

Waiting has no limit here but for connecting: a call brings its own deadline and cancels, which closes the connection.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.request import getproxies

import aiohttp
import orjson
from multidict import CIMultiDict
from yarl import URL

from app.llm.faults import ModelAPIError, ModelConnectionError, ModelTimeoutError, Phase, refused

USER_AGENT = "cookiecutter-production-ai"
# The most telling first: aiohttp's errors inherit from one another, and from OSError. The phase says whether the vendor
# can have seen the request, and charged for it.
_PHASES: tuple[tuple[type[Exception], Phase | None], ...] = (
    (aiohttp.ServerDisconnectedError, "read"),
    (aiohttp.ClientHttpProxyError, "connect"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ClientOSError, "read"),
    (aiohttp.ClientPayloadError, "read"),
    (aiohttp.ClientResponseError, "read"),
    (aiohttp.ClientError, None),
    (OSError, "read"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, with the headers that name us."""

    url: URL
    headers: CIMultiDict[str]


def target(base_url: str, path: str, headers: Mapping[str, str]) -> Target:
    """Make a target of a vendor's address, a path below it and headers."""
    ours = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": USER_AGENT}
    return Target(URL(base_url.rstrip("/") + path), CIMultiDict({**ours, **headers}))


class Line:
    """Connections to all vendors, at most `max_connections`; who comes when all are busy waits in turn."""

    def __init__(self, *, max_connections: int, connect_s: float) -> None:
        self._max_connections = max_connections
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._session: aiohttp.ClientSession | None = None

    async def whole(self, to: Target, body: bytes) -> Any:
        """Give the answer's JSON. Raises ModelAPIError, of a kind that says what went wrong."""
        with _translated():
            async with self._opened().post(to.url, data=body, headers=to.headers, allow_redirects=False) as response:
                said = await response.read()
        try:
            found = orjson.loads(said)
        except orjson.JSONDecodeError as error:
            _refuse(response, None)
            raise ModelAPIError("the answer is no JSON") from error
        _refuse(response, found)
        return found

    @asynccontextmanager
    async def pieces(self, to: Target, body: bytes) -> "AsyncIterator[Pieces]":
        """Give the answer as it comes; leaving early closes the connection, so that the vendor stops too."""
        with _translated():
            response = await self._opened().post(to.url, data=body, headers=to.headers, allow_redirects=False)
        try:
            if response.status != HTTPStatus.OK:
                with _translated():
                    said = await response.read()
                _refuse(response, _parsed(said))
            yield Pieces(response.content)
        finally:
            # A connection that was read to its end has been given back by then.
            response.close()

    async def aclose(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        # Not before the first request: a session belongs to the event loop that runs then.
        if self._session is None:
            import httpx2  # for its choice of certificates, the same as for every other HTTPS of this service

            connector = aiohttp.TCPConnector(limit=self._max_connections, ssl=httpx2.create_ssl_context())
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                # Looking for a proxy costs something on every request, and few have one.
                trust_env=bool(getproxies()),
            )
        return self._session


class Pieces:
    """The body of an answer, as it comes."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._broken: aiohttp.ClientError | None = None

    async def next(self) -> bytes:
        """Give what has come since, b"" at the end. Raises ModelConnectionError, after all that came before it."""
        with _translated():
            if self._broken is not None:
                raise self._broken
            try:
                return await self._content.readany()
            except aiohttp.ClientError as error:
                # Words that came just before the connection broke were said all the same; aiohttp gives them out once
                # it has no error any more.
                self._content.set_exception(None)  # type: ignore[arg-type]
                self._broken = error
                rest = self._content.read_nowait()
                if rest:
                    return rest
                raise


def _refuse(response: aiohttp.ClientResponse, body: Any) -> None:
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise refused(response.status, body, headers=response.headers)
    if response.status != HTTPStatus.OK:
        raise ModelAPIError(f"status {response.status}")


def _parsed(said: bytes) -> Any:
    try:
        return orjson.loads(said)
    except orjson.JSONDecodeError:
        return None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise ModelTimeoutError(type(error).__name__, phase="connect") from error
    except (aiohttp.ClientError, OSError) as error:
        phase = next(phase for kind, phase in _PHASES if isinstance(error, kind))
        raise ModelConnectionError(type(error).__name__, phase=phase) from error
