"""Real places that sources read: a small web site, a bucket of an S3 server, a table of a database."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from aiohttp import web
from moto.server import ThreadedMotoServer

KEYS = {"BUCKET_KEY": "testing", "BUCKET_SECRET": "testing"}


@dataclass
class Page:
    """What a path answers with; `etag` and `modified` are sent, and answered with 304 when they come back."""

    body: bytes
    media_type: str = "text/html"
    etag: str = ""
    modified: str = ""
    status: int = 200
    to: str = ""


@dataclass
class Site:
    """A web site on a port of its own; `asked` remembers each request, and what was answered."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> "Site":
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        place = web.TCPSite(self._runner, "127.0.0.1", 0)
        await place.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner
        await self._runner.cleanup()

    def put(self, path: str, text: str | bytes, **more: Any) -> None:
        """Publish a page."""
        self.pages[path] = Page(text.encode() if isinstance(text, str) else text, **more)

    def map(self, *paths: str, at: str = "/sitemap.xml", kind: str = "urlset") -> None:
        """Publish a sitemap of these paths, or of sitemaps."""
        entry = "url" if kind == "urlset" else "sitemap"
        places = "".join(
            f"<{entry}><loc>{path if '://' in path else self.url + path}</loc></{entry}>" for path in paths
        )
        text = f'<?xml version="1.0"?><{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</{kind}>'
        self.put(at, text, media_type="application/xml")

    def fetched(self, path: str) -> list[int]:
        """Give the answers to the requests for a path."""
        return [status for asked, status in self.asked if asked == path]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        page = self.pages.get(request.path)
        status = 404 if page is None else page.status
        headers: dict[str, str] = {}
        if page and page.etag:
            headers["ETag"] = page.etag
            status = 304 if request.headers.get("If-None-Match") == page.etag else status
        if page and page.modified:
            headers["Last-Modified"] = page.modified
            status = 304 if request.headers.get("If-Modified-Since") == page.modified else status
        if page and page.to:
            headers["Location"], status = page.to, 302
        self.asked.append((request.path, status))
        body = page.body if page and status == 200 else b""
        media_type = page.media_type if page else "text/plain"
        return web.Response(status=status, body=body, headers={**headers, "Content-Type": media_type})


@dataclass
class S3:
    """An S3 server with one bucket."""

    url: str
    client: Any
    bucket: str = "papers"

    def put(self, key: str, text: str, *, tags: Mapping[str, str] | None = None, **more: Any) -> None:
        """Store an object."""
        tagging = "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in (tags or {}).items())
        self.client.put_object(Bucket=self.bucket, Key=key, Body=text.encode(), Tagging=tagging, **more)

    def tag(self, key: str, **tags: str) -> None:
        """Change the tags of an object."""
        found = [{"Key": name, "Value": value} for name, value in tags.items()]
        self.client.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": found})

    def drop(self, key: str) -> None:
        """Delete an object."""
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def empty(self) -> None:
        """Delete every object."""
        for each in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            self.drop(each["Key"])


@contextmanager
def s3_server() -> Iterator[S3]:
    """Run an S3 server on a free port."""
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    try:
        client.create_bucket(Bucket="papers")
        yield S3(url, client)
    finally:
        server.stop()


@dataclass
class Shelf:
    """A table of articles in a PostgreSQL that is not the service's own."""

    url: str

    def run(self, statement: str, *values: Any) -> None:
        """Run a statement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement, values)  # type: ignore[arg-type]

    def make(self) -> None:
        """Make the table."""
        self.run(
            "CREATE TABLE articles (id integer PRIMARY KEY, title text, body text, readers text[], denied text[],"
            " level text, changed_at timestamptz NOT NULL DEFAULT now())"
        )

    def put(self, id: int, title: str, body: str, readers: list[str], denied: list[str] | None = None) -> None:
        """Write an article."""
        self.run(
            "INSERT INTO articles (id, title, body, readers, denied) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (id) DO UPDATE SET title = excluded.title, body = excluded.body, readers = excluded.readers,"
            " denied = excluded.denied, changed_at = clock_timestamp()",
            id,
            title,
            body,
            readers,
            denied or [],
        )
