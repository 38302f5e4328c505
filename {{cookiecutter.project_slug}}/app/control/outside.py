"""Which addresses we ask on somebody's word: none on this machine, in its network, or where clouds keep secrets."""

import ipaddress
from collections.abc import Iterator
from socket import AF_INET, AddressFamily, socket

from aiohttp import AddrInfoType, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where AWS (IPv6), Alibaba, Oracle and Azure answer their machines; the others do so on link-local addresses.
METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd20:ce::254"))
)
# Prefixes whose last 32 bits are an IPv4 address: NAT64 (RFC 6052, 8215), IPv4-compatible (RFC 4291).
_CARRIERS = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
SCHEMES = ("http", "https")


class Inside(OSError):
    """A name leads to an address that must not be asked."""


def host_of(url: str) -> str:
    """Give host and port of an http or https address as `name:port`; "" for any other, or with a password in it."""
    try:
        parts = URL(url)
    except ValueError:
        return ""
    if parts.scheme not in SCHEMES or not parts.raw_host or parts.raw_user or parts.raw_password:
        return ""
    return f"{parts.raw_host}:{parts.port}"


def ensure_outside(url: str, *, internal: bool, cure: str) -> None:
    """Refuse an address whose host is a number that leads inside: the connector resolves no numbers. Raises Inside.

    The host is judged as it will be dialled: `１２７.0.0.1` is 127.0.0.1 by then.
    """
    try:
        host = URL(url).raw_host or ""
    except ValueError as error:
        raise Inside("it is no address that can be asked") from error
    if _is_address(host):
        _ensure(host, internal=internal, cure=cure)


def connector(*, limit: int, internal: bool, cure: str) -> TCPConnector:
    """Open connections that lead outside only; `internal` and `cure` as in `Guarded`."""

    def opened(where: AddrInfoType) -> socket:
        # The last door: whatever was asked for and however it was resolved, this is the address that is dialled.
        family, kind, protocol, _, address = where
        _ensure(str(address[0]), internal=internal, cure=cure)
        return socket(family, kind, protocol)

    guarded = Guarded(internal=internal, cure=cure)
    return TCPConnector(limit=limit, resolver=guarded, use_dns_cache=False, socket_factory=opened)


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
