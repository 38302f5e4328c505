"""HTTP to the hosts that a source names, and to nobody else: not by a redirect, not by a name that leads inside.

A fetch has bounds of size and time, and what robots.txt forbids is not asked for.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urljoin
from urllib.robotparser import RobotFileParser

import aiohttp

from app.control import outside
from app.control.outside import Inside, ensure_outside, host_of
from app.errors import SourceFailed, Unreadable

AGENT = "document-reader"
TOTAL_S, CONNECT_S = 30.0, 5.0
MOST_REDIRECTS = 5
MOST_ROBOTS_BYTES = 500_000
# A site that asks for more time between two requests than this waits no longer for its turn to be read.
LONGEST_DELAY_S = 10.0
CURE = "set `internal=True` if it is meant to"
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from the last address."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Fetcher:
    """Gets addresses of the hosts given; `internal` also lets names lead to addresses of a private network."""

    def __init__(self, named: Iterable[str], *, internal: bool) -> None:
        self._named, self._internal = frozenset(named), internal
        self._session: aiohttp.ClientSession | None = None
        self._robots: dict[str, RobotFileParser] = {}
        self._turn, self._reading_robots = asyncio.Lock(), asyncio.Lock()

    async def __aenter__(self) -> "Fetcher":
        self._session = aiohttp.ClientSession(
            connector=outside.connector(limit=8, internal=self._internal, cure=CURE),
            timeout=aiohttp.ClientTimeout(total=TOTAL_S, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": AGENT},
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(
        self, url: str, *, most_bytes: int, headers: Mapping[str, str] | None = None, obey: bool = True
    ) -> Reply:
        """Fetch an address. Raises SourceFailed when its host is not named or does not answer, Unreadable if too large.

        A redirect is followed within the named hosts only, and to where robots.txt lets us (`obey`).
        """
        for hop in range(MOST_REDIRECTS + 1):
            self._ensure_named(url)
            if hop and obey and not await self.allows(url):
                raise SourceFailed(f"robots.txt forbids {url}, to which it redirects.")
            await self._wait(url)
            reply = await self._once(url, most_bytes, headers or {})
            if reply.status not in _REDIRECTS or "Location" not in reply.headers:
                return reply
            url = urljoin(url, reply.headers["Location"])
        raise SourceFailed(f"{url} redirects more than {MOST_REDIRECTS} times.")

    async def allows(self, url: str) -> bool:
        """Say whether the host's robots.txt lets us fetch the address. Raises SourceFailed while it cannot be read."""
        self._ensure_named(url)
        return (await self._rules(url)).can_fetch(AGENT, url)

    async def _wait(self, url: str) -> None:
        """Let as much time pass between two requests as the host asks for."""
        rules = self._robots.get(urljoin(url, "/robots.txt"))
        if rules and (delay := rules.crawl_delay(AGENT)):
            async with self._turn:
                await asyncio.sleep(min(float(delay), LONGEST_DELAY_S))

    async def _rules(self, url: str) -> RobotFileParser:
        place = urljoin(url, "/robots.txt")
        async with self._reading_robots:
            if place not in self._robots:
                self._robots[place] = await self._read_rules(place)
        return self._robots[place]

    async def _read_rules(self, place: str) -> RobotFileParser:
        reply = await self.get(place, most_bytes=MOST_ROBOTS_BYTES, obey=False)
        if reply.status >= 500:
            # Whoever cannot say what is allowed has allowed nothing.
            raise SourceFailed(f"{place} answers {reply.status}; nothing is read until it says what is allowed.")
        rules = RobotFileParser(place)
        rules.parse(reply.content.decode(errors="replace").splitlines() if reply.status < 300 else [])
        return rules

    async def _once(self, url: str, most_bytes: int, headers: Mapping[str, str]) -> Reply:
        assert self._session is not None, "opened by `async with`"
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                content = bytearray()
                if response.status < 300:
                    # Counted after decompression, so that a bomb stops here.
                    async for part in response.content.iter_chunked(65_536):
                        content += part
                        if len(content) > most_bytes:
                            raise Unreadable(
                                f"The page has more than the {most_bytes:,} bytes allowed.", reason="oversized"
                            )
                return Reply(response.status, response.headers, bytes(content))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            cause = error.__cause__ or error
            why = str(cause) if isinstance(cause, Inside) else type(error).__name__
            raise SourceFailed(f"{url} cannot be fetched: {why}.") from error

    def _ensure_named(self, url: str) -> None:
        place = host_of(url)
        if place not in self._named:
            raise SourceFailed(
                f"{place or url!r} is no host that the source names; it names {', '.join(sorted(self._named))}."
            )
        try:
            ensure_outside(url, internal=self._internal, cure=CURE)
        except Inside as error:
            raise SourceFailed(f"{url} is not fetched: {error}.") from error
