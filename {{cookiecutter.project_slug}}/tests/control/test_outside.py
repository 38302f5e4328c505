"""Addresses that somebody names lead to the public internet, or nowhere."""

import pytest
from aiohttp import ClientConnectorError, ClientSession
from aiohttp.resolver import ThreadedResolver

from app.control.outside import Guarded, Inside, connector, ensure_outside, host_of

# Whoever dials folds other digits and dots to ours.
NEVER = [
    *("169.254.169.254", "0.0.0.0", "[fd00:ec2::254]", "100.100.100.200", "[::ffff:169.254.169.254]", "224.0.0.1"),
    *("169。254。169。254", "①69.254.169.254", "１６９.254.169.254"),
]
PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.9.9", "[::1]", "[fd12::1]", "[64:ff9b::a00:1]"),
    *("１２７.0.0.1", "10｡1｡2｡3"),
]


@pytest.mark.parametrize("host", [*NEVER, *PRIVATE])
def test_a_number_that_leads_inside_is_refused_with_the_cure(host: str) -> None:
    with pytest.raises(Inside, match="do this" if host in PRIVATE else "not on the public internet"):
        ensure_outside(f"https://{host}/events", internal=False, cure="do this")


@pytest.mark.parametrize("host", NEVER)
def test_where_clouds_keep_secrets_is_refused_in_any_case(host: str) -> None:
    with pytest.raises(Inside, match="never allowed"):
        ensure_outside(f"http://{host}/", internal=True, cure="do this")


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_network_is_asked_where_it_is_meant(host: str) -> None:
    url = f"http://{host}/"
    ensure_outside(url, internal=True, cure="do this")
    with pytest.raises(Inside, match="do this"):
        ensure_outside(url, internal=False, cure="do this")


@pytest.mark.parametrize("address", ["10.0.0.7", "169.254.169.254"])
async def test_a_name_that_leads_inside_is_refused_whatever_it_is_called(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(*_: object) -> list[dict[str, object]]:
        return [{"hostname": "harmless.example", "host": address, "port": 443, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(ThreadedResolver, "resolve", found)
    guarded = Guarded(internal=False, cure="do this")
    with pytest.raises(Inside, match="not on the public internet"):
        await guarded.resolve("harmless.example", 443)
    await guarded.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "１２７.0.0.1", "[::1]"])
async def test_the_connector_itself_opens_nothing_that_leads_inside(host: str) -> None:
    async with ClientSession(connector=connector(limit=1, internal=False, cure="do this")) as session:
        with pytest.raises(ClientConnectorError) as refused:
            await session.get(f"http://{host}:9/")
    assert isinstance(refused.value.__cause__, Inside) and "do this" in str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.org/a", "example.org:443"),
        ("https://ｅxample.org/a", "example.org:443"),
        ("http://example.org:8080", "example.org:8080"),
        ("https://sam:secret@example.org/", ""),
        ("file:///etc/passwd", ""),
        ("https://example.org:99999/", ""),
        ("https://[::1", ""),
        ("example.org", ""),
    ],
)
def test_only_addresses_of_the_web_without_a_password_have_a_host(url: str, host: str) -> None:
    assert host_of(url) == host
