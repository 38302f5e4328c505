"""Which addresses we ask on somebody's word: none on this machine, in its network, or where clouds keep secrets."""

import ipaddress
from collections.abc import Iterator
from socket import AF_INET, AddressFamily
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where AWS (IPv6), Alibaba, Oracle and Azure answer their machines; the others do so on link-local addresses.
METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd20:ce::254"))
)
# Prefixes whose last 32 bits are an IPv4 address: NAT64 (RFC 6052, 8215), IPv4-compatible (RFC 4291).
_CARRIERS = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
PORTS = {"http": 80, "https": 443}


class Inside(OSError):
    """A name leads to an address that must not be asked."""


def host_of(url: str) -> str:
    """Give host and port of an http or https address as `name:port`; "" for any other, or with a password in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in PORTS or not parts.hostname or parts.username or parts.password:
        return ""
    return f"{parts.hostname}:{port or PORTS[parts.scheme]}"


def ensure_outside(url: str, *, internal: bool, cure: str) -> None:
    """Refuse an address whose host is a number that leads inside: the connector resolves no numbers. Raises Inside."""
    host = urlsplit(url).hostname or ""
    if _is_address(host):
        _ensure(host, internal=internal, cure=cure)


class Guarded(AbstractResolver):
    """Resolves names, and refuses those that lead to this machine, its network or a metadata service.

    `internal` allows private networks; `cure` says how that is turned on.
    """

    def __init__(self, *, internal: bool, cure: str) -> None:
        self._internal, self._cure, self._resolver = internal, cure, ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        """Give the addresses of a name. Raises Inside."""
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            _ensure(each["host"], internal=self._internal, cure=self._cure)
        return found

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._resolver.close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _ensure(text: str, *, internal: bool, cure: str) -> None:
    for address in _meant(ipaddress.ip_address(text.partition("%")[0])):
        # Link-local is where clouds keep the credentials of the machine; some keep them elsewhere.
        never = address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA
        if never or not (address.is_global or internal):
            said = "never allowed" if never else cure
            raise Inside(f"it leads to {text}, which is not on the public internet; {said}")


def _meant(address: _Address) -> Iterator[_Address]:
    """Give the address, and the IPv4 address that it carries: mapped, compatible, 6to4, Teredo or NAT64."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        yield from (each for each in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())) if each)
        if any(address in net for net in _CARRIERS):
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
