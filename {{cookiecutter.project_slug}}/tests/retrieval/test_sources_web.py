"""Web sources: only what is named and allowed is fetched, nothing leads elsewhere, nothing comes twice for nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any

import pytest
from aiohttp.resolver import ThreadedResolver

from app.control.outside import host_of
from app.domain.access import Access
from app.domain.source import ReadersFile, Web
from app.errors import BadInput, NotFound, SourceFailed, Unreadable
from app.retrieval.sources import Sources, web
from tests.retrieval.places import Site

ALL = Access(("everyone",))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site() as running:
        yield running


async def listed(source: Web) -> dict[str, bool]:
    """Give what the source lists, and whether somebody may read it."""
    async with Sources(lambda _: "", ("internal",)).opened(source) as opened:
        return {item.path: item.access is not None async for item in opened.items()}


async def read(source: Web, path: str, known: str = "") -> Any:
    async with Sources(lambda _: "").opened(source) as opened:
        return await opened.read(path, known)


def mapped(site: Site, **more: Any) -> Web:
    return Web("site", ALL, sitemap=f"{site.url}/sitemap.xml", **{"internal": True, **more})


async def test_pages_and_sitemaps_of_sitemaps_are_listed_once(site: Site) -> None:
    site.map("/one.xml", "/two.xml", kind="sitemapindex")
    site.map("/a", "/b", at="/one.xml")
    site.map("/b", "/c", at="/two.xml")
    source = mapped(site, pages=(f"{site.url}/a", f"{site.url}/d"))
    assert await listed(source) == {f"{site.url}/{page}": True for page in "adbc"}


@pytest.mark.proves("INT-4")
async def test_an_unchanged_page_is_asked_for_and_not_sent_again(site: Site) -> None:
    site.put("/tagged", "<title>A &amp; B</title>Zebra.", etag='"1"')
    site.put("/dated", "Zebra.", modified="Wed, 21 Oct 2015 07:28:00 GMT")
    site.put("/bare", "Zebra.")
    for page in ("tagged", "dated"):
        first = await read(mapped(site), f"{site.url}/{page}")
        assert first.version and await read(mapped(site), f"{site.url}/{page}", first.version) is None
        assert site.fetched(f"/{page}") == [200, 304]
    assert (await read(mapped(site), f"{site.url}/bare")).version == ""
    site.put("/tagged", "Okapi.", etag='"2"')
    again = await read(mapped(site), f"{site.url}/tagged", 'etag "1"')
    assert (again.content, again.version) == (b"Okapi.", 'etag "2"')


async def test_title_language_and_format_come_with_the_page(site: Site) -> None:
    site.put("/a", '<html lang="de-AT"><head><title>Reise\n &amp; Kosten</title></head>Hallo', media_type="text/html")
    site.put("/b", b"%PDF-1.4", media_type="application/pdf")
    site.put("/c.csv", b"a,b", media_type="application/octet-stream")
    page = await read(mapped(site), f"{site.url}/a")
    assert (page.title, page.language, page.media_type) == ("Reise & Kosten", "de-AT", "text/html")
    paper = await read(mapped(site), f"{site.url}/b")
    assert (paper.title, paper.filename, paper.media_type) == ("", "page", "application/pdf")
    assert (await read(mapped(site), f"{site.url}/c.csv")).filename == "c.csv"


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (410, NotFound), (500, SourceFailed), (403, SourceFailed)]
)
async def test_a_page_that_is_gone_differs_from_one_that_fails(site: Site, status: int, error: type[Exception]) -> None:
    site.put("/a", "x", status=status)
    with pytest.raises(error):
        await read(mapped(site), f"{site.url}/a")


@pytest.mark.proves("SEC-4")
async def test_what_robots_forbids_is_neither_listed_nor_asked_for(site: Site) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private/", media_type="text/plain")
    site.put("/hop", "", to="/private/b")
    site.map("/a", "/private/b")
    assert await listed(mapped(site)) == {f"{site.url}/a": True, f"{site.url}/private/b": False}
    with pytest.raises(SourceFailed, match="robots"):
        await read(mapped(site), f"{site.url}/hop")
    assert site.fetched("/private/b") == []


async def test_without_robots_all_is_allowed_and_while_it_fails_nothing_is(site: Site) -> None:
    site.map("/a")
    assert await listed(mapped(site)) == {f"{site.url}/a": True}
    site.put("/robots.txt", "", status=503)
    with pytest.raises(SourceFailed, match=r"robots\.txt"):
        await listed(mapped(site))


@pytest.mark.proves("SEC-4")
async def test_no_redirect_and_no_sitemap_leads_to_a_host_that_is_not_named(site: Site) -> None:
    async with Site() as other:
        other.put("/secret", "Salaries.")
        site.put("/a", "", to=f"{other.url}/secret")
        site.put("/b", "", to="/c")
        site.put("/c", "Zebra.")
        with pytest.raises(SourceFailed, match="no host that the source names"):
            await read(mapped(site), f"{site.url}/a")
        assert (await read(mapped(site), f"{site.url}/b")).content == b"Zebra."
        site.map(f"{other.url}/secret", "/c")
        assert await listed(mapped(site)) == {f"{other.url}/secret": False, f"{site.url}/c": True}
        with pytest.raises(SourceFailed):
            await read(mapped(site), f"{other.url}/secret")
        assert other.asked == []
        named = mapped(site, hosts=(other.url,))
        assert (await read(named, f"{site.url}/a")).content == b"Salaries."


@pytest.mark.proves("SEC-4")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "0.0.0.0"])
async def test_no_address_inside_is_asked_unless_it_is_meant(site: Site, host: str) -> None:
    port = site.url.rpartition(":")[2]
    with pytest.raises(SourceFailed, match="public internet"):
        await read(Web("site", ALL, pages=(f"http://{host}:{port}/",)), f"http://{host}:{port}/")
    assert site.asked == []


METADATA = [
    *("169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "100.100.100.200"),
    *("168.63.129.16", "192.0.0.192", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[::a9fe:a9fe]", "[::]"),
]


@pytest.mark.proves("SEC-4")
@pytest.mark.parametrize("host", METADATA)
async def test_the_address_of_credentials_is_never_asked_however_it_is_written(host: str) -> None:
    url = f"http://{host}/latest/meta-data/"
    with pytest.raises(SourceFailed, match="never"):
        await read(Web("site", ALL, pages=(url,), internal=True), url)


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let any name lead to these addresses, to the next ones at each look, and give the names that were looked up."""
    asked: list[str] = []

    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, object]]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        rest = {"hostname": host, "port": port, "proto": 0, "flags": 0}
        return [{**rest, "host": each, "family": AF_INET6 if ":" in each else AF_INET} for each in found]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    return asked


