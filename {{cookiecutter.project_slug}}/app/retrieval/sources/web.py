"""Pages of a web site: those that are named, and those that its sitemap lists."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import Message
from html import unescape
from io import BytesIO
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from lxml import etree

from app.control.outside import host_of
from app.domain.access import Access
from app.domain.source import Body, Item, ReadersFile, Web
from app.errors import BadInput, NotFound, SourceFailed, Unreadable
from app.retrieval.parse import MOST_BYTES
from app.retrieval.sources.described import Described
from app.retrieval.sources.fetch import Fetcher, Reply
from app.retrieval.sources.rights import Listing, item_maker, read_listing

MOST_SITEMAP_BYTES = 20_000_000
# A sitemap may list sitemaps, which list pages.
MOST_DEPTH = 2
UNTOLD = ("application/octet-stream", "binary/octet-stream")
ETAG, MODIFIED = "etag ", "modified "
_HEAD_BYTES = 65_536
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_LANGUAGE = re.compile(r"<html[^>]*\blang=[\"']?([A-Za-z-]{2,20})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WebReader(Described[Web]):
    """Lists and reads the pages of a web site."""

    fetcher: Fetcher

    async def items(self) -> AsyncIterator[Item]:
        """List the pages, without fetching them. Raises SourceFailed when a sitemap is away, broken or too long."""
        make = item_maker(await self._rule())
        seen: set[str] = set()
        async for url in self._urls():
            if url in seen:
                continue
            if len(seen) >= self.source.most_pages:
                raise SourceFailed(
                    f"There are more than {self.source.most_pages} pages; raise `most_pages`, or name fewer."
                )
            seen.add(url)
            if host_of(url) not in hosts(self.source):
                yield Item(url, None, note=f"{host_of(url) or 'its address'} is no host that the source names")
            elif not await self.fetcher.allows(url):
                yield Item(url, None, note="robots.txt forbids it")
            else:
                yield make(url)

    async def read(self, path: str, known: str) -> Body | None:
        """Fetch a page unless it is still the one that is known. Raises NotFound, SourceFailed, Unreadable."""
        headers = {"Accept": "text/html, text/plain, application/pdf, */*;q=0.5"}
        if known.startswith(ETAG):
            headers["If-None-Match"] = known.removeprefix(ETAG)
        elif known.startswith(MODIFIED):
            headers["If-Modified-Since"] = known.removeprefix(MODIFIED)
        reply = await self.fetcher.get(path, most_bytes=MOST_BYTES, headers=headers)
        if reply.status == 304 and known:
            return None
        if reply.status in (404, 410):
            raise NotFound(f"{path} is gone.")
        if reply.status >= 300:
            raise SourceFailed(f"{path} answers {reply.status}.")
        return _body(reply, PurePosixPath(urlsplit(path).path).name)

    async def _rule(self) -> Access | Listing:
        rights = self.source.rights
        if isinstance(rights, Access):
            return rights
        assert isinstance(rights, ReadersFile) and isinstance(rights.path, Path), "app/wiring/sources.py has looked"
        return await asyncio.to_thread(read_listing, rights.path, self.levels)

    async def _urls(self) -> AsyncIterator[str]:
        for url in self.source.pages:
            yield url
        if self.source.sitemap:
            async for url in self._sitemap(self.source.sitemap, depth=0):
                yield url

    async def _sitemap(self, url: str, *, depth: int) -> AsyncIterator[str]:
        reply = await self.fetcher.get(url, most_bytes=MOST_SITEMAP_BYTES)
        if reply.status >= 300:
            raise SourceFailed(f"The sitemap {url} answers {reply.status}.")
        root, places = await asyncio.to_thread(_places, reply.content, url)
        if root == "urlset":
            for place in places:
                yield place
            return
        if depth >= MOST_DEPTH:
            raise SourceFailed(f"The sitemap {url} lists sitemaps that list sitemaps; name the inner ones.")
        for place in places:
            async for found in self._sitemap(place, depth=depth + 1):
                yield found


def hosts(source: Web) -> frozenset[str]:
    """Give the hosts, as `name:port`, that may be asked. Raises BadInput for an address of another form."""
    named = [*source.pages, *([source.sitemap] if source.sitemap else ()), *(_as_url(host) for host in source.hosts)]
    found = {url: host_of(url) for url in named}
    if strange := [url for url, host in found.items() if not host]:
        raise BadInput(f"These are no http or https addresses without a password: {', '.join(strange)}.")
    return frozenset(found.values())


def _as_url(host: str) -> str:
    return host if "://" in host else f"https://{host}"


def _places(content: bytes, url: str) -> tuple[str, list[str]]:
    try:
        if content[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=BytesIO(content)) as packed:
                content = packed.read(MOST_SITEMAP_BYTES + 1)
        if len(content) > MOST_SITEMAP_BYTES:
            raise SourceFailed(f"The sitemap {url} has more than {MOST_SITEMAP_BYTES:,} bytes.")
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, OSError, EOFError, ValueError) as error:
        raise SourceFailed(f"{url} is no sitemap: {error}.") from error
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise SourceFailed(f"{url} is no sitemap: it is a {kind}.")
    found = [(each.text or "").strip() for each in root.iterfind("{*}*/{*}loc")]
    return kind, [place for place in found if place]


def _body(reply: Reply, name: str) -> Body:
    given = Message()
    given["Content-Type"] = reply.headers.get("Content-Type", "text/html")
    media_type = given.get_content_type()
    # Where the server does not say what it is, the end of the address may.
    tells = media_type not in UNTOLD
    version = ""
    if tag := reply.headers.get("ETag"):
        version = ETAG + tag
    elif modified := reply.headers.get("Last-Modified"):
        version = MODIFIED + modified
    language = reply.headers.get("Content-Language", "").partition(",")[0].strip()
    title = ""
    if media_type == "text/html":
        try:
            head = reply.content[:_HEAD_BYTES].decode(given.get_content_charset("utf-8"), errors="replace")
        except LookupError as error:
            raise Unreadable("The page names an encoding that does not exist.", reason="malformed") from error
        title = " ".join(unescape(found.group(1)).split())[:200] if (found := _TITLE.search(head)) else ""
        language = language or (found.group(1) if (found := _LANGUAGE.search(head)) else "")
    return Body(reply.content, "page" if tells else name, media_type, version, title, language)
