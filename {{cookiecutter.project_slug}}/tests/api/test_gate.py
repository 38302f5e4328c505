"""What is refused before a body is read, and what goes on every response; with a real server for what clients hide."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from app.api.app import create
from app.api.gate import MOST_HEADER_BYTES
from app.console import pages
from app.errors import CannotStart
from app.settings import Settings
from app.wiring.service import build
from tests.api.asking import LEAVE, URL
from tests.api.serving import Served

OPEN = "https://app.example.com"
Headers = dict[str, str]


async def door_of(settings: Settings, **changes: Any) -> httpx2.AsyncClient:
    """Give a door to an application with other settings; its service is not started."""
    app = create(build(settings.model_copy(update=changes)), pages=pages.ROUTERS)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")


@pytest.mark.proves("SEC-2")
@pytest.mark.parametrize("path", ["/", "/console/sign-in", "/v1/me", "/health/live", "/nowhere", "/openai/v1/models"])
async def test_every_response_tells_browsers_to_be_strict(client: httpx2.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert (
        policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    )
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"] and headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store" and "strict-transport-security" not in headers


async def test_style_sheets_may_be_kept_and_personal_data_not(client: httpx2.AsyncClient, as_: Any) -> None:
    assert "no-store" not in (await client.get("/static/app.css")).headers["cache-control"]
    for path in ("/v1/me", "/v1/sessions", "/v1/usecases", "/v1/documents", "/v1/jobs"):
        assert (await client.get(path, headers=as_("sam.reyes"))).headers["cache-control"] == "no-store"
    stream = await client.post(URL, json=LEAVE, headers=as_("sam.reyes") | {"Accept": "text/event-stream"})
    assert stream.headers["cache-control"] == "no-store"


async def test_production_is_reached_by_https_and_by_its_own_names_only(settings: Settings) -> None:
    production = {"environment": "production", "public_url": "https://ask.example.com"}
    oidc = {"oidc_issuer": "https://id.example.com", "oidc_audience": "ask"}
    async with await door_of(settings, **production, **oidc) as door:
        for host in ("evil.example", "ask.example.com.evil.example", "", "127.0.0.1"):
            refused = await door.get("/v1/me", headers={"Host": host})
            assert (refused.status_code, refused.json()["type"]) == (400, "/problems/unknown-host"), host
            assert host not in refused.text or not host
        for host in ("ask.example.com", "ASK.example.com:443", "ask.example.com."):
            told = await door.get("/v1/me", headers={"Host": host})
            assert told.status_code == 401 and "max-age=31536000" in told.headers["strict-transport-security"], host
        assert (await door.get("/health/live", headers={"Host": "10.0.0.7:8000"})).status_code == 200
    async with await door_of(settings, **production, **oidc, allowed_hosts="a.example.com, b.example.com") as door:
        told = {
            h: (await door.get("/v1/me", headers={"Host": f"{h}.example.com"})).status_code for h in ("a", "b", "ask")
        }
        assert told == {"a": 401, "b": 401, "ask": 400}


@pytest.mark.parametrize(
    "twice", [("Authorization", "Bearer a", "Bearer b"), ("Idempotency-Key", "a", "b"), ("Origin", OPEN, "http://a")]
)
async def test_a_header_that_may_come_once_comes_once(client: httpx2.AsyncClient, twice: tuple[str, str, str]) -> None:
    name, first, second = twice
    refused = await client.post(URL, json=LEAVE, headers=[(name, first), (name, second)])
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/malformed")
    assert name.lower() in refused.json()["detail"]


async def test_headers_have_a_size_and_bodies_one_for_each_kind_of_route(client: httpx2.AsyncClient, as_: Any) -> None:
    who = as_("olga.petrov")
    huge = await client.get("/v1/me", headers=who | {"X-Filler": "x" * MOST_HEADER_BYTES})
    assert (huge.status_code, huge.json()["type"]) == (431, "/problems/headers-too-large")
    body = b'{"question": "' + b"x" * 1_000_001 + b'"}'
    json = who | {"Content-Type": "application/json"}
    for url in (URL, "/openai/v1/chat/completions", "/v1/admin/flags"):
        assert (await client.post(url, content=body, headers=json)).status_code == 413, url
    items = {"items": [{"question": "q" * 3000} for _ in range(400)]}
    assert (await client.post("/v1/usecases/handbook/jobs", json=items, headers=who)).status_code == 202


async def test_nothing_is_read_of_a_body_that_nobody_has_signed(client: httpx2.AsyncClient) -> None:
    read = False

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"{}"

    refused = await client.post(URL, content=pieces(), headers={"Content-Type": "application/json"})
    assert (refused.status_code, read) == (401, False)


@pytest.mark.parametrize("given", ["a b", "zq@person.example", "x" * 101, "-a", "a\tb", "sk-live0123456789abcdef"])
async def test_a_request_id_that_is_more_than_an_id_is_not_taken(client: httpx2.AsyncClient, given: str) -> None:
    assert (await client.get("/health/live", headers={"X-Request-Id": given})).headers["x-request-id"] != given
    kept = await client.get("/health/live", headers={"X-Request-Id": "A-1.b:c"})
    assert kept.headers["x-request-id"] == "A-1.b:c"


async def test_no_other_site_may_read_an_answer_unless_it_is_listed(
    client: httpx2.AsyncClient, settings: Settings, as_: Any
) -> None:
    asked = {"Origin": OPEN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    assert (await client.options(URL, headers=asked)).status_code == 405
    assert "access-control-allow-origin" not in (await client.get("/health/live", headers={"Origin": OPEN})).headers
    async with await door_of(settings, cors_origins=f"{OPEN}, https://b.example.com") as door:
        before = await door.options(URL, headers=asked)
        assert before.status_code == 200 and before.headers["access-control-allow-origin"] == OPEN
        assert "access-control-allow-credentials" not in before.headers
        told = await door.get("/v1/me", headers={"Origin": OPEN})
        assert told.status_code == 401 and told.headers["access-control-allow-origin"] == OPEN
        assert "X-Request-Id" in told.headers["access-control-expose-headers"]
        for origin in (
            "https://evil.example",
            "https://app.example.com.evil.example",
            "null",
            "http://app.example.com",
        ):
            other = await door.options(URL, headers={**asked, "Origin": origin})
            assert other.status_code == 400 and "access-control-allow-origin" not in other.headers, origin
        page = await door.get("/console/sign-in", headers={"Origin": OPEN})
        assert "access-control-allow-origin" not in page.headers


def test_a_wildcard_for_other_sites_stops_the_start(settings: Settings) -> None:
    with pytest.raises(CannotStart, match="APP_CORS_ORIGINS"):
        app = create(build(settings.model_copy(update={"cors_origins": "*"})))
        app.build_middleware_stack()


RAW = {
    "two hosts": b"GET /v1/me HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET /v1/me HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /v1/me HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": (
        b"POST /v1/usecases/a/turns HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /v1/admin/audit HTTP/1.1\r\nHost: a\r\n\r\n"
    ),
    "a length that is none": b"POST /v1/me HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
    "a broken chunk": b"POST /v1/me HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a strange coding": b"POST /v1/me HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"GET /v1/me HTTP/1.1\r\nHost : a\r\n\r\n",
    "a line that is folded": b"GET /v1/me HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
    "a zero byte": b"GET /v1/me HTTP/1.1\r\nHost: a\r\nX-A: b\x00c\r\n\r\n",
    "a bare newline": b"GET /v1/me HTTP/1.1\nHost: a\n\n",
    "no method": b"\r\n\r\n\r\n / HTTP/1.1\r\nHost: a\r\n\r\n",
    "huge headers": b"GET /v1/me HTTP/1.1\r\nHost: a\r\nX-A: " + b"x" * 200_000 + b"\r\n\r\n",
}


@pytest.mark.proves("REL-8")
@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
async def test_bytes_that_contradict_themselves_get_one_refusal_and_nothing_behind_them(
    serving_all: Served, raw: bytes
) -> None:
    host, _, port = serving_all.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    writer.write_eof()
    told = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    answers = told.count(b"HTTP/1.1 ")
    assert answers <= 1, told
    assert not told or b" 4" in told.split(b"\r\n")[0], told


@pytest.mark.proves("REL-8")
async def test_a_form_that_cannot_be_read_is_told_on_a_page(client: httpx2.AsyncClient) -> None:
    for media_type, body, status in (
        ("multipart/form-data", b"--a\r\n", 400),
        ("multipart/form-data; boundary=a", b"{", 400),
        ("application/x-www-form-urlencoded", b"person=" + b"x" * 1_100_000, 413),
    ):
        pieces = body if status == 400 else _pieces(body)
        headers = {"Content-Type": media_type, "Origin": "http://test"}
        told = await client.post("/console/sign-in", content=pieces, headers=headers)
        assert told.status_code == status and told.headers["content-type"].startswith("text/html"), told.text


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]