INSIDE = [
    *(["127.0.0.1"], ["10.1.2.3"], ["192.168.1.1"], ["172.16.0.1"], ["100.64.0.1"], ["0.0.0.0"], ["224.0.0.1"]),
    *(["::1"], ["fd00::1"], ["fe80::1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["2002:7f00:1::"], ["::7f00:1"]),
    # One honest address among them helps nobody.
    ["93.184.216.34", "127.0.0.1"],
]


@pytest.mark.proves("SEC-4")
@pytest.mark.parametrize("found", INSIDE, ids=",".join)
async def test_no_name_leads_inside(site: Site, monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    asked = names(monkeypatch, found)
    url = f"http://papers.example:{site.url.rpartition(':')[2]}/"
    with pytest.raises(SourceFailed, match="public internet"):
        await read(Web("site", ALL, pages=(url,)), url)
    assert asked == ["papers.example"] and site.asked == []


@pytest.mark.proves("SEC-4")
async def test_a_name_that_leads_elsewhere_at_the_second_look_is_looked_at_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To `internal` sources this machine is allowed, credentials never: the name turns between two readings.
    site.put("/page", "Zebra.")
    asked = names(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    url = f"http://papers.example:{site.url.rpartition(':')[2]}/page"
    assert (await read(Web("site", ALL, pages=(url,), internal=True), url)).content == b"Zebra."
    with pytest.raises(SourceFailed, match="never"):
        await read(Web("site", ALL, pages=(url,), internal=True), url)
    assert len(asked) >= 2 and site.fetched("/page") == [200]


@pytest.mark.proves("SEC-4")
async def test_a_redirect_to_a_named_host_that_leads_inside_is_not_followed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    site.put("/hop", "", to="http://more.example/latest/meta-data/")
    url = f"http://papers.example:{site.url.rpartition(':')[2]}/hop"
    with pytest.raises(SourceFailed, match="never"):
        await read(Web("site", ALL, pages=(url,), hosts=("http://more.example",), internal=True), url)
    assert asked[-1] == "more.example"


@pytest.mark.proves("SEC-4")
@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost."])
async def test_an_address_in_another_spelling_is_found_out(site: Site, host: str) -> None:
    url = f"http://{host}:{site.url.rpartition(':')[2]}/"
    with pytest.raises(SourceFailed):
        await read(Web("site", ALL, pages=(url,)), url)
    assert site.asked == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.test/x", "http://me:pw@a.test/", "gopher://a", "//a/b"])
async def test_only_http_without_a_password_is_an_address(url: str) -> None:
    assert host_of(url) == ""
    with pytest.raises(BadInput):
        web.hosts(Web("site", ALL, pages=(url,)))


async def test_a_redirect_in_a_circle_ends(site: Site) -> None:
    site.put("/a", "", to="/b")
    site.put("/b", "", to="/a")
    with pytest.raises(SourceFailed, match="more than"):
        await read(mapped(site), f"{site.url}/a")


async def test_a_page_that_is_too_large_stops_before_it_is_all_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MOST_BYTES", 100_000)
    site.put("/a", b"x" * 5_000_000)
    with pytest.raises(Unreadable) as caught:
        await read(mapped(site), f"{site.url}/a")
    assert caught.value.extra["reason"] == "oversized"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>no sitemap</html>",
        "<urlset><url><loc>cut",
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><page>&b;</page>',
    ],
)
async def test_a_broken_sitemap_is_a_failure_and_no_empty_list(site: Site, text: str) -> None:
    site.put("/sitemap.xml", text)
    with pytest.raises(SourceFailed):
        await listed(mapped(site))


async def test_entities_of_a_sitemap_lead_to_no_file(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    site.put(
        "/sitemap.xml",
        f'<!DOCTYPE urlset [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
        f"<urlset><url><loc>{site.url}/&x;</loc></url></urlset>",
    )
    assert not [path for path in await listed(mapped(site)) if "secret" in path]


async def test_a_sitemap_that_is_away_or_too_long_is_a_failure(site: Site) -> None:
    with pytest.raises(SourceFailed, match="404"):
        await listed(mapped(site))
    site.map("/a", "/b", "/c")
    with pytest.raises(SourceFailed, match="more than 2"):
        await listed(mapped(site, most_pages=2))


@pytest.mark.proves("SEC-4")
async def test_pages_have_the_readers_that_the_file_names_for_their_address(site: Site, tmp_path: Path) -> None:
    readers = tmp_path / "readers.toml"
    readers.write_text(
        f'[[document]]\npath = "{site.url}/hr/*"\nreaders = ["group:hr"]\nclassification = "internal"\n'
        f'[[document]]\npath = "{site.url}/hr/open"\ntitle = "Open"\nreaders = ["everyone"]\n'
    )
    site.map("/hr/open", "/hr/pay", "/other")
    source = Web("site", ReadersFile(readers), sitemap=f"{site.url}/sitemap.xml", internal=True)
    async with Sources(lambda _: "", ("internal",)).opened(source) as opened:
        found = {item.path.removeprefix(site.url): (item.access, item.title) async for item in opened.items()}
    assert found == {
        "/hr/open": (ALL, "Open"),
        "/hr/pay": (Access(("group:hr",), classification="internal"), ""),
        "/other": (None, ""),
    }
