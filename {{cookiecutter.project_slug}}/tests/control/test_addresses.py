"""Addresses: whose they are behind proxies, and how much may come from one."""

import asyncio
from uuid import uuid4

import pytest

from app.control.addresses import Addresses, networks
from app.control.allowed import AddressCeilings
from app.errors import CannotStart, OverRate
from app.store.shared import Shared

pytestmark = pytest.mark.proves("SEC-2")


@pytest.fixture
async def shared(redis_url):
    opened = Shared(redis_url, timeout_s=10)
    yield opened
    await opened.close()


@pytest.fixture
def address():
    # Nobody looks at its form: a counter of its own.
    return f"somewhere-{uuid4().hex}"


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "visitor"),
    [
        ("203.0.113.7", "", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "10.0.0.0/8", "203.0.113.7"),
        ("10.1.2.3", "198.51.100.1", "10.0.0.0/8", "198.51.100.1"),
        ("10.1.2.3", "198.51.100.1:4711", "10.0.0.0/8", "198.51.100.1"),
        ("10.1.2.3", "192.0.2.66, 198.51.100.1", "10.0.0.0/8", "198.51.100.1"),
        ("10.1.2.3", "192.0.2.66, 198.51.100.1, 10.9.9.9", "10.0.0.0/8", "198.51.100.1"),
        ("10.1.2.3", "unknown", "10.0.0.0/8", "10.1.2.3"),
        ("10.1.2.3", "", "10.0.0.0/8", "10.1.2.3"),
        ("127.0.0.1", "198.51.100.1", "", ""),
        ("127.0.0.1", "198.51.100.1", "127.0.0.0/8, ::1/128", "198.51.100.1"),
        ("::ffff:203.0.113.7", "", "", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "", "", "2001:db8:1:2::"),
        ("10.1.2.3", "[2001:db8:1:2:bbbb::9]:443", "10.0.0.0/8", "2001:db8:1:2::"),
        ("", "198.51.100.1", "10.0.0.0/8", ""),
    ],
)
async def test_only_trusted_proxies_are_believed(shared, peer, forwarded, trusted, visitor):
    assert Addresses(AddressCeilings(), shared, networks(trusted)).visitor(peer, forwarded) == visitor


def test_a_network_that_is_none_stops_the_start():
    with pytest.raises(CannotStart, match="APP_TRUSTED_PROXIES"):
        networks("10.0.0.0/8, everybody")


async def test_so_many_requests_are_taken_and_the_next_is_told_when_to_come_back(shared, address):
    addresses = Addresses(AddressCeilings(requests_per_minute=2), shared)
    assert [addresses.enter(address).left for _ in range(2)] == [1, 0]
    with pytest.raises(OverRate) as caught:
        addresses.enter(address)
    assert caught.value.retry_after_s and caught.value.extra["limit"]["policy"] == "address-requests"
    assert addresses.enter("") is None
    await addresses.close()


async def test_guessing_is_slowed_down(shared, address):
    addresses = Addresses(AddressCeilings(failed_sign_ins_per_minute=3), shared)
    for _ in range(3):
        addresses.enter(address)
        addresses.failed(address)
    with pytest.raises(OverRate, match="sign-ins failed"):
        addresses.enter(address)
    await addresses.close()


@pytest.mark.parametrize("what", ["requests", "failures"])
async def test_processes_add_up_what_they_saw(redis_url, address, what):
    ceilings = AddressCeilings(requests_per_minute=20, failed_sign_ins_per_minute=20)
    opened = [Shared(redis_url, timeout_s=10) for _ in range(2)]
    first, second = (Addresses(ceilings, shared) for shared in opened)

    async def let_in(addresses):
        for _ in range(11):
            addresses.enter(address) if what == "requests" else addresses.failed(address)

    await let_in(first)
    await let_in(second)
    # Each has seen 11 of 20 by itself, and both hear of 22.
    async with asyncio.timeout(30):
        while True:
            try:
                second.enter(address)
            except OverRate as error:
                assert error.retry_after_s
                break
            await asyncio.sleep(0.05)
    for each in (first, second):
        await each.close()
    for each in opened:
        await each.close()


async def test_without_redis_each_process_counts_for_itself(address):
    addresses = Addresses(AddressCeilings(requests_per_minute=1), Shared("redis://127.0.0.1:1"))
    addresses.enter(address)
    with pytest.raises(OverRate):
        addresses.enter(address)
    await addresses.close()
